/** The bytes of a directory as entries: long names put together, short ones read, whatever the guest wrote there. */
import { Attribute, LAST_LONG, LONG_UNITS } from '../fat/entries.js';
import { shortSum } from '../fat/names.js';
import { SLOT } from '../fat/shape.js';
import type { FatTime } from '../fat/time.js';
import { CODE_PAGE_437 } from './code-page.js';

export interface FolderEntry {
  /** The long name where there is a whole one. `.` and `..` are themselves. */
  readonly name: string;
  readonly folder: boolean;
  /** 0: none. */
  readonly firstCluster: number;
  readonly size: number;
  readonly modified: FatTime;
}

/** A long name on its way. */
interface LongName {
  readonly sum: number;
  /** The number of the slot that has to come next; 0: whole. */
  next: number;
  text: string;
}

/** Free entries, labels and pieces of long names that belong to nothing are passed over, as systems do. */
export function* parseFolder(bytes: Uint8Array): Generator<FolderEntry, undefined, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let long: LongName | undefined;
  for (let at = 0; at + SLOT <= bytes.length; at += SLOT) {
    const first = bytes[at];
    if (first === 0) return undefined;
    const attributes = bytes[at + 11];
    if (first === FREE) long = undefined;
    else if ((attributes & 0x3f) === Attribute.LongName) long = addPiece(long, bytes, view, at);
    else if ((attributes & Attribute.Label) !== 0) long = undefined;
    else {
      const short = bytes.subarray(at, at + SLOT);
      const whole = long?.next === 0 && long.sum === shortSum(short);
      yield {
        name: whole && long !== undefined ? long.text : shortName(short),
        folder: (attributes & Attribute.Folder) !== 0,
        firstCluster: view.getUint16(at + 20, true) * 0x10000 + view.getUint16(at + 26, true),
        size: view.getUint32(at + 28, true),
        modified: { time: view.getUint16(at + 22, true), date: view.getUint16(at + 24, true) },
      };
      long = undefined;
    }
  }
  return undefined;
}

const FREE = 0xe5;
/** Stands for a first byte that would be `FREE`. */
const ESCAPED_FREE = 0x05;
/** Says that a part of the short name is to be read in small letters (as Windows NT and Linux do). */
const SMALL_BASE = 0x08;
const SMALL_EXTENSION = 0x10;

/** Pieces come last one first. */
function addPiece(long: LongName | undefined, bytes: Uint8Array, view: DataView, at: number): LongName | undefined {
  const order = bytes[at];
  const sum = bytes[at + 13];
  const number = order & (LAST_LONG - 1);
  let text = '';
  for (const place of LONG_UNITS) {
    const unit = view.getUint16(at + place, true);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  if ((order & LAST_LONG) !== 0) return number > 0 && number <= 20 ? { sum, next: number - 1, text } : undefined;
  if (long === undefined || long.next !== number || number === 0 || long.sum !== sum) return undefined;
  long.text = text + long.text;
  long.next--;
  return long;
}

function shortName(entry: Uint8Array): string {
  const flags = entry[12];
  const base = shortPart(entry.subarray(0, 8), (flags & SMALL_BASE) !== 0);
  const extension = shortPart(entry.subarray(8, 11), (flags & SMALL_EXTENSION) !== 0);
  return extension === '' ? base : `${base}.${extension}`;
}

function shortPart(bytes: Uint8Array, small: boolean): string {
  let text = '';
  for (const [index, byte] of bytes.entries()) {
    const code = index === 0 && byte === ESCAPED_FREE ? FREE : byte;
    text += code < 128 ? String.fromCharCode(code) : CODE_PAGE_437.charAt(code - 128);
  }
  const trimmed = text.replace(/ +$/, '');
  return small ? trimmed.toLowerCase() : trimmed;
}
