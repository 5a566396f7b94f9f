// What a real server is asked, by its own log: stable storage, zeroes and space given back.
import { BlockGraph, WriteFlag } from '@blk/core-graph';
import { skipUnless, start, tempDir, waitForSocket } from '@blk/oracle';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nbd } from '../src/index.js';

/** The requests that reached the disk behind nbdkit, while `use` was at work. */
async function logged(filters: readonly string[], use: (node: Awaited<ReturnType<BlockGraph['open']>>) => Promise<void>): Promise<string[]> {
  using dir = tempDir();
  {
    await using server = await start('nbdkit', ['-f', '-U', dir.file('s'), ...filters, '--filter=log', 'memory', '1M', `logfile=${dir.file('log')}`]);
    await waitForSocket(dir.file('s'), server, { greeting: true });
    const graph = new BlockGraph({ drivers: [nbd] });
    await use(await graph.open({ driver: 'nbd', server: { type: 'unix', path: dir.file('s') }, discard: 'unmap' }));
    await graph.close();
  }
  const lines = readFileSync(dir.file('log'), 'utf8').matchAll(/ (Write|Zero|Trim|Flush) id=\d+(?: offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+))?(?: trim=(\d))?(?: fua=(\d))?/g);
  return [...lines].map(([, verb, offset, count, trim, fua]) =>
    [verb, ...(offset === undefined ? [] : [Number(offset), Number(count)]), ...(trim === '1' ? ['unmap'] : []), ...(fua === '1' ? ['fua'] : [])].join(' '));
}

const needs = skipUnless('nbdkit');
describe.skipIf(needs.skip)(needs.title('nbdkit'), () => {
  const use: Parameters<typeof logged>[1] = async (node) => {
    await node.write(0, new Uint8Array(4096).fill(1), 0, 4096);
    await node.write(4096, new Uint8Array(4096).fill(1), 0, 4096, WriteFlag.Fua);
    await node.writeZeroes(8192, 4096, WriteFlag.Fua | WriteFlag.MayUnmap);
    await node.writeZeroes(16_384, 4096);
    await node.discard(32_768, 4096);
  };

  it('is asked for stable storage with the request itself', async () => {
    expect(await logged([], use)).toEqual(['Write 0 4096', 'Write 4096 4096 fua', 'Zero 8192 4096 unmap fua', 'Zero 16384 4096', 'Trim 32768 4096']);
  });

  it('is asked to flush where it offers nothing better', async () => {
    expect(await logged(['--filter=fua'], use)).toEqual(['Write 0 4096', 'Write 4096 4096', 'Flush', 'Zero 8192 4096 unmap', 'Flush', 'Zero 16384 4096', 'Trim 32768 4096']);
  });
});
