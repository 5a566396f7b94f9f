/** A set of sectors: bits in chunks that are only there where a bit is set. */

/** Sectors of one chunk, whose bits take 4 KiB. */
const CHUNK = 32768;

export class SectorSet {
  readonly #chunks = new Map<number, Uint8Array>();

  add(first: number, count: number): void {
    this.#each(first, count, true, (bytes, bit) => {
      bytes[bit >> 3] |= 1 << (bit & 7);
    });
  }

  delete(first: number, count: number): void {
    this.#each(first, count, false, (bytes, bit) => {
      bytes[bit >> 3] &= ~(1 << (bit & 7));
    });
  }

  clear(): void {
    this.#chunks.clear();
  }

  has(sector: number): boolean {
    const bit = sector % CHUNK;
    return (((this.#chunks.get(Math.floor(sector / CHUNK))?.[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
  }

  /** How many of the `most` sectors from `first` on are all in the set, or all not: as the first one. */
  run(first: number, most: number): number {
    const wanted = this.has(first);
    let count = 1;
    while (count < most) {
      const sector = first + count;
      if (!wanted && sector % CHUNK === 0 && !this.#chunks.has(sector / CHUNK)) count += CHUNK;
      else if (this.has(sector) === wanted) count++;
      else break;
    }
    return Math.min(count, most);
  }

  /** Whether any of these sectors is in the set. */
  any(first: number, count: number): boolean {
    return count > 0 && (this.has(first) || this.run(first, count) < count);
  }

  #each(first: number, count: number, make: boolean, change: (bytes: Uint8Array, bit: number) => void): void {
    for (let sector = first; sector < first + count; ) {
      const number = Math.floor(sector / CHUNK);
      const end = Math.min((number + 1) * CHUNK, first + count);
      let bytes = this.#chunks.get(number);
      if (bytes === undefined && make) this.#chunks.set(number, (bytes = new Uint8Array(CHUNK / 8)));
      if (bytes !== undefined) for (let at = sector; at < end; at++) change(bytes, at % CHUNK);
      sector = end;
    }
  }
}
