/** Bytes in memory that an image can be written into: a file without a file system. */
import { BlockError } from '@blk/core-graph';

export interface MemorySourceOptions {
  /** What it holds at first. Copied, unless `inPlace`. */
  readonly content?: Uint8Array;
  /** Write into `content` itself; it cannot grow then. */
  readonly inPlace?: boolean;
  /** Most bytes that it may grow to; 1 GiB unless given. Passing it is "no space left". */
  readonly maxSize?: number;
}

const DEFAULT_MAX_SIZE = 2 ** 30;

export class MemorySource {
  readonly growable: boolean;
  readonly maxSize: number;
  #bytes: Uint8Array;
  #size: number;

  constructor(options: MemorySourceOptions = {}) {
    const { content = new Uint8Array(0), inPlace = false, maxSize = DEFAULT_MAX_SIZE } = options;
    this.growable = !inPlace;
    this.maxSize = maxSize;
    this.#bytes = inPlace ? content : content.slice();
    this.#size = content.length;
  }

  /** Length in bytes. */
  get size(): number {
    return this.#size;
  }

  /** The content as a view, good until the next write or `resize`. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  /** Cuts or grows; what is new is zero. Throws kind `no-space` beyond `maxSize`. */
  resize(size: number): void {
    if (size === this.#size) return;
    if (!this.growable) throw new BlockError('unsupported', `An array of ${this.#size} bytes cannot be resized`, { driver: 'blob' });
    if (size > this.maxSize) {
      throw new BlockError('no-space', `Cannot grow to ${size} bytes: the limit of this memory is ${this.maxSize}`, { driver: 'blob' });
    }
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(Math.max(size, 2 * this.#bytes.length, 4096), this.maxSize));
      larger.set(this.bytes());
      this.#bytes = larger;
    } else if (size < this.#size) {
      this.#bytes.fill(0, size, this.#size);
    }
    this.#size = size;
  }
}
