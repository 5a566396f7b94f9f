/** Growing disks of Bochs: a header, a catalog of extents, and the extents, each behind the bitmap of its sectors that were written. */

export interface BochsOptions {
  /** 2 unless given. */
  readonly version?: 1 | 2;
  /** Bytes: 16 KiB unless given, a power of two. */
  readonly extentSize?: number;
  /** Bytes that the header says a bitmap has; as many as are needed unless given. */
  readonly bitmapSize?: number;
  /** Bytes before the catalog; 512 unless given. */
  readonly headerSize?: number;
  /** Extents in this order in the file; in that of the disk unless given. */
  readonly order?: (extents: readonly number[]) => readonly number[];
}

const SECTOR = 512;
const NOWHERE = 0xffff_ffff;

/** Sectors that are zero are not written, but for one in every extent that holds anything. */
export function bochsImage(content: Uint8Array, options: BochsOptions = {}): Uint8Array {
  const { version = 2, extentSize = 16384, headerSize = 512, order = (extents) => extents } = options;
  const { bitmapSize = Math.ceil(extentSize / SECTOR / 8) } = options;
  const entries = Math.ceil(content.length / extentSize);
  const extentOf = (index: number): Uint8Array => content.subarray(index * extentSize, (index + 1) * extentSize);
  const header = Buffer.alloc(Math.max(512, headerSize));
  header.write('Bochs Virtual HD Image', 0);
  header.write('Redolog', 32);
  header.write('Growing', 48);
  for (const [index, value] of [version << 16, headerSize, entries, bitmapSize, extentSize].entries()) header.writeUInt32LE(value, 64 + 4 * index);
  header.writeBigUInt64LE(BigInt(content.length), version === 1 ? 84 : 88);
  const catalog = Buffer.alloc(4 * entries, 0xff);
  const parts: Uint8Array[] = [header.subarray(0, headerSize), catalog];
  const used = [...Array(entries).keys()].filter((index) => extentOf(index).some((byte) => byte !== 0));
  for (const [place, index] of order(used).entries()) {
    catalog.writeUInt32LE(place, 4 * index);
    parts.push(...writeExtent(extentOf(index), extentSize, bitmapSize));
  }
  if (used.length >= NOWHERE) throw new RangeError('more extents than the catalog can tell apart');
  return new Uint8Array(Buffer.concat(parts));
}

function writeExtent(bytes: Uint8Array, extentSize: number, bitmapSize: number): Uint8Array[] {
  const bitmap = new Uint8Array(Math.ceil(bitmapSize / SECTOR) * SECTOR);
  // What is not marked is noise, which nobody may read.
  const data = new Uint8Array(extentSize).fill(0xee);
  for (let at = 0; at < bytes.length; at += SECTOR) {
    const sector = bytes.subarray(at, at + SECTOR);
    if (at > 0 && sector.every((byte) => byte === 0)) continue;
    bitmap[at / SECTOR >> 3] |= 1 << (at / SECTOR & 7);
    data.set(sector, at);
  }
  return [bitmap, data];
}
