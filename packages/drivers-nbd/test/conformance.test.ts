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
  beside('qemu-nbd', { export: 'disk' }, serveByQemu);
});

const kit = skipUnless('nbdkit');
describe.skipIf(kit.skip)(kit.title('beside nbdkit'), () => {
  // One that cuts every connection's requests in small pieces, and one that takes its time.
  for (const filters of [['--filter=blocksize-policy', 'blocksize-minimum=512', 'blocksize-maximum=64K'], ['--filter=delay', 'delay-read=2ms']]) {
    beside(`nbdkit ${filters[0]}`, {}, (content) => serveByKit(content, filters));
  }
});

/** The contract beside a server that is not ours. */
function beside(name: string, options: object, serveContent: (content: Uint8Array) => Promise<Served>): void {
  driverConformance({
    name: `nbd from ${name}`,
    size,
    asynchronous: true,
    histories: 1,
    steps: 20,
    provision: async ({ seed }) => {
      const content = prng(seed).bytes(size);
      const served = await serveContent(content);
      return {
        drivers: [nbd],
        definition: { driver: 'nbd', server: { type: 'unix', path: served.path }, ...options },
        content,
        dispose: () => served.close(),
      };
    },
  });
}

interface Served {
  readonly path: string;
  close(): Promise<void>;
}

async function serveByKit(content: Uint8Array, [filter, ...options]: readonly string[]): Promise<Served> {
  const dir = tempDir();
  const path = dir.file('s');
  writeFileSync(dir.file('disk'), content);
  const server = await start('nbdkit', ['-f', '-U', path, filter, 'file', dir.file('disk'), ...options]);
  await waitForSocket(path, server, { greeting: true });
  return {
    path,
    close: async () => {
      await server.stop();
      dir[Symbol.dispose]();
    },
  };
}
