/** Getting the content of a chunk: reading its bytes, and decoding them. */
import { ReadAhead } from '@blk/cluster-map';
import { inflateZlibInto, StreamError, unpackInto, type PackFormat } from '@blk/compression';
import { isPromise, type Completion, type Edge } from '@blk/core-graph';
import type { Chunk, ChunkKind } from './block-table.js';
import { chunkError } from './errors.js';
import { SECTOR } from './trailer.js';

/** Bytes of the file that are read at once. */
const AT_ONCE = 1024 * 1024;
const FORMATS: Partial<Record<ChunkKind, PackFormat>> = { adc: 'adc', bzip2: 'bzip2', lzfse: 'lzfse', lzma: 'xz' };

export class Unpacker {
  readonly #ahead: ReadAhead;

  constructor(private readonly file: Edge) {
    this.#ahead = new ReadAhead(file, AT_ONCE);
  }

  /** Fills `into[start, …)` with `length` bytes of a raw chunk from byte `from` of it on. */
  readRaw(chunk: Chunk, from: number, into: Uint8Array, start: number, length: number): Completion {
    if (from + length > chunk.length) throw chunkError(chunk.start, `has ${chunk.length} bytes for ${chunk.sectors} sectors`);
    this.#checkInside(chunk);
    return this.file.read(chunk.offset + from, into, start, length);
  }

  /** Fills `into[start, …)` with all of a packed chunk; in another thread, where many are asked for. */
  unpack(chunk: Chunk, into: Uint8Array, start: number): Completion {
    if (chunk.kind === 'unknown') throw chunkError(chunk.start, `is of the unknown type ${chunk.type.toString(16)}`);
    this.#checkInside(chunk);
    const packed = this.#ahead.read(chunk.offset, chunk.length);
    return isPromise(packed) ? packed.then((bytes) => decode(chunk, bytes, into, start)) : decode(chunk, packed, into, start);
  }

  #checkInside({ start, offset, length }: Chunk): void {
    if (offset + length > this.file.size) throw chunkError(start, `ends at ${offset + length}, beyond the end of the file at ${this.file.size}`);
  }
}

function decode(chunk: Chunk, packed: Uint8Array, into: Uint8Array, start: number): Completion {
  const explain = (error: unknown): never => {
    throw error instanceof StreamError ? chunkError(chunk.start, error.message, error) : error;
  };
  const size = chunk.sectors * SECTOR;
  const format = FORMATS[chunk.kind];
  try {
    const done = format === undefined ? inflateZlibInto(packed, into, start, size) : unpackInto(format, packed, into, start, size);
    return done?.catch(explain);
  } catch (error) {
    return explain(error);
  }
}
