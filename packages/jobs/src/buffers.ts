/** A small number of buffers for those who copy on behalf of guests: further ones wait for their turn. */
import type { BufferPool } from '@blk/core-graph';

export class Buffers {
  #lent = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly pool: BufferPool,
    /** Of each buffer. */
    readonly bytes: number,
    private readonly most: number,
  ) {}

  async take(): Promise<Uint8Array> {
    while (this.#lent >= this.most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#lent++;
    return this.pool.take(this.bytes);
  }

  give(buffer: Uint8Array): void {
    this.pool.give(buffer);
    this.#lent--;
    this.#waiting.shift()?.();
  }
}
