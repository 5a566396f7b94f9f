/** A qcow2 image taken apart, and ways to damage it: every field of its metadata in turn. */

/** What a damage does to the bytes of an image. */
export type Damage = (image: Anatomy) => void;

/** Bytes of an image with clusters of 4 KiB and refcounts of 16 bits, with its structures found. */
export class Anatomy {
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get l1(): number {
    return Number(this.u64(40));
  }
  get refcountTable(): number {
    return Number(this.u64(48));
  }
  get refcountBlock(): number {
    return Number(this.u64(this.refcountTable));
  }
  get snapshots(): number {
    return Number(this.u64(64));
  }
  get snapshotL1(): number {
    return Number(this.u64(this.snapshots));
  }
  get l2(): number {
    return Number(this.u64(this.l1) & 0x00ff_ffff_ffff_fe00n);
  }

  u64(at: number): bigint {
    return this.view.getBigUint64(at);
  }
  put64(at: number, value: bigint | number): void {
    this.view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)));
  }
  /** Changes a word by what `change` makes of it. */
  change64(at: number, change: (value: bigint) => bigint): void {
    this.put64(at, change(this.u64(at)));
  }
  put32(at: number, value: number): void {
    this.view.setUint32(at, value);
  }
  put16(at: number, value: number): void {
    this.view.setUint16(at, value);
  }
  refcount(cluster: number, value: number): void {
    this.put16(this.refcountBlock + cluster * 2, value);
  }
}

const K = 4096;
const COPIED = 1n << 63n;

/** Every field of the header that says something about the tables. */
const HEADER: Record<string, Damage> = {
  'backing offset 8': (i) => { i.put64(8, 8); },
  'backing offset far': (i) => { i.put64(8, 1n << 60n); },
  'cluster bits 8': (i) => { i.put32(20, 8); },
  'cluster bits 9': (i) => { i.put32(20, 9); },
  'cluster bits 13': (i) => { i.put32(20, 13); },
  'cluster bits 22': (i) => { i.put32(20, 22); },
  'size bigger': (i) => { i.put64(24, 8 << 20); },
  'size smaller': (i) => { i.put64(24, 1 << 20); },
  'size odd': (i) => { i.put64(24, (1 << 20) + 17); },
  'L1 size 0': (i) => { i.put32(36, 0); },
  'L1 size 1': (i) => { i.put32(36, 1); },
  'L1 size 3': (i) => { i.put32(36, 3); },
  'L1 offset 0': (i) => { i.put64(40, 0); },
  'L1 offset unaligned': (i) => { i.put64(40, i.l1 + 512); },
  'L1 offset beyond': (i) => { i.put64(40, K * 1000); },
  'table offset 0': (i) => { i.put64(48, 0); },
  'table offset unaligned': (i) => { i.put64(48, i.refcountTable + 512); },
  'table offset beyond': (i) => { i.put64(48, K * 1000); },
  'table offset at L1': (i) => { i.put64(48, i.l1); },
  'table clusters 0': (i) => { i.put32(56, 0); },
  'table clusters 2': (i) => { i.put32(56, 2); },
  'snapshots 0': (i) => { i.put32(60, 0); },
  'snapshots 2': (i) => { i.put32(60, 2); },
  'snapshots 3': (i) => { i.put32(60, 3); },
  'snapshots offset 0': (i) => { i.put64(64, 0); },
  'snapshots offset unaligned': (i) => { i.put64(64, i.snapshots + 512); },
  'snapshots offset beyond': (i) => { i.put64(64, K * 1000); },
  'snapshots offset at L1': (i) => { i.put64(64, i.l1); },
  'dirty': (i) => { i.put64(72, 1); },
  'corrupt': (i) => { i.put64(72, 2); },
  'dirty, corrupt, a leak': (i) => { i.put64(72, 3); i.refcount(5, 7); },
  'dirty, corrupt, an error': (i) => { i.put64(72, 3); i.change64(i.l1, (e) => e | 1n); },
  'dirty, used as free': (i) => { i.put64(72, 1); i.refcount(5, 0); },
  'unknown feature': (i) => { i.put64(72, 1n << 40n); },
  'refcount order 3': (i) => { i.put32(96, 3); },
  'refcount order 5': (i) => { i.put32(96, 5); },
  'refcount order 7': (i) => { i.put32(96, 7); },
  'header length 50': (i) => { i.put32(100, 50); },
};

/** Entries of a table of tables: what can be wrong with a reference. */
const L1_ENTRY: Record<string, Damage> = {
  'L1 unaligned': (i) => { i.change64(i.l1, (e) => e + 512n); },
  'L1 beyond': (i) => { i.put64(i.l1, COPIED | BigInt(K * 1000)); },
  'L1 without mark': (i) => { i.change64(i.l1, (e) => e & ~COPIED); },
  'L1 with mark': (i) => { i.change64(i.l1 + 8, (e) => e | COPIED); },
  'L1 reserved bits': (i) => { i.change64(i.l1, (e) => e | (1n << 56n) | 1n); },
  'L1 zero': (i) => { i.put64(i.l1, 0); },
  'L1 at header': (i) => { i.put64(i.l1, COPIED); },
  'L1 at refcount block': (i) => { i.put64(i.l1, COPIED | BigInt(i.refcountBlock)); },
  'L1 twice': (i) => { i.put64(i.l1 + 8, i.u64(i.l1)); },
  'L1 at itself': (i) => { i.put64(i.l1, COPIED | BigInt(i.l1)); },
};

const L2_ENTRY: Record<string, Damage> = {
  'L2 unaligned': (i) => { i.change64(i.l2 + 8, (e) => e + 512n); },
  'L2 beyond': (i) => { i.put64(i.l2 + 8, COPIED | BigInt(K * 1000)); },
  'L2 far beyond': (i) => { i.put64(i.l2 + 8, COPIED | (1n << 52n)); },
  'L2 reserved bits': (i) => { i.change64(i.l2 + 8, (e) => e | (1n << 58n) | 2n); },
  'L2 zero': (i) => { i.put64(i.l2 + 8, 0); },
  'L2 twice': (i) => { i.put64(i.l2 + 8, i.u64(i.l2)); },
  'L2 without mark': (i) => { i.change64(i.l2 + 16, (e) => e & ~COPIED); },
  'L2 with mark': (i) => { i.change64(i.l2, (e) => e | COPIED); },
  'L2 at L1': (i) => { i.put64(i.l2 + 16, COPIED | BigInt(i.l1)); },
  'L2 at refcount table': (i) => { i.put64(i.l2 + 16, COPIED | BigInt(i.refcountTable)); },
  'L2 at refcount block': (i) => { i.put64(i.l2 + 16, COPIED | BigInt(i.refcountBlock)); },
  'L2 at header, unaligned': (i) => { i.put64(i.l2 + 16, 512); },
  'L2 kept for zeroes, unaligned': (i) => { i.change64(i.l2 + 8, (e) => (e + 512n) | 1n); },
  'L2 compressed with mark': (i) => { i.change64(i.l2 + 8 * 256, (e) => e | COPIED); },
  'L2 compressed beyond': (i) => { i.put64(i.l2 + 8 * 256, (1n << 62n) | BigInt(K * 5000)); },
  'L2 compressed far beyond': (i) => { i.put64(i.l2 + 8 * 256, (1n << 62n) | (1n << 50n)); },
  'L2 compressed at header': (i) => { i.put64(i.l2 + 8 * 256, 1n << 62n); },
  'a leak and a mark': (i) => { i.refcount(5, 7); i.change64(i.l2 + 16, (e) => e & ~COPIED); },
};

const REFCOUNTS: Record<string, Damage> = {
  'table entry unaligned': (i) => { i.put64(i.refcountTable, i.refcountBlock + 512); },
  'table entry beyond': (i) => { i.put64(i.refcountTable, K * 1000); },
  'table entry zero': (i) => { i.put64(i.refcountTable, 0); },
  'table entry twice': (i) => { i.put64(i.refcountTable + 8, i.refcountBlock); },
  'table entry reserved bits': (i) => { i.put64(i.refcountTable, i.refcountBlock + 1); },
  'table entry at L1': (i) => { i.put64(i.refcountTable, i.l1); },
  'second entry beyond': (i) => { i.put64(i.refcountTable + 8, K * 1000); },
  'second entry far beyond': (i) => { i.put64(i.refcountTable + 8, 1n << 60n); },
  'second entry unaligned': (i) => { i.put64(i.refcountTable + 8, 0x2200); },
  'count 0': (i) => { i.refcount(5, 0); },
  'count 0 of a mark': (i) => { i.refcount(Number((i.u64(i.l2 + 16) & 0xffff_ffff_ffffn) / 4096n), 0); },
  'count too low': (i) => { i.refcount(5, 1); },
  'count too high': (i) => { i.refcount(5, 7); },
  'count behind the end': (i) => { i.refcount(100, 1); },
  'count of the block 0': (i) => { i.refcount(2, 0); },
  'all counts 0': (i) => { i.bytes.fill(0, i.refcountBlock, i.refcountBlock + K); },
  'all counts highest': (i) => { i.bytes.fill(0xff, i.refcountBlock, i.refcountBlock + K); },
};

const SNAPSHOTS: Record<string, Damage> = {
  'snapshot L1 offset 0': (i) => { i.put64(i.snapshots, 0); },
  'snapshot L1 offset unaligned': (i) => { i.change64(i.snapshots, (e) => e + 512n); },
  'snapshot L1 offset beyond': (i) => { i.put64(i.snapshots, K * 1000); },
  'snapshot L1 offset far beyond': (i) => { i.put64(i.snapshots, 1n << 58n); },
  'snapshot L1 size 0': (i) => { i.put32(i.snapshots + 8, 0); },
  'snapshot L1 size 1': (i) => { i.put32(i.snapshots + 8, 1); },
  'snapshot L1 size 3': (i) => { i.put32(i.snapshots + 8, 3); },
  'snapshot L1 size huge': (i) => { i.put32(i.snapshots + 8, 0x7fff_ffff); },
  'snapshot id size': (i) => { i.put16(i.snapshots + 12, 0xffff); },
  'snapshot name size': (i) => { i.put16(i.snapshots + 14, 0xffff); },
  'snapshot extra size 0': (i) => { i.put32(i.snapshots + 36, 0); },
  'snapshot extra size 8': (i) => { i.put32(i.snapshots + 36, 8); },
  'snapshot extra size 16': (i) => { i.put32(i.snapshots + 36, 16); },
  'snapshot extra size 2000': (i) => { i.put32(i.snapshots + 36, 2000); },
  'snapshot extra size huge': (i) => { i.put32(i.snapshots + 36, 0x7fff_ffff); },
  'snapshot disk size': (i) => { i.put64(i.snapshots + 48, 1n << 50n); },
  'snapshot L1 entry beyond': (i) => { i.put64(i.snapshotL1, K * 1000); },
  'snapshot L1 entry unaligned': (i) => { i.change64(i.snapshotL1, (e) => e + 512n); },
  'snapshot L1 entry reserved bits': (i) => { i.change64(i.snapshotL1, (e) => e | 2n); },
  'snapshot L1 entry with mark': (i) => { i.change64(i.snapshotL1, (e) => e | COPIED); },
};

/** Where the directory of persistent bitmaps lies; the extension that names it is the image's first. */
const directory = (i: Anatomy): number => Number(i.u64(112 + 24));
/** The entry of the second bitmap. */
const second = (i: Anatomy): number => directory(i) + Math.ceil((24 + i.view.getUint16(directory(i) + 18)) / 8) * 8;
const bitmapTable = (i: Anatomy): number => Number(i.u64(second(i)));

/** For an image with two bitmaps and without snapshots. */
export const BITMAP_DAMAGES: Readonly<Record<string, Damage>> = {
  'bitmaps: nothing': () => undefined,
  'bitmaps: count 3': (i) => { i.put32(120, 3); },
  'bitmaps: count 0': (i) => { i.put32(120, 0); },
  'bitmaps: directory size 0': (i) => { i.put64(128, 0); },
  'bitmaps: directory longer': (i) => { i.change64(128, (size) => size + 8n); },
  'bitmaps: directory unaligned': (i) => { i.change64(136, (offset) => offset + 512n); },
  'bitmaps: directory at header': (i) => { i.put64(136, 0); },
  'bitmaps: table unaligned': (i) => { i.change64(directory(i), (offset) => offset + 512n); },
  'bitmaps: table beyond': (i) => { i.put64(directory(i), K * 1000); },
  'bitmaps: table 0': (i) => { i.put64(directory(i), 0); },
  'bitmaps: table size 0': (i) => { i.put32(directory(i) + 8, 0); },
  'bitmaps: in use': (i) => { i.put32(directory(i) + 12, 3); },
  'bitmaps: unknown flag': (i) => { i.put32(directory(i) + 12, 0x80); },
  'bitmaps: unknown type': (i) => { i.bytes[directory(i) + 16] = 9; },
  'bitmaps: granularity': (i) => { i.bytes[directory(i) + 17] = 60; },
  'bitmaps: data beyond': (i) => { i.put64(bitmapTable(i), K * 1000); },
  'bitmaps: all ones': (i) => { i.put64(bitmapTable(i), 1); },
  'bitmaps: out of date': (i) => { i.put64(88, 0); },
  'bitmaps: out of date, and a leak': (i) => { i.put64(88, 0); i.refcount(5, 7); },
  'bitmaps: a count of 0 for the directory': (i) => { i.refcount(directory(i) / K, 0); },
};

export const DAMAGES: Readonly<Record<string, Damage>> = { ...HEADER, ...L1_ENTRY, ...L2_ENTRY, ...REFCOUNTS, ...SNAPSHOTS };
