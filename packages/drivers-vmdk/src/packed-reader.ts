/** Reading compressed grains: where their bytes lie, and what they hold. Section "Stream-Optimized Compressed Sparse Extents". */
import { ReadAhead, settled } from '@blk/cluster-map';
import { inflateZlibInto, StreamError } from '@blk/compression';
import { isPromise, type Completion, type Edge } from '@blk/core-graph';
import { SECTOR } from './descriptor.js';
import { damagedGrain } from './errors.js';
import { viewOf } from './sparse-header.js';

/** Before a grain: its first sector in the extent, and how many bytes there are. */
export const MARKER_BYTES = 12;
/** What compressing adds to a grain that does not get shorter is much less. */
const EXCESS = 4096;
/** Bytes of the file that are read at once. */
const LEAST = 72 * 1024;
const MOST = 1024 * 1024;

export interface PackedLayout {
  readonly grainSize: number;
  /** Of the extent. */
  readonly size: number;
  /** Each grain follows a marker that tells its place. */
  readonly markers: boolean;
}

export class PackedReader {
  readonly #ahead: ReadAhead;

  constructor(
    private readonly file: Edge,
    private readonly layout: PackedLayout,
  ) {
    this.#ahead = new ReadAhead(file, LEAST, MOST);
  }

  /** All of a grain, which is at `offset` of the extent, into `into` from `start` on. */
  read(sector: number, into: Uint8Array, start: number, offset: number): Completion {
    const host = sector * SECTOR;
    const rest = this.file.size - host;
    if (rest < MARKER_BYTES) throw damagedGrain(host, `lies beyond the end of the file at ${this.file.size}`);
    const found = this.#ahead.atLeast(host, Math.min(rest, SECTOR));
    if (isPromise(found)) return found.then((bytes) => this.#unpack(host, bytes, into, start, offset));
    return this.#unpack(host, found, into, start, offset);
  }

  /** Throws where the grain at `offset` of the extent is not at `sector`, as far as that can be told without its bytes. */
  check(sector: number, offset: number): Completion {
    const host = sector * SECTOR;
    const bytes = new Uint8Array(MARKER_BYTES);
    if (this.file.size - host < MARKER_BYTES) throw damagedGrain(host, `lies beyond the end of the file at ${this.file.size}`);
    const done = this.file.read(host, bytes, 0, bytes.length);
    if (done === undefined) this.#rangeOf(host, bytes, offset);
    return done?.then(() => {
      this.#rangeOf(host, bytes, offset);
    });
  }

  /** The file changes somewhere. */
  forget(): void {
    this.#ahead.forget();
  }

  /** `bytes` are those of the file from `host` on, as far as they are known yet. */
  #unpack(host: number, bytes: Uint8Array, into: Uint8Array, start: number, offset: number): Completion {
    const { from, length } = this.#rangeOf(host, bytes, offset);
    if (from + length <= bytes.length) return this.#inflate(host, bytes.subarray(from, from + length), into, start, offset);
    const whole = new Uint8Array(length);
    whole.set(bytes.subarray(from));
    const known = bytes.length - from;
    const done = this.file.read(host + bytes.length, whole, known, length - known);
    if (done === undefined) return this.#inflate(host, whole, into, start, offset);
    return done.then(() => this.#inflate(host, whole, into, start, offset));
  }

  /** Where the compressed bytes are, counted from `host`. */
  #rangeOf(host: number, bytes: Uint8Array, offset: number): { readonly from: number; readonly length: number } {
    const { grainSize, markers } = this.layout;
    const rest = this.file.size - host;
    // The end of the stream tells where it ends.
    if (!markers) return { from: 0, length: Math.min(rest, grainSize + EXCESS) };
    const view = viewOf(bytes);
    const place = view.getBigUint64(0, true);
    const length = view.getUint32(8, true);
    if (place !== BigInt(offset / SECTOR)) throw damagedGrain(host, `belongs to sector ${place}, not to ${offset / SECTOR}`);
    if (length === 0 || length > grainSize + EXCESS) throw damagedGrain(host, `can't have ${length} bytes`);
    if (MARKER_BYTES + length > rest) throw damagedGrain(host, `reaches beyond the end of the file at ${this.file.size}`);
    return { from: MARKER_BYTES, length };
  }

  #inflate(host: number, packed: Uint8Array, into: Uint8Array, start: number, offset: number): Completion {
    const { grainSize, size } = this.layout;
    if (offset + grainSize > size) return inflateLast(host, packed, into, start, { whole: grainSize, part: size - offset });
    try {
      const done = inflateZlibInto(packed, into, start, grainSize);
      return done?.catch((error: unknown) => {
        throw explained(host, error);
      });
    } catch (error) {
      throw explained(host, error);
    }
  }
}

/** Some writers make the last grain a whole one, others store only what belongs to the disk. */
async function inflateLast(host: number, packed: Uint8Array, into: Uint8Array, start: number, size: { readonly whole: number; readonly part: number }): Promise<void> {
  try {
    await settled(inflateZlibInto(packed, into, start, size.whole));
  } catch {
    try {
      await settled(inflateZlibInto(packed, into, start, size.part));
    } catch (error) {
      throw explained(host, error);
    }
  }
}

function explained(host: number, error: unknown): unknown {
  return error instanceof StreamError ? damagedGrain(host, error.message, error) : error;
}
