/**
 * An image's metadata looked at from outside, by the specification alone and without this package's code: so quick that it
 * can follow every single power cut, of which the reference tool sees a sample.
 */

export interface MetadataFaults {
  /** References without a count, tables beyond the end, clusters with two owners: data is lost or will be. */
  readonly corruptions: readonly string[];
  /** Marks "has one reference" that do not agree with the count, where no reference lacks its count. */
  readonly marks: readonly string[];
  /** Counts that are too high. */
  readonly leaks: readonly string[];
  /** The dirty bit is set: counts and marks mean nothing before a repair, and are not looked at. */
  readonly dirty: boolean;
}

const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;

/** Throws where header or L1 table do not lie in the file. */
export function metadataFaults(bytes: Uint8Array): MetadataFaults {
  return new Look(bytes).result();
}

class Look {
  readonly #view: DataView;
  readonly #clusterSize: number;
  readonly #clusterBits: number;
  readonly #features: bigint;
  readonly #refs = new Map<number, number>();
  readonly #owners = new Map<number, string>();
  readonly #marked: { readonly what: string; readonly cluster: number; readonly copied: boolean }[] = [];
  readonly #corruptions: string[] = [];

  constructor(private readonly bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = view;
    this.#clusterBits = view.getUint32(20);
    this.#clusterSize = 2 ** this.#clusterBits;
    this.#features = view.getUint32(4) >= 3 ? view.getBigUint64(72) : 0n;
  }

  result(): MetadataFaults {
    const view = this.#view;
    const version = view.getUint32(4);
    this.#range('header', 0, 1);
    const tableOffset = this.#number(48);
    const tableBytes = view.getUint32(56) * this.#clusterSize;
    this.#range('refcount table', tableOffset, tableBytes);
    for (let at = 0; at < tableBytes; at += 8) {
      const block = this.#number(tableOffset + at);
      if (block !== 0) this.#range('refcount block', block, this.#clusterSize);
    }
    const l1Bytes = view.getUint32(36) * 8;
    this.#range('L1 table', this.#number(40), l1Bytes);
    this.#l1(this.#number(40), l1Bytes, 'active');
    this.#snapshots(this.#number(64), view.getUint32(60));
    if (version >= 3) this.#bitmaps(view.getUint32(100));
    const dirty = (this.#features & 1n) !== 0n;
    const leaks: string[] = [];
    const marks: string[] = [];
    if (!dirty) this.#compare(tableOffset, tableBytes, version >= 3 ? view.getUint32(96) : 4, leaks, marks);
    return { corruptions: this.#corruptions, marks, leaks, dirty };
  }

  #number(at: number): number {
    if (at + 8 > this.bytes.length) {
      this.#corruptions.push(`a table reaches to ${at + 8}, behind the end of the file`);
      return 0;
    }
    return Number(this.#view.getBigUint64(at));
  }

  /** One more reference of `owner` to all clusters of a range; only owners that say so may share. */
  #range(owner: string, offset: number, length: number, shared = false): void {
    if (length === 0) return;
    if (offset >= this.bytes.length) this.#corruptions.push(`${owner} at ${offset} lies behind the end of the file`);
    const end = Math.ceil((offset + length) / this.#clusterSize);
    for (let cluster = Math.floor(offset / this.#clusterSize); cluster < end; cluster++) {
      const other = this.#owners.get(cluster);
      if (other !== undefined && (other !== owner || !shared)) this.#corruptions.push(`cluster ${cluster} is ${other} and ${owner}`);
      this.#owners.set(cluster, owner);
      this.#refs.set(cluster, (this.#refs.get(cluster) ?? 0) + 1);
    }
  }

  #l1(offset: number, length: number, view: string): void {
    const seen = new Set<number>();
    for (let at = 0; at + 8 <= length; at += 8) {
      if (offset + at + 8 > this.bytes.length) return;
      const entry = this.#view.getBigUint64(offset + at);
      const table = Number(entry & OFFSET);
      if (table === 0) continue;
      this.#range('L2 table', table, this.#clusterSize, !seen.has(table));
      seen.add(table);
      if (view === 'active') this.#marked.push({ what: `L1 entry ${at / 8}`, cluster: table / this.#clusterSize, copied: (entry & COPIED) !== 0n });
      this.#l2(table, view, seen);
    }
  }

  #l2(table: number, view: string, seen: Set<number>): void {
    if (table % this.#clusterSize !== 0 || table + this.#clusterSize > this.bytes.length) {
      this.#corruptions.push(`L2 table at ${table} is not aligned or lies behind the end`);
      return;
    }
    const extended = (this.#features & 16n) !== 0n;
    for (let at = table; at < table + this.#clusterSize; at += extended ? 16 : 8) {
      const entry = this.#view.getBigUint64(at);
      if ((entry & COMPRESSED) !== 0n) this.#compressed(entry);
      else this.#standard(entry, extended ? this.#view.getBigUint64(at + 8) : 0n, at, view, seen);
    }
  }

  #compressed(entry: bigint): void {
    const x = BigInt(62 - (this.#clusterBits - 8));
    const offset = Number(entry & ((1n << x) - 1n));
    const sectors = Number((entry & (COMPRESSED - 1n)) >> x) + 1;
    const length = sectors * 512 - (offset % 512);
    this.#range('compressed data', offset, Math.max(1, Math.min(length, this.bytes.length - offset)), true);
  }

  #standard(entry: bigint, bitmap: bigint, at: number, view: string, seen: Set<number>): void {
    const host = Number(entry & OFFSET);
    const allocated = bitmap & 0xffff_ffffn;
    if ((allocated & (bitmap >> 32n)) !== 0n) this.#corruptions.push(`L2 entry at ${at}: a subcluster is both allocated and zero`);
    const external = (this.#features & 4n) !== 0n;
    if (host === 0 && !(external && (entry & COPIED) !== 0n)) {
      if (allocated !== 0n) this.#corruptions.push(`L2 entry at ${at}: subclusters of no cluster`);
      return;
    }
    if (host % this.#clusterSize !== 0) this.#corruptions.push(`L2 entry at ${at}: data at ${host} is not aligned`);
    if (external) {
      if ((entry & COPIED) === 0n) this.#corruptions.push(`L2 entry at ${at}: data in an external file without the mark`);
      return;
    }
    // A cluster may be shared between snapshots, not within one disk.
    this.#range('data', host, this.#clusterSize, !seen.has(-host));
    seen.add(-host);
    if (view === 'active') this.#marked.push({ what: `L2 entry at ${at}`, cluster: host / this.#clusterSize, copied: (entry & COPIED) !== 0n });
  }

  #snapshots(offset: number, count: number): void {
    let at = offset;
    for (let index = 0; index < count; index++) {
      const l1 = this.#number(at);
      if (at + 40 > this.bytes.length) return;
      const l1Bytes = this.#view.getUint32(at + 8) * 8;
      this.#range(`L1 table of snapshot ${index}`, l1, l1Bytes);
      this.#l1(l1, l1Bytes, `snapshot ${index}`);
      const extra = this.#view.getUint32(at + 36);
      at = Math.ceil((at + 40 + extra + this.#view.getUint16(at + 12) + this.#view.getUint16(at + 14)) / 8) * 8;
    }
    this.#range('snapshot table', offset, at - offset);
  }

  #bitmaps(headerLength: number): void {
    const view = this.#view;
    for (let at = headerLength; at + 8 <= this.#clusterSize; at += 8 + Math.ceil(view.getUint32(at + 4) / 8) * 8) {
      const type = view.getUint32(at);
      if (type === 0) return;
      // Without the autoclear bit, what the extension refers to is not to be trusted, but still counted.
      if (type === 0x2385_2875) this.#directory(this.#number(at + 24), this.#number(at + 16));
    }
  }

  #directory(offset: number, length: number): void {
    this.#range('bitmap directory', offset, length);
    const view = this.#view;
    for (let at = offset; at < offset + length && at + 24 <= this.bytes.length; ) {
      const table = this.#number(at);
      const entries = view.getUint32(at + 8);
      this.#range('bitmap table', table, entries * 8);
      for (let index = 0; index < entries; index++) {
        const data = Number(BigInt(this.#number(table + index * 8)) & OFFSET);
        if (data !== 0) this.#range('bitmap data', data, this.#clusterSize);
      }
      at += Math.ceil((24 + view.getUint16(at + 18) + view.getUint32(at + 20)) / 8) * 8;
    }
  }

  #compare(tableOffset: number, tableBytes: number, order: number, leaks: string[], marks: string[]): void {
    const counts = this.#counts(tableOffset, tableBytes, order);
    for (const [cluster, found] of this.#refs) {
      const count = counts.get(cluster) ?? 0;
      if (count < found) this.#corruptions.push(`cluster ${cluster} (${this.#owners.get(cluster) ?? ''}): count ${count}, ${found} references`);
    }
    for (const [cluster, count] of counts) if (count > (this.#refs.get(cluster) ?? 0)) leaks.push(`cluster ${cluster}: count ${count}`);
    for (const { what, cluster, copied } of this.#marked) {
      const refs = this.#refs.get(cluster) ?? 0;
      if (copied && refs > 1) this.#corruptions.push(`${what} is marked as the only one of ${refs} references to cluster ${cluster}`);
      else if (copied !== (counts.get(cluster) === 1)) marks.push(`${what}: cluster ${cluster} has count ${counts.get(cluster) ?? 0}`);
    }
  }

  /** Counts that are not 0. */
  #counts(tableOffset: number, tableBytes: number, order: number): Map<number, number> {
    const counts = new Map<number, number>();
    const perBlock = (this.#clusterSize * 8) / 2 ** order;
    for (let at = 0; at < tableBytes; at += 8) {
      const block = this.#number(tableOffset + at);
      if (block === 0 || block + this.#clusterSize > this.bytes.length) continue;
      for (let index = 0; index < perBlock; index++) {
        const count = this.#count(block, order, index);
        if (count !== 0) counts.set((at / 8) * perBlock + index, count);
      }
    }
    return counts;
  }

  #count(block: number, order: number, index: number): number {
    const view = this.#view;
    if (order === 6) return Number(view.getBigUint64(block + index * 8));
    if (order === 5) return view.getUint32(block + index * 4);
    if (order === 4) return view.getUint16(block + index * 2);
    const width = 2 ** order;
    const bit = index * width;
    return (view.getUint8(block + Math.floor(bit / 8)) >> (bit % 8)) & (2 ** width - 1);
  }
}
