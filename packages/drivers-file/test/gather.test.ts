/** Writes of one turn that follow one another. */
import { tempDir } from '@blk/oracle';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Gather } from '../src/io/gather.js';
import { poolWritev } from '../src/io/pool.js';

const MiB = 1024 * 1024;

interface Sent {
  readonly offset: number;
  readonly bytes: number[];
}

function recorded(fails = false): { readonly gather: Gather; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const gather = new Gather((offset, buffers, length) => {
    const bytes = buffers.flatMap((buffer) => [...buffer]);
    expect(bytes.length).toBe(length);
    sent.push({ offset, bytes });
    return fails ? Promise.reject(new Error('full')) : Promise.resolve();
  });
  return { gather, sent };
}

describe('gathered writes', () => {
  it('are one request where they follow one another, also when a promise lies between', async () => {
    const { gather, sent } = recorded();
    const buffer = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const all = [gather.write(100, buffer, 0, 2)];
    await Promise.resolve();
    all.push(gather.write(102, buffer, 2, 1), gather.write(200, buffer, 3, 1), gather.write(103, buffer, 4, 2));
    expect(sent).toEqual([]);
    await Promise.all(all);
    expect(sent).toEqual([
      { offset: 100, bytes: [1, 2, 3] },
      { offset: 200, bytes: [4] },
      { offset: 103, bytes: [5, 6] },
    ]);
  });

  it('do not wait for those of a later turn, nor grow without end', async () => {
    const { gather, sent } = recorded();
    const buffer = new Uint8Array(MiB);
    await gather.write(0, buffer, 0, 16);
    await gather.write(16, buffer, 0, 16);
    expect(sent.map(({ offset }) => offset)).toEqual([0, 16]);
    await Promise.all(Array.from({ length: 5 }, (_, at) => gather.write(at * MiB, buffer, 0, MiB)));
    expect(sent.slice(2).map(({ offset, bytes }) => [offset, bytes.length])).toEqual([[0, 4 * MiB], [4 * MiB, MiB]]);
  });

  it('all fail where their request does', async () => {
    const { gather } = recorded(true);
    const results = await Promise.allSettled([gather.write(0, new Uint8Array(8), 0, 4), gather.write(4, new Uint8Array(8), 0, 4)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('a vectored write in the pool', () => {
  it('stores all buffers, and names the reason where it can not', async () => {
    using dir = tempDir();
    const path = dir.file('disk');
    const fd = openSync(path, 'w+');
    try {
      await poolWritev(fd, 3, [Uint8Array.of(1, 2), Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5)], 5);
      expect([...readFileSync(path)]).toEqual([0, 0, 0, 1, 2, 3, 4, 5]);
    } finally {
      closeSync(fd);
    }
    await expect(poolWritev(fd, 0, [Uint8Array.of(1)], 1)).rejects.toMatchObject({ code: 'EBADF' });
    const full = openSync('/dev/full', 'w');
    try {
      await expect(poolWritev(full, 0, [Uint8Array.of(1), Uint8Array.of(2)], 2)).rejects.toMatchObject({ code: 'ENOSPC' });
    } finally {
      closeSync(full);
    }
  });
});
