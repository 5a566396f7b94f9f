/** A guest that writes at random, and knows what its disk has to hold. */
import type { Backend } from '@blk/core-graph';
import { Random } from './slow.js';

export class Guest {
  readonly model: Uint8Array;
  /** Requests that failed; a guest of a healthy disk sees none. */
  readonly errors: unknown[] = [];
  readonly #random: Random;
  readonly #busy = new Map<number, number>();
  #running: Promise<void>[] = [];
  #stop = true;
  requests = 0;

  constructor(
    readonly backend: Backend,
    seed: number,
    model?: Uint8Array,
  ) {
    this.#random = new Random(seed);
    this.model = model ?? new Uint8Array(backend.size);
  }

  /** Starts so many streams of requests, each one request at a time, that never overlap. */
  start(streams = 4): void {
    this.#stop = false;
    for (let stream = 0; stream < streams; stream++) this.#running.push(this.#go());
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#running);
    this.#running = [];
  }

  /** So many requests, one after the other. */
  async work(count: number): Promise<void> {
    for (let left = count; left > 0; left--) await this.#once();
  }

  /** Reads the whole disk, and throws where it is not what was written. */
  async check(): Promise<void> {
    const bytes = await contentOf(this.backend);
    expectSame(bytes, this.model);
  }

  async #go(): Promise<void> {
    while (!this.#stop) {
      await this.#once();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #once(): Promise<void> {
    const random = this.#random;
    const { size } = this.backend;
    const length = Math.min(size, random.below(4) === 0 ? 1 + random.below(200_000) : 1 + random.below(9000));
    const offset = random.below(size - length + 1);
    for (const [at, end] of this.#busy) if (at < offset + length && offset < end) return;
    this.#busy.set(offset, offset + length);
    this.requests++;
    try {
      const kind = random.below(8);
      if (kind === 0) {
        await this.backend.writeZeroes(offset, length, random.below(2) * 2);
        this.model.fill(0, offset, offset + length);
      } else if (kind === 1) {
        const into = new Uint8Array(length);
        await this.backend.read(offset, into, 0, length);
        expectSame(into, this.model.subarray(offset, offset + length));
      } else {
        const bytes = random.bytes(Math.min(length, 64));
        const data = new Uint8Array(length);
        for (let at = 0; at < length; at += bytes.length) data.set(bytes.subarray(0, Math.min(bytes.length, length - at)), at);
        await this.backend.write(offset, data, 0, length);
        this.model.set(data, offset);
      }
    } catch (error) {
      this.errors.push(error);
    } finally {
      this.#busy.delete(offset);
    }
  }
}

export async function contentOf(disk: { readonly size: number; read(offset: number, buffer: Uint8Array, start: number, length: number): void | Promise<void> }): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size);
  await disk.read(0, bytes, 0, bytes.length);
  return bytes;
}

export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`differ at ${at} of ${expected.length}: ${actual[at]} instead of ${expected[at]} (${actual.length} bytes)`);
}
