/** A filter that takes its time: requests wait for random turns, take effect in two halves, and can be made to fail. */
import { defineDriver, NO_LIMITS, type BlockDriver, type BlockError, type Completion, type DriverNode, type Edge } from '@blk/core-graph';

/** Numbers from a seed. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed * 2654435761 + 12345) >>> 0;
  }
  /** From 0 to `limit - 1`. */
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.below(255) + 1;
    return bytes;
  }
}

/** How a slow node behaves; a test changes it as it goes. */
export class Pace {
  /** Most turns of the event loop that a request waits. */
  turns = 3;
  /** Gives the error of a request, if it is to fail. */
  fail: ((verb: string, offset: number, length: number) => BlockError | undefined) | undefined;
  readonly #random: Random;

  constructor(seed = 1) {
    this.#random = new Random(seed);
  }

  async wait(): Promise<void> {
    for (let left = this.#random.below(this.turns + 1); left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
  }

  async check(verb: string, offset: number, length: number): Promise<void> {
    await this.wait();
    const error = this.fail?.(verb, offset, length);
    if (error !== undefined) throw error;
  }
}

export const slow: BlockDriver = defineDriver<{ file: unknown; pace?: unknown }>({
  name: 'slow',
  role: 'filter',
  options: { pace: { type: 'any' } },
  children: { file: 'required' },
  open: async (options, context) => node(await context.child('file', options.file, 'filtered'), options.pace as Pace),
});

function node(file: Edge, pace: Pace): DriverNode {
  const halves = async (verb: string, offset: number, length: number, request: (from: number, bytes: number) => Completion): Promise<void> => {
    await pace.check(verb, offset, length);
    const half = length >> 1;
    if (half > 0) await request(0, half);
    await pace.wait();
    await request(half, length - half);
  };
  return {
    get size() {
      return file.size;
    },
    limits: NO_LIMITS,
    growable: true,
    zeroFlags: 7,
    read: (offset, buffer, start, length) => halves('read', offset, length, (from, bytes) => file.read(offset + from, buffer, start + from, bytes)),
    write: (offset, buffer, start, length) => halves('write', offset, length, (from, bytes) => file.write(offset + from, buffer, start + from, bytes)),
    writeZeroes: (offset, length, flags) => halves('write', offset, length, (from, bytes) => file.writeZeroes(offset + from, bytes, flags)),
    discard: (offset, length) => halves('write', offset, length, (from, bytes) => file.discard(offset + from, bytes)),
    flush: async () => {
      await pace.check('flush', 0, 0);
      await file.flush();
    },
    extent: (offset, length) => file.extent(offset, length),
    truncate: (size, options) => file.node.truncate(size, options),
    close: async () => undefined,
  };
}
