import { driverConformance, prng } from '@blk/driver-conformance';
import { skipUnless } from '@blk/oracle';
import { describe } from 'vitest';
import { nbd } from '../src/index.js';
import { MemoryDisk, serve, serveByQemu } from './support.js';

const size = 300_032;

driverConformance({
  name: 'nbd from our server',
  size,
  asynchronous: true,
  histories: 3,
  provision: async ({ seed }) => {
    const content = prng(seed).bytes(size);
    const served = await serve(new MemoryDisk(content.slice()));
    return {
      drivers: [nbd],
      definition: { driver: 'nbd', server: { type: 'unix', path: served.path }, export: 'disk', connections: 2 },
      content,
      dispose: () => served.close(),
    };
  },
});

const needs = skipUnless('qemu-nbd');
describe.skipIf(needs.skip)(needs.title('beside qemu-nbd'), () => {
  driverConformance({
    name: 'nbd from qemu-nbd',
    size,
    asynchronous: true,
    histories: 1,
    steps: 20,
    provision: async ({ seed }) => {
      const content = prng(seed).bytes(size);
      const served = await serveByQemu(content);
      return {
        drivers: [nbd],
        definition: { driver: 'nbd', server: { type: 'unix', path: served.path }, export: 'disk' },
        content,
        dispose: () => served.close(),
      };
    },
  });
});
