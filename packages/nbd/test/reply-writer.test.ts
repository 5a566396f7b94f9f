import { Writable } from 'node:stream';
import { BufferPool } from '@blk/core-graph';
import { prng } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { ReplyWriter, type Region } from '../src/server/reply-writer.js';
import { Slabs, type Slab } from '../src/server/slab.js';

/** Slabs that know how many are out. */
class CountedSlabs extends Slabs {
  out = 0;

  override take(bytes: number): Slab {
    this.out++;
    return super.take(bytes);
  }

  override give(slab: Slab): void {
    this.out--;
    // Whoever still sends from a slab that is free sends this.
    slab.bytes.fill(0xee);
    super.give(slab);
  }
}

/** A socket that takes each write at once, or when `takeOne` says so. */
class Taker extends Writable {
  readonly taken: Uint8Array[] = [];
  waiting: (() => void) | undefined;
  #done: ((error?: Error) => void) | undefined;

  constructor(private readonly atOnce: () => boolean) {
    super({ highWaterMark: 1024, decodeStrings: false });
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    const take = (): void => {
      this.taken.push(Uint8Array.from(chunk));
      done();
    };
    if (this.atOnce()) take();
    else {
      this.waiting = take;
      this.#done = done;
    }
  }

  /** As sockets do: what is under way ends with an error. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.waiting !== undefined) this.#done?.(new Error('cancelled'));
    done(error);
  }

  takeOne(): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('ReplyWriter', () => {
  it.each([1, 2, 3, 4, 5, 6])('sends everything once, in order, and gives every slab back (seed %i)', async (seed) => {
    const random = prng(seed);
    const slabs = new CountedSlabs(new BufferPool());
    const socket = new Taker(() => random.below(3) > 0);
    const writer = new ReplyWriter(slabs, socket, () => undefined);
    const expected: Uint8Array[] = [];
    const regions: { readonly region: Region; readonly bytes: number; readonly mark: number }[] = [];
    let mark = 0;
    const lengthOf = (): number => (random.below(4) === 0 ? 1 + random.below(400 * 1024) : 1 + random.below(8192));
    for (let step = 0; step < 400; step++) {
      const bytes = lengthOf();
      mark = (mark % 200) + 1;
      switch (random.below(6)) {
        case 0:
        case 1: {
          const at = writer.reserve(bytes);
          writer.slab.bytes.fill(mark, at, at + bytes);
          expected.push(new Uint8Array(bytes).fill(mark));
          writer.commit(bytes);
          break;
        }
        case 2:
          writer.reserve(bytes);
          regions.push({ region: writer.detach(bytes), bytes, mark });
          break;
        case 3: {
          const [due] = regions.splice(random.below(regions.length + 1), 1);
          if (due === undefined) break;
          if (random.below(4) === 0) writer.drop(due.region);
          else {
            const { region } = due;
            region.slab.bytes.fill(due.mark, region.start, region.start + due.bytes);
            expected.push(new Uint8Array(due.bytes).fill(due.mark));
            writer.send(region, due.bytes);
          }
          break;
        }
        case 4:
          writer.flush();
          break;
        default:
          if (random.below(2) === 0) socket.takeOne();
          else await turn();
      }
    }
    for (const { region } of regions) writer.drop(region);
    writer.flush();
    for (let i = 0; i < 1000 && writer.pendingBytes > 0; i++) {
      socket.takeOne();
      await turn();
    }
    await turn();
    expect(Buffer.compare(Buffer.concat(socket.taken), Buffer.concat(expected))).toBe(0);
    writer.close();
    writer.dispose();
    expect(slabs.out).toBe(0);
  });

  it('gives back the slabs of a connection that is lost', async () => {
    const slabs = new CountedSlabs(new BufferPool());
    const socket = new Taker(() => false);
    socket.on('error', () => undefined);
    const writer = new ReplyWriter(slabs, socket, () => undefined);
    for (let i = 0; i < 8; i++) {
      writer.reserve(100 * 1024);
      writer.commit(100 * 1024);
      if (i % 3 === 0) writer.flush();
    }
    writer.reserve(10);
    const region = writer.detach(10);
    socket.destroy(new Error('reset'));
    await turn();
    writer.close();
    writer.send(region, 10);
    writer.dispose();
    expect(slabs.out).toBe(0);
  });

  it('lets long replies go before the row of requests ends', () => {
    const slabs = new CountedSlabs(new BufferPool());
    const socket = new Taker(() => true);
    const writer = new ReplyWriter(slabs, socket, () => undefined);
    for (let i = 0; i < 16; i++) {
      writer.reserve(128 * 1024);
      writer.commit(128 * 1024);
    }
    expect(socket.taken.length).toBeGreaterThan(4);
    // What was taken at once is used again at once.
    expect(slabs.out).toBeLessThan(4);
    writer.close();
    writer.dispose();
    expect(slabs.out).toBe(0);
  });
});
