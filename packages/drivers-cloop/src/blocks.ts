/** The blocks of an image: where their streams lie, and how they are inflated. */
import { inflateZlibInto, StreamError } from '@blk/compression';
import { ReadAhead } from '@blk/cluster-map';
import { isPromise, type Completion, type Edge } from '@blk/core-graph';
import { blockError } from './errors.js';

/** Bytes of the file that are read at once. */
const AT_ONCE = 1024 * 1024;

export class Blocks {
  readonly #file: ReadAhead;

  /** `offsets`: of the streams, and of the end of the last one. */
  constructor(
    private readonly file: Edge,
    private readonly offsets: Float64Array,
    readonly blockSize: number,
  ) {
    this.#file = new ReadAhead(file, AT_ONCE);
  }

  /** Fills `into[start, start + blockSize)` with block `index`; in another thread, where many are asked for. */
  unpack(index: number, into: Uint8Array, start: number): Completion {
    const offset = this.offsets[index];
    const end = this.offsets[index + 1];
    if (end > this.file.size) throw blockError(index, offset, `ends at ${end}, beyond the end of the file at ${this.file.size}`);
    if (end === offset) throw blockError(index, offset, 'has no bytes');
    const packed = this.#file.read(offset, Math.min(end - offset, mostPacked(this.blockSize)));
    return isPromise(packed) ? packed.then((bytes) => this.#inflate(index, bytes, into, start)) : this.#inflate(index, packed, into, start);
  }

  #inflate(index: number, packed: Uint8Array, into: Uint8Array, start: number): Completion {
    const explain = (error: unknown): never => {
      throw error instanceof StreamError ? blockError(index, this.offsets[index], error.message, error) : error;
    };
    try {
      return inflateZlibInto(packed, into, start, this.blockSize)?.catch(explain);
    } catch (error) {
      return explain(error);
    }
  }
}

/** Bytes that the stream of a block may take: what does not get shorter gets a little longer. More would be something behind the stream. */
function mostPacked(blockSize: number): number {
  return blockSize + Math.ceil(blockSize / 256) + 65536;
}
