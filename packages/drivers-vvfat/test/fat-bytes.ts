/** A FAT file system in a buffer, read and changed by the tests' own code, for good or ill; nothing of the driver's is used. */

export interface Found {
  /** `null` for a folder. */
  readonly content: Buffer | null;
  readonly chain: readonly number[];
  /** Where its short entry is, and where its slots begin, with those of a long name. */
  readonly entry: number;
  readonly firstSlot: number;
  /** The short entry. */
  readonly slot: Buffer;
}

/** Where the units of a long name are in a slot. */
const UNITS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

export class FatBytes {
  readonly fatStart: number;
  readonly fatBytes: number;
  readonly rootStart: number;
  readonly dataStart: number;
  readonly clusterBytes: number;
  /** Of those that lie in the buffer, the last one. */
  readonly last: number;
  readonly endOfChain: number;

  /** `bytes`: the first ones of a disk, on which the volume begins at `start`. */
  constructor(
    readonly bytes: Buffer,
    readonly start: number,
    readonly type: number,
  ) {
    const sector = bytes.readUInt16LE(start + 11);
    this.clusterBytes = sector * bytes.readUInt8(start + 13);
    this.fatStart = start + sector * bytes.readUInt16LE(start + 14);
    this.fatBytes = sector * (bytes.readUInt16LE(start + 22) || bytes.readUInt32LE(start + 36));
    this.rootStart = this.fatStart + 2 * this.fatBytes;
    this.dataStart = this.rootStart + 32 * bytes.readUInt16LE(start + 17);
    const end = Math.min(start + sector * (bytes.readUInt16LE(start + 19) || bytes.readUInt32LE(start + 32)), bytes.length);
    this.last = 1 + Math.floor((end - this.dataStart) / this.clusterBytes);
    this.endOfChain = { 12: 0xfff, 16: 0xffff, 32: 0x0fffffff }[type] ?? 0;
  }

  next(cluster: number): number {
    if (this.type === 32) return this.bytes.readUInt32LE(this.fatStart + 4 * cluster) & 0x0fffffff;
    if (this.type === 16) return this.bytes.readUInt16LE(this.fatStart + 2 * cluster);
    return (this.bytes.readUInt16LE(this.fatStart + cluster + (cluster >> 1)) >> (cluster % 2 === 0 ? 0 : 4)) & 0xfff;
  }

  /** In both tables, or only in the first one. */
  link(cluster: number, value: number, tables = 2): void {
    for (let table = 0; table < tables; table++) {
      const at = this.fatStart + table * this.fatBytes;
      if (this.type === 32) this.bytes.writeUInt32LE(value >>> 0, at + 4 * cluster);
      else if (this.type === 16) this.bytes.writeUInt16LE(value & 0xffff, at + 2 * cluster);
      else {
        const place = at + cluster + (cluster >> 1);
        const old = this.bytes.readUInt16LE(place);
        this.bytes.writeUInt16LE(cluster % 2 === 0 ? (old & 0xf000) | (value & 0xfff) : (old & 0x000f) | ((value & 0xfff) << 4), place);
      }
    }
  }

  offset(cluster: number): number {
    return this.dataStart + (cluster - 2) * this.clusterBytes;
  }

  clusterOf(offset: number): number {
    return 2 + Math.floor((offset - this.dataStart) / this.clusterBytes);
  }

  chain(first: number): number[] {
    const chain: number[] = [];
    const seen = new Set<number>();
    for (let cluster = first; cluster < this.endOfChain - 7; cluster = this.next(cluster)) {
      if (cluster < 2 || cluster > this.last || seen.has(cluster)) throw new Error(`a chain leads to ${cluster}`);
      seen.add(cluster);
      chain.push(cluster);
    }
    return chain;
  }

  /** Free clusters, and as many of them as are wanted, linked to one another. */
  allot(count: number): number[] {
    const chain: number[] = [];
    for (let cluster = 2; cluster <= this.last && chain.length < count; cluster++) if (this.next(cluster) === 0) chain.push(cluster);
    if (chain.length < count) throw new Error('full');
    for (const [index, cluster] of chain.entries()) this.link(cluster, chain[index + 1] ?? this.endOfChain);
    return chain;
  }

  firstOf(entry: number): number {
    return this.bytes.readUInt16LE(entry + 26) + (this.type === 32 ? 0x10000 * this.bytes.readUInt16LE(entry + 20) : 0);
  }

  setFirst(entry: number, cluster: number): void {
    this.bytes.writeUInt16LE(cluster & 0xffff, entry + 26);
    this.bytes.writeUInt16LE((cluster >>> 16) & 0xffff, entry + 20);
  }

  /** Where the slots of a folder are; `first` 0 is the root directory. */
  slots(first: number): number[] {
    const parts = first === 0 && this.type !== 32 ? [[this.rootStart, this.dataStart]] : this.chain(first || 2).map((cluster) => [this.offset(cluster), this.offset(cluster + 1)]);
    return parts.flatMap(([from, to]) => Array.from({ length: (to - from) / 32 }, (_, index) => from + 32 * index));
  }

  /** Everything that has a name, by its path. Throws where it does not fit together; not everything that is wrong is found. */
  files(first = 0, prefix = '', depth = 0, found = new Map<string, Found>()): Map<string, Found> {
    if (depth > 20) throw new Error('too deep');
    let long: { text: string; sum: number; next: number; at: number } | undefined;
    for (const at of this.slots(first)) {
      const slot = this.bytes.subarray(at, at + 32);
      if (slot[0] === 0) break;
      if (slot[0] === 0xe5 || ((slot[11] & 0x3f) !== 15 && (slot[11] & 8) !== 0)) long = undefined;
      else if ((slot[11] & 0x3f) === 15) {
        const [number, text] = [slot[0] & 0x3f, unitsOf(slot)];
        if ((slot[0] & 0x40) !== 0) long = number > 0 && number <= 20 ? { text, sum: slot[13], next: number - 1, at } : undefined;
        else if (long !== undefined) long = long.next === number && number > 0 && long.sum === slot[13] ? { ...long, text: text + long.text, next: number - 1 } : undefined;
      } else {
        const whole = long?.next === 0 && long.sum === sumOf(slot) ? long : undefined;
        const name = whole?.text ?? shortOf(slot);
        long = undefined;
        if (prefix !== '' && (name === '.' || name === '..')) continue;
        const path = prefix + name;
        if (found.has(path)) throw new Error(`${path} twice`);
        const [cluster, size, firstSlot] = [this.firstOf(at), slot.readUInt32LE(28), whole?.at ?? at];
        const folder = (slot[11] & 16) !== 0;
        const chain = cluster === 0 ? [] : this.chain(cluster);
        const content = folder ? null : Buffer.concat(chain.map((one) => this.bytes.subarray(this.offset(one), this.offset(one + 1)))).subarray(0, size);
        if (content !== null && content.length < size) throw new Error(`${path} is too short`);
        found.set(path, { content, chain, entry: at, firstSlot, slot });
        if (folder) this.files(cluster, `${path}/`, depth + 1, found);
      }
    }
    return found;
  }

  /** Gives a file or folder that exists a further entry, or a new one its first. Short names only need none of the slots in front. */
  addEntry(folder: number, { short, long = '', attributes = 32, cluster, size }: NewEntry): void {
    const pieces = Math.ceil(long.length / 13);
    const slots = this.slots(folder);
    const begin = slots.findIndex((_, index) => index + pieces < slots.length && slots.slice(index, index + pieces + 1).every((at) => [0, 0xe5].includes(this.bytes[at])));
    if (begin < 0) throw new Error('full');
    const entry = slots[begin + pieces];
    this.bytes.fill(0, entry, entry + 32);
    this.bytes.write(short.padEnd(11).slice(0, 11), entry, 'latin1');
    this.bytes[entry + 11] = attributes;
    this.setFirst(entry, cluster);
    this.bytes.writeUInt32LE(size, entry + 28);
    this.bytes.writeUInt16LE(0x5000 + (size & 0xff), entry + 24);
    const sum = sumOf(this.bytes.subarray(entry, entry + 32));
    for (let piece = pieces; piece > 0; piece--) {
      const at = slots[begin + pieces - piece];
      this.bytes.fill(0, at, at + 32);
      this.bytes.set([piece === pieces ? piece | 0x40 : piece, ...Array.from({ length: 10 }, () => 0), 15, 0, sum], at);
      for (const [index, place] of UNITS.entries()) {
        const unit = 13 * (piece - 1) + index;
        this.bytes.writeUInt16LE(unit < long.length ? long.charCodeAt(unit) : unit === long.length ? 0 : 0xffff, at + place);
      }
    }
  }

  /** Takes the entries of something away, and its clusters unless they are to be lost. */
  remove({ entry, firstSlot, chain }: Found, lose = false): void {
    for (let at = firstSlot; at <= entry && at - firstSlot < 32 * 21; at += 32) this.bytes[at] = 0xe5;
    this.bytes[entry] = 0xe5;
    if (!lose) for (const cluster of chain) this.link(cluster, 0);
  }
}

export interface NewEntry {
  /** As it is on the disk: eleven bytes. */
  readonly short: string;
  readonly long?: string;
  readonly attributes?: number;
  readonly cluster: number;
  readonly size: number;
}

function unitsOf(slot: Buffer): string {
  const codes = UNITS.map((at) => slot.readUInt16LE(at));
  const end = codes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? codes : codes.slice(0, end)));
}

export function sumOf(slot: Uint8Array): number {
  return slot.subarray(0, 11).reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);
}

function shortOf(slot: Buffer): string {
  const part = (from: number, to: number, small: number): string => {
    const text = slot.toString('latin1', from, to).trimEnd();
    return (slot[12] & small) === 0 ? text : text.toLowerCase();
  };
  const [base, extension] = [part(0, 8, 8), part(8, 11, 16)];
  return extension === '' ? base : `${base}.${extension}`;
}
