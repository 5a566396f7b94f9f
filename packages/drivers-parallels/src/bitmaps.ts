/** Dirty bitmaps in the format extension, read from images that nobody writes to: a feature each, whose table leads to the bits. */
import { settled } from '@blk/cluster-map';
import { BlockError, DirtyBitmap, type Edge, type PersistentBitmaps, type StoredBitmap } from '@blk/core-graph';
import { parallelsError } from './errors.js';
import type { Feature } from './extension.js';
import { SECTOR, type ParallelsHeader } from './header.js';

const MAGIC = 0x2038_5fae_252c_b34an;
const Field = { Size: 0, Id: 8, Granularity: 24, TableSize: 28, Table: 32 } as const;
const ENTRY_BYTES = 8;
/** Entries that stand for bits and not for a place. */
const CLEAR = 0n;
const SET = 1n;

/** One bitmap, checked, whose bits are still in the file. */
interface Entry extends StoredBitmap {
  /** Sectors from the start of the file, or one of the two values above. */
  readonly table: BigUint64Array;
}

/** The bitmaps among the features; throws where one is damaged, or they need more memory than `limit` bytes, together with the extension. */
export function bitmapsOf(features: readonly Feature[], file: Edge, header: ParallelsHeader, limit: number): PersistentBitmaps {
  const list = features.filter(({ magic }) => magic === MAGIC).map(({ data }) => parse(data, file, header));
  const bytes = list.reduce((sum, { granularity }) => sum + header.size / granularity / 8, header.clusterSize);
  if (bytes > limit) throw parallelsError({ what: 'memory', bytes: Math.ceil(bytes), limit });
  const refused = (): never => {
    throw new BlockError('unsupported', 'Bitmaps of Parallels images are read, not written', { driver: 'parallels' });
  };
  return {
    list,
    load: async () => {
      const loaded: DirtyBitmap[] = [];
      // One after the other: there may be thousands, and each takes a buffer meanwhile.
      for (const entry of list) loaded.push(await load(entry, file, header));
      return loaded;
    },
    check: refused,
    // Nobody changed them: an image that is written to has none.
    store: () => Promise.resolve(),
    remove: async () => refused(),
  };
}

function parse(data: Uint8Array, file: Edge, { size, clusterSize, extensionKept }: ParallelsHeader): Entry {
  if (data.length < Field.Table) throw wrong('Too small extension data');
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const sectors = view.getBigUint64(Field.Size, true);
  if (sectors !== BigInt(size / SECTOR)) throw wrong(`Bitmap size (in sectors) ${sectors} differs from disk size in sectors ${size / SECTOR}`);
  const granularity = view.getUint32(Field.Granularity, true) * SECTOR;
  if (granularity === 0 || !Number.isInteger(Math.log2(granularity)) || granularity > 2 ** 31) {
    throw wrong(`Bitmap granularity of ${granularity} bytes, where a power of two from 512 to 2147483648 is right`);
  }
  const entries = view.getUint32(Field.TableSize, true);
  if (Field.Table + entries * ENTRY_BYTES > data.length) throw wrong('Bitmaps feature corrupted: l1 table exceeds extension data_size');
  const needed = Math.ceil(Math.ceil(size / granularity) / 8 / clusterSize);
  if (entries < needed) throw wrong(`Bitmaps feature corrupted: l1 table of ${entries} entries, where ${needed} are needed`);
  const table = BigUint64Array.from({ length: needed }, (_, index) => view.getBigUint64(Field.Table + index * ENTRY_BYTES, true));
  for (const place of table) {
    if (place > SET && place * BigInt(SECTOR) + BigInt(clusterSize) > BigInt(file.size)) throw wrong(`Bitmaps feature corrupted: bits at sector ${place}, beyond the end of the file`);
  }
  return { name: identifier(data.subarray(Field.Id, Field.Granularity)), granularity, flags: extensionKept ? ['auto'] : ['in-use'], table };
}

async function load({ name, granularity, table }: Entry, file: Edge, { size, clusterSize, extensionKept }: ParallelsHeader): Promise<DirtyBitmap> {
  if (!extensionKept) return new DirtyBitmap(name, granularity, size, { inconsistent: true });
  const bitmap = new DirtyBitmap(name, granularity, size);
  const bytes = Math.ceil(size / granularity / 8);
  const buffer = new Uint8Array(Math.min(clusterSize, bytes));
  for (const [index, place] of table.entries()) {
    if (place === CLEAR) continue;
    const bits = buffer.subarray(0, Math.min(clusterSize, bytes - index * clusterSize));
    if (place === SET) bits.fill(0xff);
    else await settled(file.read(Number(place) * SECTOR, bits, 0, bits.length));
    bitmap.importBits(index * clusterSize * 8, bits);
  }
  return bitmap;
}

/** As the reference names it: the bytes in their order. */
function identifier(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}

function wrong(why: string): Error {
  return parallelsError({ what: 'extension', why });
}
