/** Entries of directories as bytes: a file's short name with its long name in front, in slots of 32 bytes (fatgen103, "FAT Directory Structure"). */
import { isShort, putShort, shortSum } from './names.js';
import { SLOT } from './shape.js';
import type { FatTime } from './time.js';

export const Attribute = { ReadOnly: 1, Label: 8, Folder: 16, Archive: 32, LongName: 15 } as const;

/** UTF-16 code units of a long name that one slot holds, and where they are in it. */
export const LONG_UNITS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30] as const;
/** In the number of the slot that comes first, which holds the end of the name. */
export const LAST_LONG = 0x40;

export interface NewEntry {
  /** The name that users see; not used for `.`, `..` and the label. */
  readonly name: string;
  /** The short name that goes with it. */
  readonly alias: string;
  readonly attributes: number;
  /** 0: none. */
  readonly firstCluster: number;
  /** Bytes; 0 for directories. */
  readonly size: number;
  readonly modified: FatTime;
}

/** Slots that a file of this name takes. */
export function slotsOf(name: string): number {
  return isShort(name) ? 1 : 1 + Math.ceil(name.length / LONG_UNITS.length);
}

/** Writes entries one behind the other. */
export class EntryWriter {
  #at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  ) {}

  /** The label: an entry whose name is 11 bytes of any kind. */
  label(label: Uint8Array, modified: FatTime): void {
    this.bytes.set(label, this.#at);
    this.#short({ attributes: Attribute.Label, firstCluster: 0, size: 0, modified });
  }

  entry(entry: NewEntry): void {
    const { name, alias } = entry;
    // It comes behind the long name, which holds its sum.
    const slots = name === alias ? 0 : Math.ceil(name.length / LONG_UNITS.length);
    const at = this.#at + slots * SLOT;
    putShort(alias, this.bytes, at);
    if (slots > 0) this.#long(name, slots, shortSum(this.bytes, at));
    this.#short(entry);
  }

  /** Behind its name. */
  #short({ attributes, firstCluster, size, modified }: Omit<NewEntry, 'name' | 'alias'>): void {
    const { view } = this;
    const at = this.#at;
    this.bytes[at + 11] = attributes;
    // Created and last read: the host's times of these are nobody's business, and would differ with every copy of the directory.
    view.setUint16(at + 14, modified.time, true);
    view.setUint16(at + 16, modified.date, true);
    view.setUint16(at + 18, modified.date, true);
    view.setUint16(at + 20, firstCluster >>> 16, true);
    view.setUint16(at + 22, modified.time, true);
    view.setUint16(at + 24, modified.date, true);
    view.setUint16(at + 26, firstCluster & 0xffff, true);
    view.setUint32(at + 28, size, true);
    this.#at += SLOT;
  }

  #long(name: string, slots: number, sum: number): void {
    const { bytes } = this;
    for (let number = slots; number > 0; number--) {
      const at = this.#at;
      bytes[at] = number | (number === slots ? LAST_LONG : 0);
      bytes[at + 11] = Attribute.LongName;
      bytes[at + 13] = sum;
      const first = (number - 1) * LONG_UNITS.length;
      for (let unit = 0; unit < LONG_UNITS.length; unit++) {
        const index = first + unit;
        const place = at + LONG_UNITS[unit];
        // One zero ends the name where there is room for it; the rest is ones.
        const code = index < name.length ? name.charCodeAt(index) : index === name.length ? 0 : 0xffff;
        bytes[place] = code;
        bytes[place + 1] = code >> 8;
      }
      this.#at += SLOT;
    }
  }
}
