/** Images for the tests, and changes of their bytes. */
import type { ImagePolicy } from '@blk/core-graph';
import { FormatBench } from '@blk/driver-conformance';
import { checksum } from '../src/format.js';
import { vpc } from '../src/index.js';

export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(vpc, policy === undefined ? {} : { policy });
  }
}

export function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

export function u64(value: number): number[] {
  return [...u32(Math.floor(value / 2 ** 32)), ...u32(value % 2 ** 32)];
}

export interface Patches {
  /** By offset in the footer: the one at the end, and the copy of dynamic disks. */
  readonly footer?: Record<number, readonly number[]>;
  /** By offset in the dynamic disk header, which lies at 512. */
  readonly header?: Record<number, readonly number[]>;
  /** By offset in the file, after checksums were made right. */
  readonly raw?: Record<number, readonly number[]>;
}

/** A copy with changed structures whose checksums are right. */
export function patched(image: Uint8Array, { footer = {}, header = {}, raw = {} }: Patches): Uint8Array {
  const bytes = image.slice();
  const end = bytes.length - 512;
  const dynamic = String.fromCharCode(...bytes.subarray(0, 8)) === 'conectix';
  for (const at of dynamic ? [0, end] : [end]) {
    for (const [offset, values] of Object.entries(footer)) bytes.set(values, at + Number(offset));
    bytes.set(u32(checksum(bytes.subarray(at, at + 512), 64)), at + 64);
  }
  if (dynamic) {
    for (const [offset, values] of Object.entries(header)) bytes.set(values, 512 + Number(offset));
    bytes.set(u32(checksum(bytes.subarray(512, 1536), 36)), 512 + 36);
  }
  for (const [offset, values] of Object.entries(raw)) bytes.set(values, Number(offset));
  return bytes;
}

/**
 * A differencing disk over a parent, written from the specification: no block, and the parent named by locators. `blockSize` is chosen so that
 * bitmaps of partial blocks are met.
 */
export function differencing(parent: Uint8Array, name: string, { blockSize = 65536, platform = 'W2ru' } = {}): Uint8Array {
  const size = new DataView(parent.buffer).getUint32(parent.length - 512 + 52);
  const footer = parent.slice(parent.length - 512);
  footer.set(u64(512), 16);
  footer.set(u32(4), 60);
  footer.fill(0x5a, 68, 84);
  footer.set(u32(checksum(footer, 64)), 64);
  const text = platform === 'MacX' ? new TextEncoder().encode(name) : Uint8Array.from([...name].flatMap((char) => [char.charCodeAt(0) & 255, char.charCodeAt(0) >>> 8]));
  const entries = Math.ceil(size / blockSize);
  const tableEnd = 2048 + Math.ceil((entries * 4) / 512) * 512;
  const bytes = new Uint8Array(tableEnd + 512);
  bytes.set(footer, 0);
  bytes.set([...'cxsparse'].map((char) => char.charCodeAt(0)), 512);
  bytes.fill(0xff, 520, 528);
  bytes.set([...u64(2048), ...u32(0x10000), ...u32(entries), ...u32(blockSize)], 528);
  bytes.set(parent.subarray(parent.length - 512 + 68, parent.length - 512 + 84), 552);
  const slot = 512 + 576 + 24;
  bytes.set([...platform].map((char) => char.charCodeAt(0)), slot);
  bytes.set([...u32(512), ...u32(text.length), ...u32(0), ...u64(1536)], slot + 4);
  bytes.set(text, 1536);
  bytes.set(u32(checksum(bytes.subarray(512, 1536), 36)), 512 + 36);
  bytes.fill(0xff, 2048, tableEnd);
  bytes.set(footer, tableEnd);
  return bytes;
}
