/** Dirty bitmaps: which parts of a node were written since the bitmap was made or cleared. */
import { BlockError } from './errors.js';

/** `frozen`: something works with it; `disabled`: writes are not recorded. A frozen bitmap may record them all the same: see `recording`. */
export type BitmapStatus = 'active' | 'disabled' | 'frozen';

/**
 * What becomes of a bitmap when its work is over. `done`: what was dirty before is clean, what was written meanwhile stays dirty.
 * `kept`: both are dirty.
 */
export type ThawOutcome = 'done' | 'kept';

/** Smallest and largest granularity, in bytes, that the schema allows. */
export const MIN_GRANULARITY = 512;
export const MAX_GRANULARITY = 2 ** 31;

export interface DirtyBitmapOptions {
  /** The image keeps it when it is closed. */
  readonly persistent?: boolean;
  /** What the image holds is out of date: the bitmap can be removed and nothing else. */
  readonly inconsistent?: boolean;
}

/** Bytes for each bit where nobody says: the cluster size of the image, between 4 and 64 KiB. */
export function defaultGranularity(clusterSize = 65536): number {
  return Math.min(65536, Math.max(4096, clusterSize));
}

export class DirtyBitmap {
  readonly persistent: boolean;
  readonly inconsistent: boolean;
  #words: Uint32Array;
  #size: number;
  #count = 0;
  #recording = true;
  #busy = false;
  /** Takes the writes while the bitmap is frozen for its content. */
  #successor: DirtyBitmap | undefined;

  /** `granularity`: bytes per bit, a power of two. `size`: of the node, in bytes. `name`: undefined for a job's own. */
  constructor(
    readonly name: string | undefined,
    readonly granularity: number,
    size: number,
    options: DirtyBitmapOptions = {},
  ) {
    this.persistent = options.persistent ?? false;
    this.inconsistent = options.inconsistent ?? false;
    if (granularity < MIN_GRANULARITY || granularity > MAX_GRANULARITY || !Number.isInteger(Math.log2(granularity))) {
      throw new BlockError('invalid-argument', `Granularity must be power of 2 and at least ${MIN_GRANULARITY}`);
    }
    this.#size = size;
    this.#words = new Uint32Array(this.inconsistent ? 0 : wordsFor(size, granularity));
    if (this.inconsistent) this.#recording = false;
  }

  get size(): number {
    return this.#size;
  }
  get status(): BitmapStatus {
    if (this.#busy) return 'frozen';
    return this.#recording ? 'active' : 'disabled';
  }
  /** Writes are recorded, be it in a successor. */
  get recording(): boolean {
    return this.#recording;
  }
  /** Something works with it, and nobody else may. */
  get busy(): boolean {
    return this.#busy;
  }
  /** Dirty bytes, the last chunk counted whole. */
  get count(): number {
    return this.#count * this.granularity;
  }

  /** Switches the recording of writes. */
  setStatus(status: 'active' | 'disabled'): void {
    this.#recording = status === 'active';
  }

  /** Takes the bitmap for one user, such as an export; it goes on recording. Throws where another has it. `release` ends it. */
  hold(): void {
    this.checkUsable();
    this.#busy = true;
  }

  release(): void {
    this.#busy = false;
  }

  /** Takes the bitmap for a user that needs its content to stay as it is: later writes are noted aside until `thaw`. */
  freeze(): void {
    this.hold();
    this.#successor = new DirtyBitmap(undefined, this.granularity, this.#size);
  }

  /** Ends `freeze`. */
  thaw(outcome: ThawOutcome): void {
    const successor = this.#successor;
    this.#successor = undefined;
    this.#busy = false;
    if (successor === undefined) return;
    if (outcome === 'done') this.clear();
    this.merge(successor);
  }

  /** Throws where something else works with the bitmap. */
  checkFree(): void {
    if (!this.#busy) return;
    throw new BlockError('busy', `Bitmap '${this.name}' is currently in use by another operation and cannot be used`);
  }

  /** Throws where the content of the bitmap means nothing. */
  checkConsistent(): void {
    if (!this.inconsistent) return;
    const hint = 'Try block-dirty-bitmap-remove to delete this bitmap from disk';
    throw new BlockError('invalid-argument', `Bitmap '${this.name}' is inconsistent and cannot be used\n${hint}`);
  }

  /** Throws where the bitmap can't be changed: out of date, or in use. */
  checkUsable(): void {
    this.checkFree();
    this.checkConsistent();
  }

  /** A bitmap without a name that is dirty where this one is. */
  copy(): DirtyBitmap {
    const copy = new DirtyBitmap(undefined, this.granularity, this.#size);
    copy.#words.set(this.#words);
    copy.#count = this.#count;
    return copy;
  }

  /** Throws where `source` is of another size. */
  checkMergeable(source: DirtyBitmap): void {
    if (source.size === this.#size) return;
    throw new BlockError(
      'invalid-argument',
      `Bitmaps are of different sizes (destination size is ${this.#size}, source size is ${source.size}) and can't be merged`,
    );
  }

  /** Adds what is dirty in `source`, whose granularity may be another. Throws where the sizes differ. */
  merge(source: DirtyBitmap): void {
    this.checkMergeable(source);
    for (let at = source.next(0, true); at >= 0; ) {
      const end = source.next(at, false);
      this.set(at, (end < 0 ? this.#size : end) - at);
      at = end < 0 ? -1 : source.next(end, true);
    }
  }

  /**
   * Copies bits into `into`, from bit `firstBit` (a multiple of 32) on: the first in the lowest bit of the first byte. Bits
   * behind the end are 0. Tells whether any is set.
   */
  exportBits(firstBit: number, into: Uint8Array): boolean {
    const words = this.#words.subarray(firstBit / 32, firstBit / 32 + Math.ceil(into.length / 4));
    into.fill(0);
    let any = 0;
    for (let index = 0; index < words.length; index++) {
      const word = words[index];
      if (word === 0) continue;
      any |= word;
      for (let byte = 0; byte < 4; byte++) into[index * 4 + byte] = word >>> (byte * 8);
    }
    return any !== 0;
  }

  /** The reverse of `exportBits`, into a bitmap whose bits there are clear; bits behind the end are left out. */
  importBits(firstBit: number, from: Uint8Array): void {
    const end = Math.ceil(this.#size / this.granularity);
    for (let at = 0; at < from.length; at++) {
      const bit = firstBit + at * 8;
      const left = end - bit;
      if (left <= 0) return;
      const byte = left >= 8 ? from[at] : from[at] & ((1 << left) - 1);
      if (byte === 0) continue;
      const word = Math.floor(bit / 32);
      this.#words[word] = (this.#words[word] | (byte << (bit % 32))) >>> 0;
      this.#count += popCount(byte);
    }
  }

  /** Notes a write; ignored while the bitmap is disabled. */
  mark(offset: number, length: number): void {
    if (this.#recording && length > 0) (this.#successor ?? this).set(offset, length);
  }

  /** Sets every chunk that the range touches. */
  set(offset: number, length: number): void {
    this.#fill(Math.floor(offset / this.granularity), Math.ceil(Math.min(offset + length, this.#size) / this.granularity), true);
  }

  /** Clears every chunk that the range touches. */
  reset(offset: number, length: number): void {
    this.#fill(Math.floor(offset / this.granularity), Math.ceil(Math.min(offset + length, this.#size) / this.granularity), false);
  }

  /** Clears all of it. */
  clear(): void {
    this.#words.fill(0);
    this.#count = 0;
  }

  get(offset: number): boolean {
    const bit = Math.floor(offset / this.granularity);
    return offset < this.#size && ((this.#words[Math.floor(bit / 32)]) & (1 << (bit % 32))) !== 0;
  }

  /** The first dirty (or clean) byte at or after `offset`, or -1. */
  next(offset: number, dirty: boolean): number {
    const end = Math.ceil(this.#size / this.granularity);
    for (let bit = Math.floor(offset / this.granularity); bit < end; ) {
      const word = this.#words[Math.floor(bit / 32)];
      const rest = ((dirty ? word : ~word) >>> (bit % 32)) << (bit % 32);
      if (rest === 0) {
        bit = (Math.floor(bit / 32) + 1) * 32;
        continue;
      }
      const found = Math.floor(bit / 32) * 32 + (31 - Math.clz32(rest & -rest));
      return found < end ? Math.max(offset, found * this.granularity) : -1;
    }
    return -1;
  }

  /** Follows the node's size: what is new is clean. */
  resize(size: number): void {
    if (this.inconsistent) return;
    const words = new Uint32Array(wordsFor(size, this.granularity));
    if (size < this.#size) this.#fill(Math.ceil(size / this.granularity), Math.ceil(this.#size / this.granularity), false);
    words.set(this.#words.subarray(0, words.length));
    this.#words = words;
    this.#size = size;
    this.#successor?.resize(size);
  }

  #fill(from: number, to: number, value: boolean): void {
    for (let bit = from; bit < to; ) {
      const index = Math.floor(bit / 32);
      const low = bit % 32;
      const bits = Math.min(32 - low, to - bit);
      const mask = bits === 32 ? 0xffffffff : ((1 << bits) - 1) << low;
      const before = this.#words[index];
      const after = (value ? before | mask : before & ~mask) >>> 0;
      this.#count += popCount(after) - popCount(before);
      this.#words[index] = after;
      bit += bits;
    }
  }
}

function wordsFor(size: number, granularity: number): number {
  return Math.ceil(Math.ceil(size / granularity) / 32);
}

function popCount(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return (((n + (n >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
