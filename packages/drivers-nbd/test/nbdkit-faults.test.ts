// A real server that fails, is slow, or goes: nbdkit with its filters error and rate. What fails is told, what is read is right, and connections are counted.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { BlockError, BlockGraph, type BlockNode, type Definition } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { skipUnless, start, tempDir, until, waitForSocket, type Running, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { nbd } from '../src/index.js';

const SIZE = 1024 * 1024;

const needs = skipUnless('nbdkit');
describe.skipIf(needs.skip)(needs.title('nbdkit'), () => {
  /** Serves the file `disk`; its log counts connections that came as far as the disk. */
  async function serve(dir: TempDir, ...words: readonly string[]): Promise<Running> {
    rmSync(dir.file('log'), { force: true });
    const filters = words.filter((word) => word.startsWith('--'));
    const settings = words.filter((word) => !word.startsWith('--'));
    const server = await start('nbdkit', ['-f', '-U', dir.file('s'), ...filters, '--filter=log', 'file', dir.file('disk'), `logfile=${dir.file('log')}`, ...settings]);
    await waitForSocket(dir.file('s'), server, { greeting: true });
    return server;
  }

  const connections = (dir: TempDir): number => !existsSync(dir.file('log')) ? 0 : readFileSync(dir.file('log'), 'utf8').match(/ Connect /g)?.length ?? 0;

  async function open(dir: TempDir, more: Definition = {}): Promise<{ readonly graph: BlockGraph; readonly node: BlockNode }> {
    const graph = new BlockGraph({ drivers: [nbd] });
    return { graph, node: await graph.open({ driver: 'nbd', server: { type: 'unix', path: dir.file('s') }, ...more }) };
  }

  it.each([1, 2, 3])('that fails a third of all requests is told of, and nothing else comes of that (seed %d)', async (seed) => {
    using dir = tempDir();
    const random = prng(seed);
    const model = random.bytes(SIZE);
    writeFileSync(dir.file('disk'), model);
    await using server = await serve(dir, '--filter=error', 'error-pread=EIO', 'error-pread-rate=30%', 'error-pwrite=ENOSPC', 'error-pwrite-rate=30%');
    const { graph, node } = await open(dir);
    const failed: Record<string, number> = { read: 0, write: 0 };
    for (let step = 0; step < 150; step++) {
      const length = 1 + random.below(40_000);
      const offset = random.below(SIZE - length);
      const bytes = random.bytes(length);
      const verb = random.pick(['read', 'write'] as const);
      try {
        if (verb === 'read') {
          await node.read(offset, bytes, 0, length);
          expectSameBytes(bytes, model.subarray(offset, offset + length));
        } else {
          await node.write(offset, bytes, 0, length);
          model.set(bytes, offset);
        }
      } catch (error) {
        if (!(error instanceof BlockError)) throw error;
        expect(error.errno).toBe(verb === 'read' ? 'EIO' : 'ENOSPC');
        failed[verb]++;
      }
    }
    expect(Math.min(...Object.values(failed))).toBeGreaterThan(5);
    await graph.close();
    await server.stop();
    expect(connections(dir)).toBe(1);
    expectSameBytes(readFileSync(dir.file('disk')), model);
  });

  it('that fails everything for a while serves again over the same connection', async () => {
    using dir = tempDir();
    const content = prng(4).bytes(SIZE);
    writeFileSync(dir.file('disk'), content);
    await using server = await serve(dir, '--filter=error', 'error=EIO', 'error-rate=1', `error-file=${dir.file('fail')}`);
    const { graph, node } = await open(dir, { 'reconnect-delay': 10 });
    const read = async (): Promise<unknown> => {
      const buffer = new Uint8Array(SIZE);
      try {
        await node.read(0, buffer, 0, SIZE);
        return Buffer.compare(buffer, content) === 0 ? 'right' : 'wrong';
      } catch (error) {
        return (error as BlockError).errno;
      }
    };
    writeFileSync(dir.file('fail'), '');
    expect(await Promise.all([read(), read(), read()])).toEqual(['EIO', 'EIO', 'EIO']);
    rmSync(dir.file('fail'));
    expect(await Promise.all([read(), read(), read()])).toEqual(['right', 'right', 'right']);
    await graph.close();
    await server.stop();
    // The others were made because reads go over several, none was lost.
    expect(connections(dir)).toBeLessThanOrEqual(4);
  });

  it('that gets on slowly gets on', async () => {
    using dir = tempDir();
    const content = prng(5).bytes(SIZE);
    writeFileSync(dir.file('disk'), content);
    await using server = await serve(dir, '--filter=rate', 'rate=64M');
    const { graph, node } = await open(dir, { timeout: 20 });
    const buffer = new Uint8Array(SIZE);
    await Promise.all([0, 1, 2, 3].map(async (part) => { await node.read((part * SIZE) / 4, buffer, (part * SIZE) / 4, SIZE / 4); }));
    expectSameBytes(buffer, content);
    await node.write(0, content.toReversed(), 0, SIZE);
    await graph.close();
    await server.stop();
    expectSameBytes(readFileSync(dir.file('disk')), content.toReversed());
  });

  it('that dies and is started anew is connected to once for each time', async () => {
    using dir = tempDir();
    const content = prng(6).bytes(SIZE);
    writeFileSync(dir.file('disk'), content);
    let server = await serve(dir);
    const { graph, node } = await open(dir, { 'reconnect-delay': 60 });
    const buffer = new Uint8Array(4096);
    for (let time = 0; time < 3; time++) {
      await node.read(time * 4096, buffer, 0, 4096);
      expectSameBytes(buffer, content.subarray(time * 4096, time * 4096 + 4096));
      expect(connections(dir)).toBe(1);
      await server.stop('SIGKILL');
      rmSync(dir.file('s'), { force: true });
      const reading = node.read(SIZE - 4096, buffer, 0, 4096);
      server = await serve(dir);
      await reading;
      expectSameBytes(buffer, content.subarray(SIZE - 4096));
      await until(() => connections(dir) === 1);
    }
    await graph.close();
    await server.stop();
  });
});
