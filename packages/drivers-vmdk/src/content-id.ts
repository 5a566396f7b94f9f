/** The identifier of a disk's content: it changes with the first write after opening, so that children know whether their parent is the one they were made over. */
import { settled } from '@blk/cluster-map';
import type { Edge, Host } from '@blk/core-graph';
import { idText, NO_PARENT, SECTOR } from './descriptor.js';

/** Where the text lies in a file, in bytes. */
export interface DescriptorPlace {
  readonly file: Edge;
  readonly offset: number;
  /** How long it is; in a file of its own, all of that. */
  readonly bytes: Uint8Array;
  /** A file of its own, which may get longer. */
  readonly alone: boolean;
}

export class ContentId {
  #current: number;

  constructor(
    private readonly place: DescriptorPlace,
    current: number,
    private readonly host: Pick<Host, 'random'>,
  ) {
    this.#current = current;
  }

  get current(): number {
    return this.#current;
  }

  /** Before the first change: gives the content another identifier, on stable storage. */
  async begin(): Promise<void> {
    const { file, offset, bytes, alone } = this.place;
    const where = idIn(bytes, offset, alone);
    // A descriptor without an identifier stays as it is.
    if (where === undefined) return;
    const id = this.#random(where.digits);
    const changed = withId(bytes, where, id);
    if (changed.length > bytes.length && file.size < offset + changed.length) await file.node.truncate(offset + changed.length);
    await settled(file.write(offset, changed, 0, changed.length));
    await settled(file.flush());
    this.#current = id;
  }

  #random(digits: number): number {
    const bytes = new Uint8Array(4);
    for (;;) {
      this.host.random(bytes);
      const id = new DataView(bytes.buffer).getUint32(0) >>> (32 - 4 * digits);
      // Neither of those that mean something else.
      if (id < NO_PARENT - 1 && id !== this.#current) return id;
    }
  }
}

interface IdPlace {
  /** Where the identifier is, and where the text ends. */
  readonly from: number;
  readonly to: number;
  readonly end: number;
  /** Of the new one. */
  readonly digits: number;
}

/**
 * Where the identifier is. One that is shorter than others gets all of its digits only where the text behind it moves inside one sector: anywhere else a
 * power cut would leave a text with bytes missing, or doubled, between two of them.
 */
function idIn(bytes: Uint8Array, offset: number, alone: boolean): IdPlace | undefined {
  const text = new TextDecoder('latin1').decode(bytes);
  const end = text.indexOf('\0') < 0 ? text.length : text.indexOf('\0');
  const line = /^([ \t]*CID[ \t]*=[ \t]*)([0-9a-fA-F]{1,8})/m.exec(text.slice(0, end));
  if (line === null) return undefined;
  const from = line.index + line[1].length;
  const { length } = line[2];
  const used = end + DIGITS - length;
  const moves = sectorOf(offset + from) === sectorOf(offset + used - 1) && (alone || used <= bytes.length);
  return { from, to: from + length, end, digits: moves ? DIGITS : length };
}

const DIGITS = 8;

function sectorOf(at: number): number {
  return Math.floor(at / SECTOR);
}

/** The text with another identifier; what lies behind it moves where the old one is shorter. */
function withId(bytes: Uint8Array, { from, to, end, digits }: IdPlace, id: number): Uint8Array {
  const changed = new Uint8Array(Math.max(bytes.length, end + digits - (to - from)));
  changed.set(bytes.subarray(0, from));
  changed.set(new TextEncoder().encode(idText(id).slice(-digits)), from);
  changed.set(bytes.subarray(to, end), from + digits);
  return changed;
}
