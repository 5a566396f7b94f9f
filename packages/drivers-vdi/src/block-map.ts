/** The block map in memory: which block of the file holds which block of the disk, and which entries the file does not have yet. */

/** Entry of a block that was never written. */
export const FREE = 0xffff_ffff;
/** Entry of a block that reads as zeroes: VirtualBox gave its space back. */
export const ZERO = 0xffff_fffe;

/** Bytes of entries that are written together, and never torn. */
const SECTOR = 512;
const ENTRY_BYTES = 4;

/** Entries as they were at one moment, for one place in the map. */
export interface MapPiece {
  /** Bytes from the start of the map. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class BlockMap {
  /** Sectors of the map with entries that the file does not have. */
  readonly #dirty = new Set<number>();
  readonly #view: DataView;

  /** `bytes`: the map as it is in the file; belongs to the map from now on. */
  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Entries. */
  get length(): number {
    return this.bytes.length / ENTRY_BYTES;
  }

  get dirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Number of the block in the file, or `FREE` or `ZERO`. */
  get(block: number): number {
    return this.#view.getUint32(block * ENTRY_BYTES, true);
  }

  set(block: number, entry: number): void {
    this.#view.setUint32(block * ENTRY_BYTES, entry, true);
    this.#dirty.add(Math.floor((block * ENTRY_BYTES) / SECTOR));
  }

  /** What is to be written, as it is now, in order; the map counts as written until `restore`. */
  takeDirty(): readonly MapPiece[] {
    const sectors = [...this.#dirty].sort((a, b) => a - b);
    this.#dirty.clear();
    const pieces: MapPiece[] = [];
    for (let at = 0; at < sectors.length; ) {
      let next = at + 1;
      while (next < sectors.length && sectors[next] === sectors[next - 1] + 1) next++;
      const offset = sectors[at] * SECTOR;
      pieces.push({ offset, bytes: this.bytes.slice(offset, (sectors[next - 1] + 1) * SECTOR) });
      at = next;
    }
    return pieces;
  }

  /** Writing these pieces failed. */
  restore(pieces: readonly MapPiece[]): void {
    for (const { offset, bytes } of pieces) {
      for (let at = offset; at < offset + bytes.length; at += SECTOR) this.#dirty.add(at / SECTOR);
    }
  }
}
