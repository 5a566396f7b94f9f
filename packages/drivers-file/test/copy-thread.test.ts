// Copies between files, by the thread and on the event loop: what they write and leave out, what fails, and how threads end.
import { EventEmitter } from 'node:events';
import { ftruncateSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Worker } from 'node:worker_threads';
import type { DriverNode } from '@blk/core-graph';
import { prng, tempDir } from '@blk/oracle';
import type { CopyOrder, CopyPart } from '../src/io/copy-parts.js';
import { CopyThread } from '../src/io/copy-thread.js';
import { fileDrivers } from '../src/index.js';
import { Files, here, mixed, OLD, PIECE, plainOrder, threads, withZeroesLeft } from './copy-support.js';
import { graphOf } from './support.js';

describe.each([
  ['in a thread', (order: CopyOrder) => threads().copy(order)],
  ['on the event loop', async (order: CopyOrder) => ({ failure: undefined, ...(await here(order)) })],
])('copying %s', (_where, copy) => {
  it.each([[512], [1536], [4096], [65536]])('leaves zeroes of whole steps of %i bytes out, and tells where they are', async (granularity) => {
    using files = new Files();
    const source = mixed(granularity, 2 * PIECE + 12_345);
    const from = files.source(Buffer.concat([Buffer.alloc(777, 5), source]));
    const to = files.target(source.length + 1000);
    const copied = await copy({ ...plainOrder(from, to, source.length, 777), targetOffset: 333, granularity, zeroes: 'tell' });
    expect(copied).toMatchObject({ length: source.length, failure: undefined });
    // Just what is told was left out, and it is zeroes; wherever they are, at most one step of them was written on either side, and at the ends of what is read at once.
    const bytes = Buffer.from(source);
    let told = 0;
    for (const { at, length } of copied?.zeroes ?? []) {
      expect(source.subarray(at, at + length).every((byte) => byte === 0)).toBe(true);
      bytes.fill(OLD, at, at + length);
      told += length;
    }
    const content = files.content;
    expect(content.subarray(0, 333).every((byte) => byte === OLD)).toBe(true);
    expect(content.subarray(333, 333 + source.length).equals(bytes)).toBe(true);
    expect(content.subarray(333 + source.length).every((byte) => byte === OLD)).toBe(true);
    let most = 0;
    let least = 0;
    for (let at = 0, run = 0; at <= source.length; at++) {
      if (source[at] === 0) {
        run++;
        continue;
      }
      most += run;
      least += Math.max(0, run - 4 * granularity);
      run = 0;
    }
    expect(least).toBeGreaterThan(0);
    expect(told).toBeGreaterThanOrEqual(least);
    expect(told).toBeLessThanOrEqual(most);
  });

  it('tells of nothing where nobody asks, and writes everything without steps', async () => {
    using files = new Files();
    const source = mixed(3, PIECE + 4096);
    const from = files.source(source);
    const to = files.target(source.length);
    const quiet = await copy({ ...plainOrder(from, to, source.length), granularity: 4096 });
    expect(quiet).toEqual({ length: source.length, zeroes: [], failure: undefined });
    expect(files.content.equals(withZeroesLeft(source, 4096))).toBe(true);
    const all = await copy({ ...plainOrder(from, to, source.length), zeroes: 'tell' });
    expect(all).toEqual({ length: source.length, zeroes: [], failure: undefined });
    expect(files.content.equals(source)).toBe(true);
  });

  it('packs what it writes where it is to, from any place and to any place', async () => {
    using files = new Files();
    const step = 4096;
    const source = mixed(11, 2 * PIECE + 8192);
    const from = files.source(source);
    const to = files.target(100 + source.length);
    const copied = await copy({ ...plainOrder(from, to, source.length), targetOffset: 100, granularity: step, zeroes: 'pack' });
    expect(copied).toMatchObject({ length: source.length, failure: undefined });
    const parts: Buffer[] = [];
    let at = 0;
    for (const run of [...(copied?.zeroes ?? []), { at: source.length, length: 0 }]) {
      parts.push(source.subarray(at, run.at));
      at = run.at + run.length;
    }
    const packed = Buffer.concat(parts);
    expect(packed.length).toBeLessThan(source.length);
    expect(files.content.equals(Buffer.concat([Buffer.alloc(100, OLD), packed, Buffer.alloc(source.length - packed.length, OLD)]))).toBe(true);
  });

  it.each([[0, 21], [512, 22], [65536, 23]])('gathers parts of several files, and zeroes (steps of %i bytes)', async (granularity, seed) => {
    using files = new Files();
    const random = prng(seed);
    const contents = [mixed(seed, PIECE), mixed(seed + 50, PIECE)];
    const fds = contents.map((bytes, index) => {
      writeFileSync(files.dir.file(`part${index}`), bytes);
      return files.open(files.dir.file(`part${index}`), 'r');
    });
    const parts: CopyPart[] = [];
    const expected: Buffer[] = [];
    let length = 0;
    while (length < 3 * PIECE) {
      const which = random.below(3);
      const size = random.pick([1, 512, 4096, 65536, 70_001, 1_500_000]);
      // Some begin or end behind the end of the file.
      const offset = which === 2 ? 0 : random.below(PIECE + 1000);
      parts.push({ from: which === 2 ? -1 : fds[which], offset, length: size });
      const bytes = Buffer.alloc(size);
      if (which < 2) contents[which].copy(bytes, 0, offset, offset + size);
      expected.push(bytes);
      length += size;
    }
    const content = Buffer.concat(expected);
    const to = files.target(length + 500);
    const copied = await copy({ parts, to, length, targetOffset: 300, granularity, zeroes: 'tell' });
    expect(copied).toMatchObject({ length, failure: undefined });
    for (const run of copied?.zeroes ?? []) {
      expect(content.subarray(run.at, run.at + run.length).every((byte) => byte === 0)).toBe(true);
      content.fill(OLD, run.at, run.at + run.length);
    }
    expect(copied?.zeroes.length === 0).toBe(granularity === 0);
    expect(files.content.equals(Buffer.concat([Buffer.alloc(300, OLD), content, Buffer.alloc(200, OLD)]))).toBe(true);
  });

  it('stops where zeroes are scattered, and goes on from there', async () => {
    using files = new Files();
    const source = Buffer.alloc(4 * PIECE);
    for (let at = 0; at < source.length; at += 1024) source[at] = 7;
    const from = files.source(source);
    const to = files.target(source.length);
    const rounds: number[] = [];
    for (let at = 0; at < source.length; ) {
      const copied = await copy({ ...plainOrder(from, to, source.length - at, at), targetOffset: at, granularity: 512, zeroes: 'tell' });
      expect(copied?.zeroes.length).toBeLessThanOrEqual(8192);
      for (const run of copied?.zeroes ?? []) writeSync(to, Buffer.alloc(run.length), 0, run.length, at + run.at);
      rounds.push(copied?.length ?? 0);
      at += copied?.length ?? Infinity;
    }
    expect(rounds.length).toBeGreaterThan(1);
    expect(files.content.equals(source)).toBe(true);
  });

  it('reads zeroes behind the end of a source, also of one that was cut meanwhile', async () => {
    using files = new Files();
    const source = mixed(5, 100_000);
    const from = files.source(source);
    const to = files.target(300_000);
    expect(await copy(plainOrder(from, to, 200_000))).toMatchObject({ length: 200_000, failure: undefined });
    expect(files.content.equals(Buffer.concat([source, Buffer.alloc(100_000), Buffer.alloc(100_000, OLD)]))).toBe(true);
    const cut = files.open(files.dir.file('source'), 'r+');
    ftruncateSync(cut, 50_000);
    expect(await copy(plainOrder(from, to, 100_000))).toMatchObject({ length: 100_000, failure: undefined });
    expect(files.content.subarray(0, 100_000).equals(Buffer.concat([source.subarray(0, 50_000), Buffer.alloc(50_000)]))).toBe(true);
  });

});

describe('CopyThread', () => {
  it('copies what comes before a part that can not be read', async () => {
    using files = new Files();
    const source = mixed(31, 100_000);
    const from = files.source(source);
    const to = files.target(source.length);
    const directory = files.open(files.dir.path, 'r');
    const parts = [{ from, offset: 50_000, length: 30_000 }, { from: directory, offset: 0, length: 10 }, { from, offset: 0, length: 100 }];
    expect(await threads().copy({ parts, to, length: 30_110, targetOffset: 0, granularity: 0, zeroes: 'skip' })).toEqual({
      length: 30_000, zeroes: [], failure: { verb: 'read', at: 30_000, error: expect.objectContaining({ code: 'EISDIR' }) as Error },
    });
    expect(files.content.equals(Buffer.concat([source.subarray(50_000, 80_000), Buffer.alloc(70_000, OLD)]))).toBe(true);
  });

  it('tells which side failed, where, and why', async () => {
    using files = new Files();
    const source = Buffer.concat([Buffer.alloc(PIECE + 8192), Buffer.alloc(8192, 9)]);
    const from = files.source(source);
    const to = files.target(source.length);
    const directory = files.open(files.dir.path, 'r');
    expect(await threads().copy(plainOrder(directory, to, 4096))).toMatchObject({ length: 0, failure: { verb: 'read', at: 0, error: { code: 'EISDIR' } } });
    const full = files.open('/dev/full', 'w');
    // Zeroes before it are done.
    expect(await threads().copy({ ...plainOrder(from, full, source.length), granularity: 4096, zeroes: 'tell' })).toMatchObject({
      length: PIECE + 8192, zeroes: [{ at: 0, length: PIECE + 8192 }], failure: { verb: 'write', at: PIECE + 8192, error: { code: 'ENOSPC' } },
    });
    expect(await threads().copy(plainOrder(from, from, 4096))).toMatchObject({ length: 0, failure: { verb: 'write', at: 0, error: { code: 'EBADF' } } });
    // After a failure they go on.
    const pool = threads();
    await pool.copy(plainOrder(directory, to, 4096));
    expect(await pool.copy(plainOrder(from, to, source.length))).toMatchObject({ length: source.length, failure: undefined });
    expect(files.content.equals(source)).toBe(true);
  });
});

/** A thread whose answers the test gives. */
class FakeThread extends EventEmitter {
  readonly orders: CopyOrder[] = [];
  /** Whether the process lives as long as it does. */
  holds = true;
  ended = 0;

  postMessage(order: CopyOrder): void {
    this.orders.push(order);
  }
  ref(): void {
    this.holds = true;
  }
  unref(): void {
    this.holds = false;
  }
  terminate(): Promise<number> {
    this.ended++;
    queueMicrotask(() => this.emit('exit', 1));
    return Promise.resolve(1);
  }
  answer(): void {
    this.emit('message', { length: this.orders.shift()?.length, zeroes: [] });
  }
}

function faked(): { fakes: FakeThread[]; pool: CopyThread } {
  const fakes: FakeThread[] = [];
  const start = (): Worker => {
    fakes.push(new FakeThread());
    return fakes[fakes.length - 1] as unknown as Worker;
  };
  return { fakes, pool: new CopyThread({ start, processors: 2, idle: 1000 }) };
}

const order = (length: number): CopyOrder => plainOrder(0, 1, length);

describe('the life of the thread', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('has none where there is no processor to spare', () => {
    const start = vi.fn();
    const pool = new CopyThread({ start, processors: 1 });
    pool.prepare();
    expect(pool.copy(order(1))).toBeUndefined();
    expect(start).not.toHaveBeenCalled();
  });

  it('does one after the other, and holds the process only while there is work', async () => {
    const { fakes, pool } = faked();
    pool.prepare();
    expect(fakes.map(({ holds }) => holds)).toEqual([false]);
    const copies = [1, 2, 3].map(async (length) => pool.copy(order(length)));
    expect(fakes.map(({ orders }) => orders.map(({ length }) => length))).toEqual([[1, 2, 3]]);
    expect(fakes[0].holds).toBe(true);
    fakes[0].answer();
    fakes[0].answer();
    expect(fakes[0].holds).toBe(true);
    fakes[0].answer();
    expect(fakes[0].holds).toBe(false);
    expect(await Promise.all(copies)).toMatchObject([{ length: 1 }, { length: 2 }, { length: 3 }]);
    expect(fakes).toHaveLength(1);
  });

  it('ends when there was nothing to do for a while, however long one copy takes, and begins anew', async () => {
    vi.useFakeTimers();
    const { fakes, pool } = faked();
    const copy = pool.copy(order(8));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fakes.map(({ ended }) => ended)).toEqual([0]);
    fakes[0].answer();
    expect(await copy).toMatchObject({ length: 8 });
    await vi.advanceTimersByTimeAsync(999);
    expect(fakes.map(({ ended }) => ended)).toEqual([0]);
    await vi.advanceTimersByTimeAsync(1);
    expect(fakes.map(({ ended }) => ended)).toEqual([1]);
    // Their end was no failure.
    const again = pool.copy(order(9));
    expect(fakes).toHaveLength(2);
    fakes[1].answer();
    expect(await again).toMatchObject({ length: 9 });
  });

  it('ends also where nothing was ever copied', async () => {
    vi.useFakeTimers();
    const { fakes, pool } = faked();
    pool.prepare();
    await vi.advanceTimersByTimeAsync(1000);
    expect(fakes.map(({ ended }) => ended)).toEqual([1]);
  });

  it('says of what it was told when it died that nothing is done, and starts none again', async () => {
    vi.useFakeTimers();
    const { fakes, pool } = faked();
    const copies = [1, 2, 3].map(async (length) => pool.copy(order(length)));
    fakes[0].emit('error', new Error('out of memory'));
    fakes[0].emit('exit', 1);
    expect(pool.copy(order(4))).toBeUndefined();
    expect(await Promise.all(copies)).toEqual([1, 2, 3].map(() => ({ length: 0, zeroes: [] })));
    await vi.advanceTimersByTimeAsync(1000);
    expect(fakes.map(({ ended }) => ended)).toEqual([0]);
  });

  it('does without where it can not be started', () => {
    const start = vi.fn(() => { throw Object.assign(new Error('no threads'), { code: 'ERR_WORKER_INIT_FAILED' }); });
    const pool = new CopyThread({ start, processors: 2 });
    pool.prepare();
    expect(pool.copy(order(1))).toBeUndefined();
    expect(start).toHaveBeenCalledTimes(1);
  });

  it('goes on after a real thread that dies at work', async () => {
    const pool = new CopyThread({ start: () => new Worker('require("node:worker_threads").parentPort.on("message", () => { throw new Error("dead"); })', { eval: true }), processors: 2, idle: 50 });
    expect(await pool.copy(order(5))).toEqual({ length: 0, zeroes: [] });
    expect(pool.copy(order(5))).toBeUndefined();
  });
});

describe('copyAside', () => {
  it('lets a file grow by what is packed, and by no more', async () => {
    using dir = tempDir();
    const source = Buffer.concat([Buffer.alloc(8192, 1), Buffer.alloc(4096), Buffer.alloc(4096, 2), Buffer.alloc(16384)]);
    writeFileSync(dir.file('source'), source);
    writeFileSync(dir.file('target'), Buffer.alloc(1000, OLD));
    const graph = graphOf(fileDrivers());
    const from = await graph.open({ driver: 'file', filename: dir.file('source') }, { readOnly: true });
    const to = await graph.open({ driver: 'file', filename: dir.file('target') });
    const range = { parts: [{ file: from.driver, offset: 0, length: source.length }], length: source.length, targetOffset: 4096, granularity: 4096 };
    expect(to.driver.copyAside?.({ ...range, zeroes: 'skip' })).toBeUndefined();
    const copied = await to.driver.copyAside?.({ ...range, zeroes: 'pack' });
    // On one processor there is no thread.
    if (copied !== undefined) {
      expect(copied).toMatchObject({ length: source.length, zeroes: [{ at: 8192, length: 4096 }, { at: 16384, length: 16384 }] });
      expect(to.size).toBe(4096 + 12288);
      expect(readFileSync(dir.file('target')).equals(Buffer.concat([Buffer.alloc(1000, OLD), Buffer.alloc(3096), source.subarray(0, 8192), source.subarray(12288, 16384)]))).toBe(true);
    }
    await from.driver.close();
    await to.driver.close();
  });

  it('is waited for by whoever closes one of the files', async () => {
    using dir = tempDir();
    const size = 12 * 1024 * 1024;
    const source = prng(8).fill(Buffer.alloc(size));
    writeFileSync(dir.file('source'), source);
    writeFileSync(dir.file('target'), Buffer.alloc(size, OLD));
    const graph = graphOf(fileDrivers());
    const from = await graph.open({ driver: 'file', filename: dir.file('source') }, { readOnly: true });
    const to = await graph.open({ driver: 'file', filename: dir.file('target') });
    const parts = [{ file: undefined, offset: 0, length: 8192 }, { file: from.driver, offset: 8192, length: size - 8192 }];
    const range = { parts, length: size, targetOffset: 0, granularity: 0, zeroes: 'skip' as const };
    // Past the end nobody is asked, nor where nothing may be written.
    expect(to.driver.copyAside?.({ ...range, targetOffset: 1 })).toBeUndefined();
    expect(from.driver.copyAside?.(range)).toBeUndefined();
    // What is no file of this driver can not be told of.
    expect(to.driver.copyAside?.({ ...range, parts: [{ file: {} as DriverNode, offset: 0, length: size }] })).toBeUndefined();
    const copy = to.driver.copyAside?.(range);
    // On one processor there are no threads.
    if (copy === undefined) return;
    let done = false;
    void copy.then(() => { done = true; });
    await from.driver.close();
    expect(done).toBe(true);
    await to.driver.close();
    expect(await copy).toMatchObject({ length: size, failure: undefined });
    expect(readFileSync(dir.file('target')).equals(source.fill(0, 0, 8192))).toBe(true);
  });

  it('names the file that could not be read', async () => {
    using dir = tempDir();
    for (const name of ['one', 'target']) writeFileSync(dir.file(name), Buffer.alloc(16384, 1));
    const graph = graphOf(fileDrivers());
    const open = (filename: string, readOnly: boolean) => graph.open({ driver: 'file', filename }, { readOnly });
    // Nobody has memory at its front.
    const [one, other, to] = [await open(dir.file('one'), true), await open('/proc/self/mem', true), await open(dir.file('target'), false)];
    const parts = [{ file: one.driver, offset: 0, length: 8192 }, { file: other.driver, offset: 0, length: 4096 }];
    const copied = await to.driver.copyAside?.({ parts, length: 12288, targetOffset: 0, granularity: 0, zeroes: 'skip' });
    if (copied !== undefined) {
      expect(copied).toMatchObject({ length: 8192, failure: { verb: 'read', at: 8192 } });
      expect(copied.failure?.error.message).toContain('/proc/self/mem');
    }
    for (const node of [one, other, to]) await node.driver.close();
  });
});
