import { prng } from '@blk/oracle';
import { BlockError } from '@blk/core-graph';
import { describe, expect, it, vi } from 'vitest';
import type { Spool } from '../src/index.js';

const BYTES = prng(2).bytes(3_000_000);
const CAP = 10_000_000;

describe.each(['node', 'browsers'])('a spool in %s', (platform) => {
  async function open(cap = CAP): Promise<Spool> {
    vi.resetModules();
    vi.doMock('#spool-store', () => (platform === 'node' ? import('../src/platform/spool-store-node.js') : import('../src/platform/spool-store.js')));
    const names = await import('../src/index.js');
    return names.Spool.open({ driver: 'test', cap });
  }

  it('gives back what was put in, as soon as it is there', async () => {
    const spool = await open();
    const read = (offset: number, length: number): Promise<number> => {
      const buffer = new Uint8Array(length);
      return Promise.resolve(spool.read(offset, buffer, 0, length)).then(() => Buffer.compare(buffer, BYTES.subarray(offset, offset + length)));
    };
    const early = [read(0, 10), read(1_500_000, 700_000), read(2_999_999, 1)];
    for (let at = 0; at < BYTES.length; at += 70_001) await spool.put(at, BYTES.slice(at, at + 70_001));
    expect(await Promise.all(early)).toEqual([0, 0, 0]);
    expect(await read(1_048_570, 20)).toBe(0);
    expect(spool.filled).toBe(BYTES.length);
    await spool.close();
  });

  it('takes the same bytes again, and no others', async () => {
    const spool = await open();
    await spool.put(0, BYTES.subarray(0, 1000));
    await spool.put(0, BYTES.subarray(0, 600));
    await spool.put(600, BYTES.subarray(600, 2000));
    expect(spool.filled).toBe(2000);
    const wrong = BYTES.slice(500, 2500);
    wrong[777] ^= 1;
    await expect(spool.put(500, wrong)).rejects.toMatchObject({ kind: 'corrupt', message: 'The file has changed while it was fetched: byte 1277 is another one' });
    expect(spool.filled).toBe(2000);
    await spool.close();
  });

  it('takes one chunk after the other, though two transfers bring them', async () => {
    const spool = await open(1000);
    const first = spool.put(0, new Uint8Array(100).fill(1));
    const second = spool.put(0, new Uint8Array(200).fill(2));
    await first;
    await expect(second).rejects.toThrow('The file has changed while it was fetched: byte 0 is another one');
    expect(spool.filled).toBe(100);
    await spool.close();
    await expect(spool.put(100, new Uint8Array(1))).rejects.toMatchObject({ kind: 'closed' });
  });

  it('is not larger than it may be', async () => {
    const spool = await open(1000);
    await spool.put(0, BYTES.subarray(0, 1000));
    await expect(spool.put(1000, BYTES.subarray(0, 1))).rejects.toMatchObject({ kind: 'too-large' });
    expect(() => { spool.checkFits(1001); }).toThrow("The file has 1001 bytes; it has to be fetched as a whole, and 'spool' allows 1000");
    await spool.close();
  });

  it('fails those who wait for what will not come', async () => {
    const spool = await open();
    await spool.put(0, BYTES.subarray(0, 1000));
    const waiting = Promise.resolve(spool.read(900, new Uint8Array(200), 0, 200));
    spool.fail(new BlockError('io', 'gone'));
    await expect(waiting).rejects.toThrow('gone');
    await expect(spool.read(1000, new Uint8Array(1), 0, 1)).rejects.toThrow('gone');
    await spool.read(900, new Uint8Array(100), 0, 100);
    await spool.close();
  });
});
