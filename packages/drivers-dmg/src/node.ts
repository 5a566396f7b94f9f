/** One open image. */
import { BlockCache, Pending } from '@blk/cluster-map';
import {
  compressedExtent, dataExtent, isPromise, NO_LIMITS, zeroExtent, type CheckOptions, type CheckResult, type Completion, type DriverNode, type Extent,
} from '@blk/core-graph';
import type { Chunk } from './block-table.js';
import type { ChunkMap } from './chunk-map.js';
import { chunkError } from './errors.js';
import { SECTOR } from './trailer.js';
import type { Unpacker } from './unpack.js';

export interface DmgParts {
  /** Bytes. */
  readonly size: number;
  readonly map: ChunkMap;
  readonly unpacker: Unpacker;
  /** Most bytes of unpacked chunks in memory. */
  readonly cacheSize: number;
  readonly check: (options: CheckOptions) => Promise<CheckResult>;
}

export class DmgNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly size: number;
  readonly check: DmgParts['check'];
  readonly #map: ChunkMap;
  readonly #unpacker: Unpacker;
  readonly #cache: BlockCache;

  constructor({ size, map, unpacker, cacheSize, check }: DmgParts) {
    this.size = size;
    this.check = check;
    this.#map = map;
    this.#unpacker = unpacker;
    this.#cache = new BlockCache(cacheSize, (index, into) => unpacker.unpack(map.chunks[index], into, 0));
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const pending = new Pending();
    const end = offset + length;
    for (let at = offset, index = this.#map.indexAt(sectorOf(offset)); at < end; index++) {
      const chunk = this.#map.holding(index, sectorOf(at));
      if (chunk === undefined) {
        pending.add(() => { throw chunkError(sectorOf(at), 'is missing: no table describes it'); });
        break;
      }
      const from = at - chunk.start * SECTOR;
      const size = Math.min(chunk.sectors * SECTOR - from, end - at);
      const target = start + at - offset;
      const here = index;
      pending.add(() => this.#readChunk(here, chunk, from, buffer, target, size));
      at += size;
    }
    return pending.end();
  }

  #readChunk(index: number, chunk: Chunk, from: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (isZero(chunk)) {
      buffer.fill(0, start, start + length);
      return;
    }
    if (chunk.kind === 'raw') return this.#unpacker.readRaw(chunk, from, buffer, start, length);
    const size = chunk.sectors * SECTOR;
    // Of a whole chunk nothing is left for others to read, so that it need not be kept.
    if (length === size) return this.#unpacker.unpack(chunk, buffer, start);
    const content = this.#cache.read(index, size);
    if (!isPromise(content)) buffer.set(content.subarray(from, from + length), start);
    else return content.then((bytes) => { buffer.set(bytes.subarray(from, from + length), start); });
  }

  extent(offset: number, length: number): Extent {
    const sector = sectorOf(offset);
    const index = this.#map.indexAt(sector);
    const chunk = this.#map.holding(index, sector);
    if (chunk === undefined) {
      const next = this.#map.chunks.at(index + 1);
      // Reading it will be an error; it is no hole.
      return compressedExtent(next === undefined ? length : Math.min(length, next.start * SECTOR - offset));
    }
    const from = offset - chunk.start * SECTOR;
    if (chunk.kind === 'raw') {
      // One that has not all its bytes is read here, and refused: what follows it in the file belongs to others.
      const whole = chunk.length >= chunk.sectors * SECTOR;
      return dataExtent(Math.min(length, chunk.sectors * SECTOR - from), whole ? chunk.offset + from : -1);
    }
    const zero = isZero(chunk);
    const end = this.#map.runEnd(index, (offset + length) / SECTOR, (other) => other.kind !== 'raw' && isZero(other) === zero);
    const size = Math.min(length, end * SECTOR - offset);
    return zero ? zeroExtent(size) : compressedExtent(size);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function sectorOf(offset: number): number {
  return Math.floor(offset / SECTOR);
}

function isZero({ kind }: Chunk): boolean {
  return kind === 'zero' || kind === 'ignore';
}
