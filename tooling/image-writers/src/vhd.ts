/** Virtual hard disks (VHD) as Virtual PC and Hyper-V make them, from the Virtual Hard Disk Image Format Specification, version 1.0. */

export interface VhdOptions {
  /** Dynamic unless given. A differencing disk has a parent. */
  readonly kind?: 'fixed' | 'dynamic' | 'differencing';
  /** Four characters: `vpc ` of Virtual PC unless given, `win ` of Hyper-V. */
  readonly creator?: string;
  /** Bytes; 2 MiB unless given. */
  readonly blockSize?: number;
  readonly parent?: VhdParent;
  /** Which sectors of a block that is there are marked as written; those of a differencing disk that are not come from the parent. All unless given. */
  readonly has?: (sector: number) => boolean;
  /** Sixteen bytes, which tell the disk from others; `VHD_ID` unless given. */
  readonly id?: Uint8Array;
  /** The footer at the end is lost. */
  readonly cut?: boolean;
}

export interface VhdParent {
  /** Identifier of the parent. */
  readonly id: Uint8Array;
  /** Name, with backslashes. */
  readonly name: string;
}

export const VHD_ID: Uint8Array = Uint8Array.from({ length: 16 }, (_, index) => index + 1);

const SECTOR = 512;
const HEADER = 1024;
const TABLE = SECTOR + HEADER;
const UNUSED = 0xffff_ffff;
const TYPES = { fixed: 2, dynamic: 3, differencing: 4 } as const;

/** `content`: whole sectors. Blocks of zeroes have no place, but where the disk has a parent, which would show through. */
export function vhdImage(content: Uint8Array, options: VhdOptions = {}): Uint8Array {
  const { kind = 'dynamic', cut = false } = options;
  const footer = footerOf(content.length, options);
  if (kind === 'fixed') return Buffer.concat([content, footer]);
  const { table, blocks } = blocksOf(content, options);
  const front = [footer, headerOf(table.length / 4, options), padded(table)];
  const behind = locatorOf(options);
  return new Uint8Array(Buffer.concat([...front, behind, ...blocks, ...(cut ? [] : [footer])]));
}

function footerOf(size: number, { kind = 'dynamic', creator = 'vpc ', id = VHD_ID }: VhdOptions): Buffer {
  const footer = Buffer.alloc(SECTOR);
  footer.write('conectix');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x1_0000, 12);
  footer.fill(0xff, 16, 24);
  if (kind !== 'fixed') footer.writeBigUInt64BE(BigInt(SECTOR), 16);
  footer.writeUInt32BE(600_000_000, 24);
  footer.write(creator, 28, 'latin1');
  footer.writeUInt32BE(creator === 'win ' ? 0x6_0001 : 0x5_0003, 32);
  footer.write('Wi2k', 36);
  footer.writeBigUInt64BE(BigInt(size), 40);
  footer.writeBigUInt64BE(BigInt(size), 48);
  const { cylinders, heads, sectors } = vhdGeometry(size);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(TYPES[kind], 60);
  footer.set(id, 68);
  footer.writeUInt32BE(checksum(footer), 64);
  return footer;
}

/** Appendix "CHS Calculation". */
export function vhdGeometry(size: number): { readonly cylinders: number; readonly heads: number; readonly sectors: number } {
  const total = Math.min(Math.floor(size / SECTOR), 65535 * 16 * 255);
  const by = (heads: number, sectors: number): { cylinders: number; heads: number; sectors: number } => ({ cylinders: Math.floor(total / sectors / heads), heads, sectors });
  if (total >= 65535 * 16 * 63) return by(16, 255);
  const tracks = Math.floor(total / 17);
  const heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks < heads * 1024 && heads <= 16) return by(heads, 17);
  return Math.floor(total / 31) < 16 * 1024 ? by(16, 31) : by(16, 63);
}

function headerOf(entries: number, { parent, blockSize = 2 ** 21 }: VhdOptions): Buffer {
  const header = Buffer.alloc(HEADER);
  header.write('cxsparse');
  header.fill(0xff, 8, 16);
  header.writeBigUInt64BE(BigInt(TABLE), 16);
  header.writeUInt32BE(0x1_0000, 24);
  header.writeUInt32BE(entries, 28);
  header.writeUInt32BE(blockSize, 32);
  if (parent !== undefined) {
    header.set(parent.id, 40);
    header.writeUInt32BE(600_000_000, 56);
    const name = parent.name.split('\\').at(-1) ?? '';
    header.set(Buffer.from(name, 'utf16le').swap16(), 64);
    header.write(/^[A-Za-z]:/.test(parent.name) ? 'W2ku' : 'W2ru', 576);
    header.writeUInt32BE(SECTOR, 580);
    header.writeUInt32BE(parent.name.length * 2, 584);
    header.writeBigUInt64BE(BigInt(TABLE + Math.ceil((entries * 4) / SECTOR) * SECTOR), 592);
  }
  header.writeUInt32BE(checksum(header), 36);
  return header;
}

function locatorOf({ parent }: VhdOptions): Buffer {
  return parent === undefined ? Buffer.alloc(0) : padded(Buffer.from(parent.name, 'utf16le'), 0);
}

function blocksOf(content: Uint8Array, options: VhdOptions): { readonly table: Buffer; readonly blocks: readonly Uint8Array[] } {
  const { blockSize = 2 ** 21, has = () => true } = options;
  const count = Math.ceil(content.length / blockSize);
  const table = Buffer.alloc(4 * count, 0xff);
  const blocks: Uint8Array[] = [];
  let place = TABLE + padded(table).length + locatorOf(options).length;
  for (let index = 0; index < count; index++) {
    const data = new Uint8Array(blockSize);
    data.set(content.subarray(index * blockSize, (index + 1) * blockSize));
    const first = (index * blockSize) / SECTOR;
    const bitmap = padded(Buffer.alloc(Math.ceil(blockSize / SECTOR / 8)), 0);
    for (let sector = 0; sector < blockSize / SECTOR; sector++) if (has(first + sector)) bitmap[sector >> 3] |= 0x80 >> (sector & 7);
    if (options.parent === undefined ? data.every((byte) => byte === 0) : bitmap.every((byte) => byte === 0)) continue;
    if (place / SECTOR >= UNUSED) throw new RangeError('a block beyond what the table can tell');
    table.writeUInt32BE(place / SECTOR, 4 * index);
    blocks.push(bitmap, data);
    place += bitmap.length + blockSize;
  }
  return { table, blocks };
}

/** Up to a whole sector. */
function padded(bytes: Buffer, fill = 0xff): Buffer {
  const whole = Buffer.alloc(Math.ceil(bytes.length / SECTOR) * SECTOR, fill);
  whole.set(bytes);
  return whole;
}

/** The ones' complement of the sum of all bytes, with the field for it zero. */
function checksum(bytes: Uint8Array): number {
  return ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0;
}
