/** Images for the tests, and changes of their bytes. */
import type { ImagePolicy } from '@blk/core-graph';
import { FormatBench } from '@blk/driver-conformance';
import { checkImage, expectContent } from '@blk/oracle';
import { crc32c, ItemId, MIB, putId, putU64, viewOf } from '../src/format.js';
import { vhdx } from '../src/index.js';

/** Where an image of ours, with the log that it has unless asked otherwise, keeps its parts. */
export const BAT = 2 * MIB;
export const METADATA = 3 * MIB;
export const ITEMS = METADATA + 65536;

export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(vhdx, policy === undefined ? {} : { policy });
  }
}

/** Throws where the reference finds something wrong, or reads other bytes than `expected`. */
export async function compareWith(file: string, expected: Uint8Array): Promise<void> {
  await checkImage(file, 'vhdx');
  await expectContent(file, 'vhdx', expected);
}

export function u32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

export function u64(value: number): number[] {
  return [...u32(value % 2 ** 32), ...u32(Math.floor(value / 2 ** 32))];
}

export interface Patches {
  /** By offset in both headers. */
  readonly header?: Record<number, readonly number[]>;
  /** By offset in both region tables. */
  readonly regions?: Record<number, readonly number[]>;
  /** By offset in the file, after checksums were made right. */
  readonly raw?: Record<number, readonly number[]>;
}

/** A copy with changed structures whose checksums are right. */
export function patched(image: Uint8Array, { header = {}, regions = {}, raw = {} }: Patches): Uint8Array {
  const bytes = image.slice();
  for (const [starts, length, patches] of [[[0x10000, 0x20000], 4096, header], [[0x30000, 0x40000], 65536, regions]] as const) {
    for (const at of starts) {
      for (const [offset, values] of Object.entries(patches)) bytes.set(values, at + Number(offset));
      bytes.set(u32(crc32c(bytes.subarray(at, at + length), 4)), at + 4);
    }
  }
  for (const [offset, values] of Object.entries(raw)) bytes.set(values, Number(offset));
  return bytes;
}

export interface Child {
  /** Keys and values of the parent locator. */
  readonly names: Readonly<Record<string, string>>;
  /** By block: the state, the sectors that the child has, and its content. */
  readonly blocks: readonly { readonly block: number; readonly state: number; readonly sectors?: (sector: number) => boolean; readonly content?: Uint8Array }[];
}

/** An image as a differencing one, written from the specification: blocks of a MiB, bitmaps in the first chunk. The disk must be smaller than 4 GiB. */
export function differencing(image: Uint8Array, { names, blocks }: Child): Uint8Array {
  const first = image.length;
  const bytes = new Uint8Array(image.length + MIB * (1 + blocks.length));
  bytes.set(image);
  const view = viewOf(bytes);
  view.setUint32(ITEMS, MIB, true);
  view.setUint32(ITEMS + 4, 2, true);
  const entry = METADATA + 32 + view.getUint16(METADATA + 10, true) * 32;
  view.setUint16(METADATA + 10, 6, true);
  putId(bytes, entry, ItemId.parentLocator);
  const text = (value: string): number[] => [...value].flatMap((char) => [char.charCodeAt(0) & 255, char.charCodeAt(0) >>> 8]);
  const locator = ITEMS + 4096;
  putId(bytes, locator, 'b04aefb7-d19e-4a81-b789-25b8e9445913');
  const pairs = Object.entries(names);
  view.setUint16(locator + 18, pairs.length, true);
  let free = 20 + pairs.length * 12;
  pairs.forEach(([key, value], index) => {
    const at = locator + 20 + index * 12;
    for (const [field, size, string] of [[0, 8, key], [4, 10, value]] as const) {
      view.setUint32(at + field, free, true);
      view.setUint16(at + size, string.length * 2, true);
      bytes.set(text(string), locator + free);
      free += string.length * 2;
    }
  });
  bytes.set([...u32(locator - METADATA), ...u32(free), ...u32(4)], entry + 16);
  bytes.fill(0, BAT, BAT + MIB);
  // 4096 blocks of a MiB have their bits in one bitmap, whose entry follows theirs.
  putU64(view, BAT + 4096 * 8, first + 6);
  blocks.forEach(({ block, state, sectors, content }, index) => {
    const place = first + MIB * (1 + index);
    putU64(view, BAT + block * 8, state >= 6 ? place + state : state);
    if (content !== undefined) bytes.set(content, place);
    for (let sector = 0; sectors !== undefined && sector < 2048; sector++) {
      if (sectors(sector)) bytes[first + block * 256 + (sector >>> 3)] |= 1 << (sector & 7);
    }
  });
  return bytes;
}
