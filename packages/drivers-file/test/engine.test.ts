/** The engines by themselves: pace, turns, misses of the cache, short transfers, the ring's queue. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { BufferedIo } from '../src/io/buffered.js';
import { CACHED, Pace } from '../src/io/pace.js';
import { RingQueue } from '../src/io/ring-queue.js';
import { Turns } from '../src/io/turns.js';
import { Errno, type Calls, type NoWaitCalls, type Ring } from '../src/native/native.js';
import { nodeCalls } from '../src/native/node-calls.js';
import { needNative } from './support.js';

const MS = 1e6;

describe('the pace', () => {
  /** Feeds a call of `ms`, where the pace wants it. */
  const call = (pace: Pace, clock: { now: number }, ms: number): void => {
    const before = clock.now;
    clock.now += ms * MS;
    if (pace.onLoop) pace.ran(before, clock.now, 4096);
    else pace.pooled(before, clock.now, 4096);
  };
  const calls = (pace: Pace, clock: { now: number }, count: number, ms: number): void => {
    for (let i = 0; i < count; i++) call(pace, clock, ms);
  };

  it('starts in the pool, and moves to the loop after a row of quick calls', () => {
    const pace = new Pace(CACHED);
    const clock = { now: 0 };
    calls(pace, clock, 7, 0.05);
    expect(pace.onLoop).toBe(false);
    call(pace, clock, 0.05);
    expect(pace.onLoop).toBe(true);
  });

  it('never leaves the pool with a slow device, nor with one whose cache is quick in between', () => {
    const pace = new Pace(CACHED);
    const clock = { now: 0 };
    for (let i = 0; i < 500; i++) {
      expect(pace.onLoop).toBe(false);
      call(pace, clock, i % 20 === 0 ? 100 : 0.05);
    }
  });

  it('goes back at once after a stall, and for longer after each', () => {
    const pace = new Pace(CACHED);
    const clock = { now: 0 };
    const away: number[] = [];
    for (let round = 0; round < 4; round++) {
      while (!pace.onLoop) call(pace, clock, 0.05);
      calls(pace, clock, 10, 0.002);
      call(pace, clock, 40);
      expect(pace.onLoop).toBe(false);
      const since = clock.now;
      while (!pace.onLoop) call(pace, clock, 0.05);
      away.push(Math.round((clock.now - since) / MS));
    }
    expect(away).toEqual([20, 40, 80, 160]);
  });

  it('bears one call during which another process had the processor, but no row of them', () => {
    const pace = new Pace(CACHED);
    const clock = { now: 0 };
    calls(pace, clock, 8, 0.05);
    call(pace, clock, 12);
    calls(pace, clock, 30, 0.002);
    expect(pace.onLoop).toBe(true);
    calls(pace, clock, 5, 12);
    expect(pace.onLoop).toBe(false);
  });

  it('goes back where calls are slow on average', () => {
    const pace = new Pace(CACHED);
    const clock = { now: 0 };
    calls(pace, clock, 8, 0.05);
    calls(pace, clock, 40, 0.3);
    expect(pace.onLoop).toBe(false);
  });
});

describe('turns', () => {
  it('bound the work of one turn, in order, and let the loop run in between', async () => {
    const turns = new Turns();
    const order: string[] = [];
    let taken = 0;
    while (turns.take(65536)) taken++;
    expect(taken).toBe(16);
    let loops = 0;
    const count = (): void => {
      if (++loops < 100) setImmediate(count);
    };
    setImmediate(count);
    const seen: number[] = [];
    await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        await turns.wait(65536);
        order.push(String(i));
        seen.push(loops);
      }),
    );
    expect(order).toEqual(Array.from({ length: 64 }, (_, i) => String(i)));
    expect(Math.max(...seen) - Math.min(...seen)).toBeGreaterThanOrEqual(3);
    expect(turns.take(1)).toBe(false);
  });

  it('count small requests as what they take', () => {
    const turns = new Turns();
    let taken = 0;
    while (turns.take(1)) taken++;
    expect(taken).toBe(256);
  });
});

describe('transfers through the page cache', () => {
  const engine = (fd: number, calls: Partial<Calls>, noWait?: NoWaitCalls): BufferedIo =>
    new BufferedIo({ fd, calls: { ...nodeCalls, ...calls }, noWait, turns: new Turns(), now: () => performance.now() * 1e6, explain: (_, error) => error as Error });

  it('complete at once where the cache has all, else in the pool, without the blocking call', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), Buffer.alloc(65536, 3));
    const fd = openSync(dir.file('disk'), 'r');
    const tries: number[] = [];
    let serve = (length: number): number => length;
    const noWait = {
      readNoWait: (_fd: number, offset: number, buffer: Uint8Array, start: number, length: number) => {
        tries.push(offset);
        const count = serve(length);
        if (count > 0) buffer.fill(3, start, start + count);
        return count;
      },
      readvNoWait: () => Errno.EAGAIN,
    };
    const blocking = (): never => { throw new Error('blocked'); };
    const io = engine(fd, { read: blocking, readv: blocking }, noWait);
    const into = Buffer.alloc(4096);
    expect(io.read(0, into, 0, 4096)).toBeUndefined();
    for (const part of [Errno.EAGAIN, 1000, Errno.EINTR]) {
      serve = () => part;
      into.fill(0);
      // Until one is tried again.
      for (const before = tries.length; tries.length === before; ) await io.read(8192, into, 0, 4096);
      expect(into.every((byte) => byte === 3)).toBe(true);
    }
    const misses = tries.length;
    for (let i = 0; i < 200; i++) await io.read(0, into, 0, 4096);
    expect(tries.length - misses).toBeLessThan(12);
    await io.readv(0, [into.subarray(0, 100), into.subarray(100)]);
    serve = (length) => length;
    let skipped = 0;
    while (io.read(0, into, 0, 4096) !== undefined) skipped++;
    expect(skipped).toBeLessThanOrEqual(64);
    await io.idle();
    closeSync(fd);
  });

  it('do without what the file system does not know', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), Buffer.alloc(65536, 3));
    const fd = openSync(dir.file('disk'), 'r');
    let tries = 0;
    const refuse = (): number => {
      tries++;
      return Errno.EOPNOTSUPP;
    };
    const io = engine(fd, {}, { readNoWait: refuse, readvNoWait: refuse });
    const into = Buffer.alloc(4096);
    for (let i = 0; i < 20; i++) await io.read(0, into, 0, 4096);
    expect(tries).toBe(1);
    expect(into.every((byte) => byte === 3)).toBe(true);
    closeSync(fd);
  });

  it('spread long reads over the pool once more is asked for than a turn may do', async () => {
    using dir = tempDir();
    const bytes = 512 * 1024;
    const blocks = 24;
    writeFileSync(dir.file('disk'), Buffer.concat(Array.from({ length: blocks }, (_, i) => Buffer.alloc(bytes, i + 1))));
    const fd = openSync(dir.file('disk'), 'r');
    let tries = 0;
    const noWait = {
      readNoWait: (from: number, offset: number, buffer: Uint8Array, start: number, length: number) => {
        tries++;
        return nodeCalls.read(from, offset, buffer, start, length);
      },
      readvNoWait: () => Errno.EAGAIN,
    };
    const io = engine(fd, {}, noWait);
    const into = Array.from({ length: blocks }, () => Buffer.alloc(bytes));
    await Promise.all(into.map(async (buffer, i) => io.read(i * bytes, buffer, 0, bytes)));
    expect(into.every((buffer, i) => buffer[0] === i + 1 && buffer.equals(Buffer.alloc(bytes, i + 1)))).toBe(true);
    // Two fill the turn, one waits for the next.
    expect(tries).toBe(3);
    // One after the other they all have their turn: a thread would only cost.
    for (let i = 0; i < blocks; i++) await io.read(i * bytes, into[i], 0, bytes);
    expect(tries).toBe(3 + blocks);
    closeSync(fd);
  });

  it('finish what a call left, buffer by buffer', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('disk'), '');
    const fd = openSync(dir.file('disk'), 'r+');
    const short: Partial<Calls> = {
      write: (to, offset, buffer, start, length) => nodeCalls.write(to, offset, buffer, start, Math.min(length, 1000)),
      writev: (to, offset, buffers) => nodeCalls.write(to, offset, buffers[0], 0, Math.min(buffers[0].length, 700)),
      readv: (to, offset, buffers) => nodeCalls.read(to, offset, buffers[0], 0, Math.min(buffers[0].length, 700)),
    };
    const io = engine(fd, short);
    const data = Buffer.from(Array.from({ length: 4096 }, (_, i) => i));
    for (let i = 0; i < 20; i++) {
      await io.write(i * 4096, data, 0, 4096);
      await io.writev(i * 4096, [data.subarray(0, 1500), data.subarray(1500, 1501), data.subarray(1501)]);
      const into = Buffer.alloc(4096);
      await io.readv(i * 4096, [into.subarray(0, 1500), into.subarray(1500, 1501), into.subarray(1501)]);
      expect(into.equals(data)).toBe(true);
    }
    closeSync(fd);
  });
});

describe('calls for whoever copies on the event loop', () => {
  const io = (calls: Partial<Calls>, noWait?: NoWaitCalls): BufferedIo =>
    new BufferedIo({ fd: 5, calls: { ...nodeCalls, ...calls }, noWait, turns: new Turns(), now: () => performance.now() * 1e6, explain: (_, error) => error as Error });
  const memory = Buffer.alloc(4096);

  it('are reads that the page cache serves, which are not tried again and again', () => {
    expect(io({}).readHere(0, memory, 0, 4096)).toBe(Errno.EAGAIN);
    let tries = 0;
    let result = 4096;
    const readNoWait = (): number => (tries++, result);
    const engine = io({ read: () => { throw new Error('blocked'); } }, { readNoWait, readvNoWait: () => Errno.EAGAIN });
    expect(engine.readHere(0, memory, 0, 4096)).toBe(4096);
    result = 0;
    expect(engine.readHere(0, memory, 0, 4096)).toBe(0);
    result = Errno.EAGAIN;
    tries = 0;
    for (let i = 0; i < 200; i++) expect(engine.readHere(0, memory, 0, 4096)).toBe(Errno.EAGAIN);
    expect(tries).toBeLessThan(12);
  });

  it('are writes of a stream that was quick', async () => {
    let writes = 0;
    let result = 4096;
    using dir = tempDir();
    const fd = openSync(dir.file('disk'), 'w');
    const engine = new BufferedIo({
      fd, calls: { ...nodeCalls, write: () => (writes++, result) }, noWait: undefined, turns: new Turns(), now: () => 0, explain: (_, error) => error as Error,
    });
    expect(engine.writesHere).toBe(false);
    expect(engine.writeHere(0, memory, 0, 4096)).toBe(Errno.EAGAIN);
    for (let i = 0; i < 20; i++) await engine.write(0, memory, 0, 4096);
    expect(engine.writesHere).toBe(true);
    writes = 0;
    expect(engine.writeHere(0, memory, 0, 4096)).toBe(4096);
    result = -28;
    expect(engine.writeHere(0, memory, 0, 4096)).toBe(-28);
    expect(writes).toBe(2);
    closeSync(fd);
  });
});

describe('the queue of a ring', () => {
  /** Runs transfers one after the other on a device that takes `gap` nanoseconds; each look at it takes 10 µs. */
  async function run(gap: number, transfers: number): Promise<{ readonly looks: number; readonly waits: number }> {
    let now = 0;
    let due: { readonly id: number; readonly at: number } | undefined;
    const count = { looks: 0, waits: 0 };
    const ring: Ring = {
      entries: 4,
      queue: (id) => { due = { id, at: now + gap }; },
      submit: () => 0,
      reap(done) {
        count.looks++;
        now += 10_000;
        if (due === undefined || due.at > now) return;
        const { id } = due;
        due = undefined;
        done(id, 512);
      },
      wait() {
        count.waits++;
        now = Math.max(now, due?.at ?? now);
        return Promise.resolve();
      },
      notify: () => undefined,
      close: () => undefined,
    };
    const queue = new RingQueue(ring, () => now, () => undefined).acquire();
    const buffer = new Uint8Array(512);
    for (let i = 0; i < transfers; i++) {
      await new Promise<number>((done) => {
        queue.add({ write: false, fd: 0, offset: 0, buffer, start: 0, length: 512, done });
        queue.submit();
      });
    }
    queue.release();
    return count;
  }

  it('looks for what a fast device has finished, and does not wait to be told', async () => {
    expect((await run(300_000, 100)).waits).toBeLessThan(8);
  });

  it('looks for a short time where a device is slow', async () => {
    const { looks, waits } = await run(5_000_000, 100);
    expect(waits).toBeGreaterThanOrEqual(100);
    expect(looks).toBeLessThan(1_200);
  });
});

describe.each(['native', 'io_uring'] as const)("the kernel's ring for aio=%s", (kind) => {
  it('takes more requests than it has room for, and gives each its own answer', async () => {
    using dir = tempDir();
    const blocks = 1000;
    writeFileSync(dir.file('disk'), Buffer.concat(Array.from({ length: blocks }, (_, i) => Buffer.alloc(512, i))));
    const fd = openSync(dir.file('disk'), 'r+');
    const native = await needNative();
    const ring = native.ring(kind) as Ring;
    let closed = 0;
    const queue = new RingQueue(ring, () => performance.now() * 1e6, () => closed++).acquire();
    const buffers = Array.from({ length: blocks }, () => Buffer.alloc(512));
    await Promise.all(
      buffers.map(
        (buffer, i) =>
          new Promise<void>((resolve, reject) => {
            const done = (count: number): void => {
              if (count === 512) resolve();
              else reject(new Error(`request ${i}: ${count}`));
            };
            queue.add({ write: false, fd, offset: i * 512, buffer, start: 0, length: 512, done });
            if (i % 200 === 199) queue.submit();
          }),
      ),
    );
    expect(buffers.every((buffer, i) => buffer.every((byte) => byte === i % 256))).toBe(true);
    const failed = new Promise<number>((resolve) => { queue.add({ write: true, fd: 9999, offset: 0, buffer: Buffer.alloc(512), start: 0, length: 512, done: resolve }); });
    queue.submit();
    expect(await failed).toBe(-9);
    queue.release();
    expect(closed).toBe(1);
    closeSync(fd);
  });
});

describe('addresses', () => {
  it('are refused where the bytes are not there', async () => {
    const native = await needNative();
    for (const [start, length] of [[0, 11], [10, 1], [-1, 1], [5, 6], [0, -1]]) {
      expect(() => native.read(0, 0, new Uint8Array(10), start, length)).toThrow(RangeError);
    }
  });
});
