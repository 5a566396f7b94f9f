import { prng } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { ReadAhead, type RangeSource } from '../src/index.js';

const SIZE = 1_000_003;
const BYTES = prng(1).bytes(SIZE);
const WINDOW = 8192;

/** Counts what it is asked for; answers when the test lets it. */
class Source implements RangeSource {
  readonly size = SIZE;
  readonly asked: [number, number][] = [];
  failing = false;
  held: (() => void)[] | undefined;

  async fetch(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    this.asked.push([offset, length]);
    if (this.held !== undefined) await new Promise<void>((resolve) => this.held?.push(resolve));
    if (this.failing) throw new Error('failing');
    buffer.set(BYTES.subarray(offset, offset + length), start);
  }
}

async function read(ahead: ReadAhead, offset: number, length: number): Promise<void> {
  const buffer = new Uint8Array(length + 2).fill(9);
  await ahead.read(offset, buffer, 1, length);
  expect(Buffer.compare(buffer.subarray(1, length + 1), BYTES.subarray(offset, offset + length))).toBe(0);
  expect([buffer[0], buffer[length + 1]]).toEqual([9, 9]);
}

describe('reading ahead', () => {
  it('fetches the window around a short read, once', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, WINDOW);
    await read(ahead, 10_000, 10);
    await read(ahead, 8192, 100);
    await read(ahead, 16_000, 384);
    expect(source.asked).toEqual([[8192, 8192]]);
  });

  it('is done at once where the window is there', async () => {
    const ahead = new ReadAhead(new Source(), WINDOW);
    await read(ahead, 10_000, 10);
    expect(ahead.read(10_000, new Uint8Array(10), 0, 10)).toBeUndefined();
  });

  it('gives long reads a request of their own, but for what is there', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, WINDOW);
    await read(ahead, 40_960, 10);
    await read(ahead, 20_000, 60_000);
    expect(source.asked.slice(1)).toEqual([[20_000, 20_960], [49_152, 30_848]]);
  });

  it('finds sequential readers the next windows, in as many requests as there are windows', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, WINDOW);
    for (let at = 0; at < 200_000; at += 1000) await read(ahead, at, 1000);
    const starts = source.asked.map(([offset]) => offset).sort((a, b) => a - b);
    expect(new Set(starts).size).toBe(starts.length);
    expect(source.asked.every(([, length]) => length === WINDOW)).toBe(true);
    expect(Math.max(...starts)).toBeGreaterThanOrEqual(200_000);
  });

  it('has the next range under way while a sequential reader waits', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, WINDOW);
    await read(ahead, 0, 100_000);
    await read(ahead, 100_000, 100_000);
    expect(source.asked.slice(2)).toEqual([[200_000, 100_000], [300_000, 100_000]]);
  });

  it('does not fetch ahead for readers that jump, nor for several at a time', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, WINDOW);
    for (const at of [500_000, 100_000, 300_000]) await read(ahead, at, 20_000);
    expect(source.asked.length).toBe(3);
    await Promise.all([600_000, 620_000, 640_000].map((at) => read(ahead, at, 20_000)));
    expect(source.asked.length).toBe(6);
  });

  it('fetches ahead of long reads once they come one by one', async () => {
    const long = 1024 * 1024;
    const asked: number[] = [];
    const ahead = new ReadAhead({ size: 64 * long, fetch: async (offset) => { asked.push(offset / long); } }, WINDOW);
    const readLong = async (at: number): Promise<void> => { await ahead.read(at * long, new Uint8Array(long), 0, long); };
    await Promise.all([readLong(0), readLong(1)]);
    await readLong(2);
    await readLong(3);
    expect(asked).toEqual([0, 1, 2, 3]);
    await readLong(4);
    expect(asked).toEqual([0, 1, 2, 3, 4, 5, 6]);
    // What was on its way is used; and those who come together again have it no more.
    await Promise.all([readLong(5), readLong(20), readLong(21)]);
    await readLong(22);
    expect(asked.slice(-3)).toEqual([20, 21, 22]);
  });

  it('keeps nothing where the window has no bytes', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, 0);
    ahead.seed(0, BYTES.subarray(0, 100));
    for (let at = 0; at < 5000; at += 1000) await read(ahead, at, 1000);
    expect(source.asked).toEqual([[0, 1000], [1000, 1000], [2000, 1000], [3000, 1000], [4000, 1000]]);
  });

  it('keeps no more than it may', async () => {
    const source = new Source();
    const ahead = new ReadAhead({ size: SIZE * 100, fetch: async (offset, _buffer, _start, length) => { source.asked.push([offset, length]); } }, 1024 * 1024);
    for (let i = 0; i < 40; i++) await ahead.read(i * 2 ** 21, new Uint8Array(1), 0, 1);
    await ahead.read(0, new Uint8Array(1), 0, 1);
    expect(source.asked.length).toBe(41);
    await ahead.read(39 * 2 ** 21, new Uint8Array(1), 0, 1);
    expect(source.asked.length).toBe(41);
  });

  it('tells those who wait what went wrong, and fetches again for the next one', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, WINDOW);
    source.failing = true;
    const both = await Promise.allSettled([read(ahead, 10, 10), read(ahead, 100, 10)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(source.asked.length).toBe(1);
    await expect(read(ahead, 5000, 50_000)).rejects.toThrow('failing');
    source.failing = false;
    await read(ahead, 10, 10);
  });

  it('waits for all parts of a read, also where one fails', async () => {
    const source = new Source();
    const ahead = new ReadAhead(source, WINDOW);
    await read(ahead, 40_960, 10);
    source.held = [];
    source.failing = true;
    let over = false;
    const reading = read(ahead, 20_000, 60_000).catch(() => { over = true; });
    source.held.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
    expect(over).toBe(false);
    source.held.shift()?.();
    await reading;
    expect(over).toBe(true);
  });

  it('is one array of bytes whatever is read, one by one and together', async () => {
    for (const window of [0, 512, WINDOW, 262_144]) {
      const random = prng(window);
      const ahead = new ReadAhead(new Source(), window);
      ahead.seed(0, BYTES.slice(0, 3000));
      let at = 0;
      for (let step = 0; step < 150; step++) {
        const reads = Array.from({ length: random.below(4) + 1 }, () => {
          const offset = random.below(3) === 0 ? random.below(SIZE - 1) : Math.min(at, SIZE - 1);
          const length = Math.min(random.below(random.below(2) === 0 ? 3000 : 60_000) + 1, SIZE - offset);
          at = offset + length;
          return read(ahead, offset, length);
        });
        await Promise.all(reads);
      }
    }
  });
});
