// A guest under test: several lanes of random requests over NBD, and a model of what the disk must hold.
import type { Prng } from '@blk/oracle';
import { NbdTestClient } from '../nbd-client.js';

/** Lanes own every fourth segment: no two requests overlap, so the model always knows. */
const LANES = 4;
const SEGMENT = 64 * 1024;

export class Guest {
  readonly model: Buffer;
  /** Requests done so far. */
  requests = 0;
  /** Requests that failed, and were made again until they did not. */
  failed = 0;
  /** What they failed with. */
  readonly errors = new Set<string>();
  #failure: Error | undefined;
  #stopped = false;
  #quiet = 0;
  #resume: (() => void)[] = [];
  #busy = 0;
  #idle: (() => void)[] = [];
  readonly #lanes: Promise<void>[];

  private constructor(
    private readonly client: NbdTestClient,
    private readonly random: Prng,
    content: Buffer,
    /** How often a request may fail before the guest gives up; it does at once where the server is gone. */
    private readonly tries: number,
  ) {
    this.model = content;
    this.#lanes = Array.from({ length: LANES }, (_, lane) => this.#work(lane).catch((error: unknown) => { this.#failure ??= error as Error; }));
  }

  /** Starts at once. `content`: what the disk holds now. `tries`: how often a request may fail before it has to succeed. */
  static async start(socket: string, exportName: string, random: Prng, content: Buffer, tries = 0): Promise<Guest> {
    return new Guest(await NbdTestClient.connect(socket, exportName), random, content, tries);
  }

  /** Runs `moment` while no request is under way: a point in time that the model holds exactly. */
  async quiet<T>(moment: () => Promise<T> | T): Promise<T> {
    this.#quiet++;
    try {
      if (this.#busy > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
      this.check();
      return await moment();
    } finally {
      if (--this.#quiet === 0) for (const wake of this.#resume.splice(0)) wake();
    }
  }

  /** Throws what a lane found wrong. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until `count` more requests were done. */
  async goOn(count: number): Promise<void> {
    const wanted = this.requests + count;
    while (this.requests < wanted) {
      this.check();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** Ends the lanes, compares all of the disk, and flushes it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    this.check();
    for (let at = 0; at < this.model.length; at += SEGMENT) await this.#compare(at, Math.min(SEGMENT, this.model.length - at));
    await this.#insist(() => this.client.flush());
    this.client.destroy();
  }

  async #work(lane: number): Promise<void> {
    const { random, client, model } = this;
    const segments = Math.floor(model.length / SEGMENT / LANES);
    while (!this.#stopped) {
      if (this.#quiet > 0) {
        await new Promise<void>((resolve) => this.#resume.push(resolve));
        continue;
      }
      this.#busy++;
      try {
        const segment = (random.below(segments) * LANES + lane) * SEGMENT;
        const unit = random.pick([1, 512, 4096]);
        const from = Math.floor(random.below(SEGMENT) / unit) * unit;
        const length = Math.min(SEGMENT - from, unit * (1 + random.below(Math.max(1, Math.floor(20_000 / unit)))));
        const offset = segment + from;
        const kind = random.below(10);
        if (kind < 4) {
          const bytes = random.fill(Buffer.alloc(length));
          await this.#insist(() => client.write(offset, bytes));
          model.set(bytes, offset);
        } else if (kind === 4) {
          await this.#insist(() => client.writeZeroes(offset, length));
          model.fill(0, offset, offset + length);
        } else if (kind === 5 && random.below(4) === 0) {
          await this.#insist(() => client.flush());
        } else {
          await this.#compare(offset, length);
        }
        this.requests++;
      } finally {
        if (--this.#busy === 0) for (const wake of this.#idle.splice(0)) wake();
      }
    }
  }

  /** Makes a request until it succeeds: only then is it known what the disk holds. */
  async #insist<T>(request: () => Promise<T>): Promise<T> {
    for (let left = this.tries; ; left--) {
      try {
        return await request();
      } catch (error) {
        if (left === 0 || (error as Error).message === 'connection closed') throw error;
        this.failed++;
        this.errors.add((error as Error).message);
      }
    }
  }

  async #compare(offset: number, length: number): Promise<void> {
    const found = await this.#insist(() => this.client.read(offset, length));
    const expected = this.model.subarray(offset, offset + length);
    if (found.equals(expected)) return;
    const at = found.findIndex((byte, index) => byte !== expected[index]);
    throw new Error(`wrong bytes at ${offset + at}: ${found[at]} instead of ${expected[at]}, in a read of ${length} at ${offset}`);
  }
}
