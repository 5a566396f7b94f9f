/** The file allocation tables of a disk whose files each lie in one piece, one behind the other: nothing but where each piece ends. */
import { mediaOf } from './boot-sector.js';
import { FIRST_CLUSTER, type FatType, type Shape } from './shape.js';

/** What the tables say; clusters behind the last end are free. */
export interface Pieces {
  /** The last cluster of every piece, in order. */
  readonly ends: Uint32Array;
  readonly usedClusters: number;
}

/** In the tables: no further cluster. */
export const END_OF_CHAIN: Readonly<Record<FatType, number>> = { 12: 0xfff, 16: 0xffff, 32: 0x0fffffff };

/** Fills `buffer[start, start + length)` with the bytes of a table from `at`, which is even. */
export function fillTable(shape: Shape, { ends, usedClusters }: Pieces, at: number, buffer: Uint8Array, start: number, length: number): void {
  buffer.fill(0, start, start + length);
  const { fatType } = shape;
  const first = Math.floor((at * 8) / fatType);
  const last = Math.min(Math.ceil(((at + length) * 8) / fatType), usedClusters + FIRST_CLUSTER);
  const end = END_OF_CHAIN[fatType];
  let nextEnd = firstFrom(ends, first);
  for (let cluster = first; cluster < last; cluster++) {
    let value = cluster + 1;
    if (cluster === ends[nextEnd]) {
      value = end;
      nextEnd++;
    } else if (cluster === 0) value = (end - 0xff) | mediaOf(shape);
    else if (cluster === 1) value = end;
    putEntry(fatType, cluster, value, (byte, bits) => {
      if (byte >= at && byte < at + length) buffer[start + byte - at] |= bits;
    });
  }
}

/** Says which bits an entry sets in which bytes of a table. */
function putEntry(fatType: FatType, cluster: number, value: number, set: (byte: number, bits: number) => void): void {
  if (fatType === 12) {
    const byte = cluster + (cluster >> 1);
    const shifted = cluster % 2 === 0 ? value : value << 4;
    set(byte, shifted & 0xff);
    set(byte + 1, shifted >> 8);
    return;
  }
  const bytes = fatType / 8;
  for (let index = 0; index < bytes; index++) set(cluster * bytes + index, (value >>> (8 * index)) & 0xff);
}

/** Index of the first item that is `value` or more. */
function firstFrom(sorted: Uint32Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
