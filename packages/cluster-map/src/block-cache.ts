/** Blocks that were unpacked for a part of them, kept for whoever asks for the rest; bounded in bytes, also while they are being unpacked. */
import type { Completion, MaybePromise } from '@blk/core-graph';

/** Fills `into` with all of block `index`. */
export type UnpackBlock = (index: number, into: Uint8Array) => Completion;

export class BlockCache {
  /** In the order of use. */
  readonly #kept = new Map<number, Uint8Array>();
  readonly #loading = new Map<number, Promise<Uint8Array>>();
  #keptBytes = 0;
  #loadingBytes = 0;

  /** `limit`: most bytes that are kept, and most that are under way; a single block may be larger. */
  constructor(
    private readonly limit: number,
    private readonly unpack: UnpackBlock,
  ) {}

  /** Block `index` of `size` bytes, not to be changed. */
  read(index: number, size: number): MaybePromise<Uint8Array> {
    const known = this.#kept.get(index) ?? this.#loading.get(index);
    if (known === undefined) return this.#load(index, size);
    if (known instanceof Uint8Array) this.#touch(index, known);
    return known;
  }

  #touch(index: number, block: Uint8Array): void {
    this.#kept.delete(index);
    this.#kept.set(index, block);
  }

  #load(index: number, size: number): MaybePromise<Uint8Array> {
    if (this.#loading.size > 0 && this.#loadingBytes + size > this.limit) return this.#later(index, size);
    this.#makeRoom(size);
    const block = new Uint8Array(size);
    const done = this.unpack(index, block);
    if (done === undefined) return this.#keep(index, block);
    this.#loadingBytes += size;
    const promise = done.then(() => this.#keep(index, block)).finally(() => {
      this.#loadingBytes -= size;
      this.#loading.delete(index);
    });
    this.#loading.set(index, promise);
    return promise;
  }

  /** Waits until another block is done, well or not; that one's reader is told of its error. */
  async #later(index: number, size: number): Promise<Uint8Array> {
    await Promise.race(this.#loading.values()).catch(() => undefined);
    return this.read(index, size);
  }

  #keep(index: number, block: Uint8Array): Uint8Array {
    this.#makeRoom(block.length);
    this.#kept.set(index, block);
    this.#keptBytes += block.length;
    return block;
  }

  #makeRoom(size: number): void {
    for (const [index, block] of this.#kept) {
      if (this.#keptBytes + size <= this.limit) return;
      this.#kept.delete(index);
      this.#keptBytes -= block.length;
    }
  }
}
