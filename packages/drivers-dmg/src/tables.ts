/** Finding the block tables of an image: in the property list, or in the resource fork of older ones. */
import { dmgError } from './errors.js';
import { parsePlist, PlistData, type PlistValue } from './plist.js';

const BLKX = 'blkx';
const HEADER_BYTES = 16;
/** Of the resource map: where the offset of its list of types is, and the size of the things in it. */
const TYPES_OFFSET = 24;
const TYPE_BYTES = 8;
const REFERENCE_BYTES = 12;

/** The `Data` of every entry under `resource-fork`, `blkx`. Throws a `BlockError` and nothing else. */
export function tablesOfList(bytes: Uint8Array): Uint8Array[] {
  const entries = memberOf(memberOf(parsePlist(new TextDecoder().decode(bytes)), 'resource-fork'), BLKX);
  if (!(entries instanceof Array)) throw dmgError({ what: 'plist', why: 'has no block tables' });
  return entries.map((entry) => {
    const data = memberOf(entry, 'Data');
    if (!(data instanceof PlistData)) throw dmgError({ what: 'plist', why: 'has a block table without data' });
    return data.bytes();
  });
}

function memberOf(value: PlistValue | undefined, name: string): PlistValue | undefined {
  return value instanceof Map ? (value as ReadonlyMap<string, PlistValue>).get(name) : undefined;
}

/** The resources of the type `blkx`. Throws a `BlockError` and nothing else. */
export function tablesOfFork(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const inside = (offset: number, length: number): number => {
    if (offset + length > bytes.length) throw dmgError({ what: 'resource-fork', why: `refers to ${length} bytes at ${offset} of its ${bytes.length}` });
    return offset;
  };
  inside(0, HEADER_BYTES);
  const data = view.getUint32(0);
  const map = view.getUint32(4);
  const types = map + view.getUint16(inside(map + TYPES_OFFSET, 2));
  const count = (view.getUint16(inside(types, 2)) + 1) & 0xffff;
  for (let index = 0; index < count; index++) {
    const type = inside(types + 2 + index * TYPE_BYTES, TYPE_BYTES);
    if (String.fromCharCode(...bytes.subarray(type, type + 4)) !== BLKX) continue;
    const references = types + view.getUint16(type + 6);
    // Each has bytes of its own: the same ones thousands of times would take any amount of memory.
    let left = bytes.length;
    return Array.from({ length: view.getUint16(type + 4) + 1 }, (_, resource) => {
      const reference = inside(references + resource * REFERENCE_BYTES, REFERENCE_BYTES);
      const place = inside(data + (view.getUint32(reference + 4) & 0xff_ffff), 4) + 4;
      const length = view.getUint32(place - 4);
      inside(place, length);
      left -= length;
      if (left < 0) throw dmgError({ what: 'resource-fork', why: 'has block tables that lie over each other' });
      return bytes.subarray(place, place + length);
    });
  }
  throw dmgError({ what: 'resource-fork', why: 'has no block tables' });
}
