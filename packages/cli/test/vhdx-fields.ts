/** Every field of a VHDX image's metadata, with checksums that are right again, and each checksum once wrong. */
import { Layout, type Damage, type Width } from './fields.js';

const PAGE = 4096;
const MIB = 1 << 20;
const HEADERS = [0x10000, 0x20000];
const REGION_TABLES = [0x30000, 0x40000];
/** The middle of the identifiers of regions and items. */
const BAT = 0x2dc27766;
const METADATA = 0x8b7ca206;

/** Reflected CRC-32C of bytes whose own four bytes of checksum, at 4, count as zeroes. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let at = 0; at < bytes.length; at++) {
    crc ^= at >= 4 && at < 8 ? 0 : bytes[at];
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}

function sealAt(bytes: Uint8Array, at: number, length: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at + 4, crc32c(bytes.subarray(at, at + length)), true);
}

/** Where the log begins, and the bytes of its first entry. */
export function logOf(bytes: Uint8Array): { readonly log: number; readonly entry: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const log = Number(view.getBigUint64(HEADERS[0] + 72, true));
  return { log, entry: view.getUint32(log, true) === 0x6567_6f6c ? view.getUint32(log + 8, true) : 0 };
}

/** Makes all checksums right: of both headers, both region tables, and the first entry of the log where there is one. */
export function sealVhdx(bytes: Uint8Array): void {
  for (const at of HEADERS) sealAt(bytes, at, PAGE);
  for (const at of REGION_TABLES) sealAt(bytes, at, 65536);
}

export function vhdxDamages(file: string, bytes: Uint8Array): readonly Damage[] {
  const layout = new Layout(file, bytes, MIB, sealVhdx);
  layout.places.set('header', 0);
  layout.number('identifier', 0, 4);
  HEADERS.forEach((at, index) => {
    const names: readonly (readonly [string, number, Width])[] = [
      ['signature', 0, 4], ['sequence number', 8, 8], ['file identifier', 16, 4], ['data identifier', 32, 4], ['log identifier', 48, 4], ['log version', 64, 2],
      ['version', 66, 2], ['log length', 68, 4],
    ];
    for (const [name, place, width] of names) layout.number(`header ${index}: ${name}`, at + place, width);
    layout.place(`header ${index}: log offset`, at + 72, 8, { unit: 1 });
  });
  both(layout, 'both headers: log length', HEADERS, 68, [0, 1, 4096, MIB + 4096, 2 ** 31]);
  both(layout, 'both headers: log offset', HEADERS, 72, [0, 4096, MIB + 512, 2 * MIB, 1000 * MIB]);
  both(layout, 'both headers: version', HEADERS, 66, [0, 2]);
  both(layout, 'both headers: signature', HEADERS, 0, [0]);
  regions(layout);
  for (const at of [...HEADERS, ...REGION_TABLES]) {
    layout.other(`checksum at ${at}`, (whole) => {
      const copy = whole.slice();
      copy[at + 4] ^= 1;
      return copy;
    });
  }
  return layout.lengths().all();
}

function regions(layout: Layout): void {
  const [first] = REGION_TABLES;
  const count = layout.u32(first + 8);
  REGION_TABLES.forEach((table, index) => {
    layout.number(`region table ${index}: signature`, table, 4).number(`region table ${index}: entries`, table + 8, 4);
    for (let entry = 0; entry < count; entry++) {
      const at = table + 16 + entry * 32;
      const title = `region table ${index}, entry ${entry}`;
      layout.number(`${title}: identifier`, at, 4).place(`${title}: offset`, at + 16, 8, { unit: 1 }).number(`${title}: length`, at + 24, 4).number(`${title}: required`, at + 28, 4);
    }
  });
  let blocks = 0;
  for (const pass of [METADATA, BAT]) for (let entry = 0; entry < count; entry++) {
    const at = first + 16 + entry * 32;
    const offset = layout.u64(at + 16);
    if (layout.u32(at) !== pass) continue;
    both(layout, `both region tables, entry ${entry}: offset`, REGION_TABLES, 16 + entry * 32 + 16, [0, MIB, offset + 4096, 5000 * MIB]);
    both(layout, `both region tables, entry ${entry}: length`, REGION_TABLES, 16 + entry * 32 + 24, [0, 4096, 2 ** 31]);
    if (pass === METADATA) blocks = metadata(layout, offset);
    else blockTable(layout, offset, blocks);
  }
}

/** How many blocks the disk has. */
function metadata(layout: Layout, offset: number): number {
  layout.places.set('metadata', offset);
  layout.number('metadata: signature', offset, 4).number('metadata: items', offset + 10, 2);
  let blockSize = MIB;
  let size = 0;
  for (let item = 0; item < layout.u16(offset + 10); item++) {
    const at = offset + 32 + item * 32;
    const title = `item ${item}`;
    layout.number(`${title}: identifier`, at, 4).number(`${title}: offset`, at + 16, 4).number(`${title}: length`, at + 20, 4).number(`${title}: flags`, at + 24, 4);
    const value = offset + layout.u32(at + 16);
    const length = layout.u32(at + 20);
    layout.number(`${title}: value`, value, length === 8 ? 8 : 4);
    if (length === 8 && layout.u32(at) === 0xcaa1_6737) {
      blockSize = layout.u32(value);
      layout.number(`${title}: flags of the file`, value + 4, 4);
    } else if (length === 8) size = layout.u64(value);
  }
  return Math.ceil(size / blockSize);
}

function blockTable(layout: Layout, offset: number, count: number): void {
  layout.places.set('block table', offset);
  let seen = 0;
  layout.entries('block', {
    at: offset, count, bytes: 8, unit: 1, states: 3, isSet: (entry) => entry % 8 >= 6, visit: (data) => layout.places.set(`data ${seen++}`, data),
  });
}

/** The same value in both copies. */
function both(layout: Layout, name: string, copies: readonly number[], at: number, values: readonly number[]): void {
  const width = at === 66 ? 2 : 4;
  for (const value of values) {
    layout.other(`${name} = ${value}`, (whole) => {
      const copy = whole.slice();
      const view = new DataView(copy.buffer);
      for (const start of copies) {
        if (width === 2) view.setUint16(start + at, value, true);
        else view.setUint32(start + at, value, true);
      }
      sealVhdx(copy);
      return copy;
    });
  }
}

/** Damages to the one entry of a log that is to be replayed. */
export function logDamages(file: string, bytes: Uint8Array): readonly Damage[] {
  const { log, entry } = logOf(bytes);
  const seal = (whole: Uint8Array): void => { sealAt(whole, log, Math.min(entry, whole.length - log)); };
  const layout = new Layout(file, bytes, MIB, seal);
  layout.places.set('log', log);
  const names: readonly (readonly [string, number, Width])[] = [
    ['signature', 0, 4], ['length', 8, 4], ['tail', 12, 4], ['sequence number', 16, 8], ['descriptors', 24, 4], ['reserved', 28, 4], ['identifier', 32, 4],
    ['flushed offset', 48, 8], ['last offset', 56, 8], ['descriptor signature', 64, 4], ['trailing bytes', 68, 4], ['leading bytes', 72, 8],
    ['descriptor sequence', 88, 8], ['sector signature', 4096, 4], ['sector sequence, high', 4100, 4], ['sector sequence, low', 8188, 4],
  ];
  for (const [name, at, width] of names) layout.number(`log: ${name}`, log + at, width);
  layout.place('log: file offset', log + 80, 8, { unit: 1 });
  layout.other('log: checksum', (whole) => {
    const copy = whole.slice();
    copy[log + 4] ^= 1;
    return copy;
  });
  return layout.lengths().all();
}
