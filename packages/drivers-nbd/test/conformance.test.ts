import { driverConformance, prng } from '@blk/driver-conformance';
import { skipUnless, start, tempDir, waitForSocket } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
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

const kit = skipUnless('nbdkit');
describe.skipIf(kit.skip)(kit.title('beside nbdkit'), () => {
  // One that cuts every connection's requests in small pieces, and one that takes its time.
  for (const filters of [['--filter=blocksize-policy', 'blocksize-minimum=512', 'blocksize-maximum=64K'], ['--filter=delay', 'delay-read=2ms']]) {
    driverConformance({
      name: `nbd from nbdkit ${filters[0]}`,
      size,
      asynchronous: true,
      histories: 1,
      steps: 20,
      provision: async ({ seed }) => {
        const content = prng(seed).bytes(size);
        const dir = tempDir();
        writeFileSync(dir.file('disk'), content);
        const server = await start('nbdkit', ['-f', '-U', dir.file('s'), filters[0], 'file', dir.file('disk'), ...filters.slice(1)]);
        await waitForSocket(dir.file('s'), server, { greeting: true });
        return {
          drivers: [nbd],
          definition: { driver: 'nbd', server: { type: 'unix', path: dir.file('s') } },
          content,
          dispose: async () => {
            await server.stop();
            dir[Symbol.dispose]();
          },
        };
      },
    });
  }
});
