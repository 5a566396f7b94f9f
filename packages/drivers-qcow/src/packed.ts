/** Compressed clusters: where their bytes lie, reading and writing them. */
import { deflateRaw, inflateRawInto, StreamError } from '@blk/compression';
import { placePacked, ReadAhead, settled, writeRange, type MappedImage, type SpaceAtEnd } from '@blk/cluster-map';
import { BlockError, isPromise, type Completion, type Edge } from '@blk/core-graph';
import { wishError } from './errors.js';
import { SECTOR } from './header.js';

const PACKED_BIT = 0x8000_0000;
/** Bytes of the file that are read at once: clusters mostly lie one behind the other. */
const WINDOW = 64 * 1024;
const WINDOW_BITS = 12;

export function isPacked(high: number): boolean {
  return high >= PACKED_BIT;
}

/** Offset and length from the halves of an entry: the length is in the bits below the highest. */
export function rangeOf(low: number, high: number, clusterBits: number): { readonly offset: number; readonly length: number } {
  const shift = 31 - clusterBits;
  const rest = high - PACKED_BIT;
  const length = Math.floor(rest / 2 ** shift);
  return { offset: (rest - length * 2 ** shift) * 2 ** 32 + low, length };
}

export function entryOf(offset: number, length: number, clusterBits: number): readonly [low: number, high: number] {
  const high = PACKED_BIT + length * 2 ** (31 - clusterBits) + Math.floor(offset / 2 ** 32);
  return [offset % 2 ** 32, high];
}

export class PackedReader {
  readonly #ahead: ReadAhead;

  constructor(
    private readonly file: Edge,
    private readonly clusterBits: number,
  ) {
    this.#ahead = new ReadAhead(file, WINDOW);
  }

  /** All of a cluster into `into` from `start` on. */
  read(low: number, high: number, into: Uint8Array, start: number): Completion {
    const { offset, length } = rangeOf(low, high, this.clusterBits);
    const size = Math.min(length, this.file.size - offset);
    if (size <= 0) throw damaged(offset, `lies beyond the end of the file at ${this.file.size}`);
    const found = this.#ahead.read(offset, size);
    if (isPromise(found)) return found.then((bytes) => this.#inflate(offset, bytes, into, start));
    return this.#inflate(offset, found, into, start);
  }

  /** The file changes somewhere. */
  forget(): void {
    this.#ahead.forget();
  }

  #inflate(offset: number, packed: Uint8Array, into: Uint8Array, start: number): Completion {
    try {
      const done = inflateRawInto(packed, into, start, 2 ** this.clusterBits);
      return done?.catch((error: unknown) => {
        throw explained(offset, error);
      });
    } catch (error) {
      throw explained(offset, error);
    }
  }
}

/** Whole clusters; only the one at the end of the disk may be short. */
export async function writePacked(
  image: MappedImage, { space, reader }: { readonly space: SpaceAtEnd; readonly reader: PackedReader }, offset: number, buffer: Uint8Array, start: number,
  length: number,
): Promise<void> {
  const { clusterSize, size, cipher } = image.format;
  const end = offset + length;
  if (cipher !== undefined) throw wishError('Compression and encryption not supported at the same time', 'unsupported');
  if (offset % clusterSize !== 0 || (end % clusterSize !== 0 && end !== size)) {
    throw wishError(`Compressed writes are whole clusters of ${clusterSize} bytes, not ${length} bytes at ${offset}`);
  }
  const pieces: Promise<Uint8Array>[] = [];
  for (let at = 0; at < length; at += clusterSize) {
    const cluster = new Uint8Array(clusterSize);
    cluster.set(buffer.subarray(start + at, start + Math.min(length, at + clusterSize)));
    pieces.push(deflateRaw(cluster, { windowBits: WINDOW_BITS }));
  }
  const packed = await Promise.all(pieces).catch(notPacked);
  for (const [index, bytes] of packed.entries()) {
    const at = index * clusterSize;
    if (bytes.length >= clusterSize) {
      await settled(writeRange(image, offset + at, buffer, start + at, Math.min(clusterSize, length - at)));
      continue;
    }
    const host = space.takeBytes(bytes.length, SECTOR);
    const entry = entryOf(host, bytes.length, Math.log2(clusterSize));
    await placePacked(image, (offset + at) / clusterSize, { bytes, host, entry, forget: () => { reader.forget(); } });
  }
}

function notPacked(error: unknown): never {
  if (!(error instanceof StreamError)) throw error;
  throw new BlockError('unsupported', `A compressed cluster ${error.message}`, { driver: 'qcow' }, error);
}

function explained(offset: number, error: unknown): unknown {
  return error instanceof StreamError ? damaged(offset, error.message, error) : error;
}

function damaged(offset: number, what: string, cause?: unknown): BlockError {
  const message = `Compressed cluster at 0x${offset.toString(16)} ${what}`;
  return new BlockError('io', message, { driver: 'qcow', reason: 'qcow/compressed-cluster', offset }, cause);
}
