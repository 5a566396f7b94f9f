/** Every field of a qcow2 image's metadata, found by the specification, and the values that damage may put there. */

/** One field of the metadata. */
export interface Field {
  readonly name: string;
  /** Place in the file, in bytes. */
  readonly at: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

/** A field with a value that it should not have. */
export interface FieldDamage {
  readonly name: string;
  readonly at: number;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly value: bigint;
}

const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COPIED = 1n << 63n;
const BITMAPS = 0x23852875;
const EXTENDED_L2 = 1n << 4n;

/** Where the structures of a whole image lie. */
class Structures {
  readonly #view: DataView;
  readonly fields: Field[] = [];
  /** Beginnings of structures: what a wrong reference may point at. */
  readonly places = new Map<string, number>();

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get clusterSize(): number {
    return 2 ** this.u32(20);
  }
  /** Bytes of an L2 entry: twice as many where clusters have subclusters. */
  get entryBytes(): number {
    return this.u32(4) === 3 && (this.u64(72) & EXTENDED_L2) !== 0n ? 16 : 8;
  }
  u16(at: number): number {
    return this.#view.getUint16(at);
  }
  u32(at: number): number {
    return this.#view.getUint32(at);
  }
  u64(at: number): bigint {
    return this.#view.getBigUint64(at);
  }
  offset(at: number): number {
    return Number(this.u64(at) & OFFSET);
  }
  add(name: string, at: number, bytes: Field['bytes']): void {
    this.fields.push({ name, at, bytes });
  }
}

/** Damage to every field in turn, several values each. `image`: a whole one. */
export function fieldDamages(image: Uint8Array): readonly FieldDamage[] {
  const s = new Structures(image);
  header(s);
  l1Table(s, 'L1', s.offset(40), s.u32(36));
  refcounts(s);
  snapshots(s);
  bitmaps(s);
  return s.fields.flatMap((field) => damagesOf(s, field));
}

function header(s: Structures): void {
  const names: readonly (readonly [string, number, Field['bytes']])[] = [
    ['magic', 0, 4], ['version', 4, 4], ['backing offset', 8, 8], ['backing length', 16, 4], ['cluster bits', 20, 4], ['size', 24, 8],
    ['encryption', 32, 4], ['L1 size', 36, 4], ['L1 offset', 40, 8], ['table offset', 48, 8], ['table clusters', 56, 4], ['snapshots', 60, 4],
    ['snapshots offset', 64, 8],
  ];
  const later: readonly (readonly [string, number, Field['bytes']])[] = [
    ['incompatible', 72, 8], ['compatible', 80, 8], ['autoclear', 88, 8], ['refcount order', 96, 4], ['header length', 100, 4],
    ['compression type', 104, 1], ['extension type', 112, 4], ['extension length', 116, 4],
  ];
  for (const [name, at, bytes] of [...names, ...(s.u32(4) === 3 ? later : [])]) s.add(`header: ${name}`, at, bytes);
  s.places.set('header', 0);
}

/** The first entries, the last one, and the first L2 table with entries of every kind. */
function l1Table(s: Structures, title: string, offset: number, entries: number): void {
  s.places.set(title, offset);
  let tables = 0;
  for (let index = 0; index < entries; index++) {
    const l2 = s.offset(offset + index * 8);
    const looked = (l2 !== 0 && tables < 2) || index === entries - 1;
    if (looked) s.add(`${title} entry ${index}`, offset + index * 8, 8);
    if (l2 === 0 || tables++ > 0) continue;
    s.places.set(`${title}'s L2`, l2);
    const kinds = new Map<string, number>();
    for (let at = l2; at < l2 + s.clusterSize; at += s.entryBytes) {
      const entry = s.u64(at);
      const kind = entry === 0n ? 'nothing' : entry >> 62n === 1n ? 'compressed' : (entry & 1n) === 1n ? 'zeroes' : entry >= COPIED ? 'data' : 'shared data';
      const seen = kinds.get(kind) ?? 0;
      kinds.set(kind, seen + 1);
      if (seen < (kind === 'nothing' ? 1 : 2)) {
        s.add(`${title}'s L2 entry of ${kind} ${seen}`, at, 8);
        if (s.entryBytes === 16) s.add(`${title}'s L2 bits of ${kind} ${seen}`, at + 8, 8);
      }
      if (seen === 0 && kind === 'data') s.places.set('data', Number(entry & OFFSET));
    }
  }
}

function refcounts(s: Structures): void {
  const table = s.offset(48);
  const block = s.offset(table);
  s.places.set('refcount table', table).set('refcount block', block);
  for (let index = 0; index < 3; index++) s.add(`refcount table entry ${index}`, table + index * 8, 8);
  const order = s.u32(4) === 3 ? s.u32(96) : 4;
  if (order < 3) {
    for (let at = 0; at < 4; at++) s.add(`counts of byte ${at}`, block + at, 1);
    return;
  }
  const bytes = (2 ** order / 8) as Field['bytes'];
  for (const [name, place] of [...s.places, ['behind the end', s.bytes.length] as const]) {
    s.add(`count of ${name}`, block + Math.floor(place / s.clusterSize) * bytes, bytes);
  }
}

function snapshots(s: Structures): void {
  let at = s.offset(64);
  for (let index = 0; index < s.u32(60); index++) {
    const title = `snapshot ${index}`;
    const names: readonly (readonly [string, number, Field['bytes']])[] = [
      ['L1 offset', 0, 8], ['L1 size', 8, 4], ['id length', 12, 2], ['name length', 14, 2], ['date', 16, 4], ['clock', 24, 8],
      ['state size', 32, 4], ['extra length', 36, 4], ['state size, long', 40, 8], ['disk size', 48, 8],
    ];
    for (const [name, place, bytes] of names) s.add(`${title}: ${name}`, at + place, bytes);
    l1Table(s, `${title}'s L1`, s.offset(at), s.u32(at + 8));
    if (index === 0) s.places.set('snapshot table', at);
    at += Math.ceil((40 + s.u32(at + 36) + s.u16(at + 12) + s.u16(at + 14)) / 8) * 8;
  }
}

function bitmaps(s: Structures): void {
  if (s.u32(4) !== 3) return;
  let extension = s.u32(100);
  while (s.u32(extension) !== 0 && s.u32(extension) !== BITMAPS) extension += 8 + Math.ceil(s.u32(extension + 4) / 8) * 8;
  if (s.u32(extension) !== BITMAPS) return;
  for (const [name, at, bytes] of [['count', 8, 4], ['reserved', 12, 4], ['directory size', 16, 8], ['directory offset', 24, 8]] as const) {
    s.add(`bitmaps: ${name}`, extension + at, bytes);
  }
  let at = s.offset(extension + 24);
  s.places.set('bitmap directory', at);
  for (let index = 0; index < s.u32(extension + 8); index++) {
    const names = [
      ['table offset', 0, 8], ['table size', 8, 4], ['flags', 12, 4], ['type', 16, 1], ['granularity', 17, 1], ['name length', 18, 2], ['extra length', 20, 4],
    ] as const;
    for (const [name, place, bytes] of names) s.add(`bitmap ${index}: ${name}`, at + place, bytes);
    const table = s.offset(at);
    s.places.set(`bitmap table ${index}`, table);
    s.add(`bitmap ${index}: table entry`, table, 8);
    at += Math.ceil((24 + s.u32(at + 20) + s.u16(at + 18)) / 8) * 8;
  }
}

function damagesOf(s: Structures, { name, at, bytes }: Field): FieldDamage[] {
  const old = bytes === 8 ? s.u64(at) : BigInt(bytes === 4 ? s.u32(at) : bytes === 2 ? s.u16(at) : s.bytes[at]);
  const values = new Map<string, bigint>(
    Object.entries({ '0': 0n, '1': 1n, 'one more': old + 1n, 'one less': old - 1n, 'twice': old * 2n, 'all ones': -1n, 'half': 1n << BigInt(bytes * 8 - 2) }),
  );
  if (bytes === 8) {
    const mark = old & COPIED;
    const cluster = BigInt(s.clusterSize);
    const end = BigInt(Math.ceil(s.bytes.length / s.clusterSize)) * cluster;
    for (const bit of [9n, 56n, 58n, 62n, 63n]) values.set(`bit ${bit}`, old ^ (1n << bit));
    values.set('next cluster', old + cluster).set('at the end', mark | end).set('behind the end', mark | (end + cluster * 1000n)).set('far', mark | (1n << 52n));
    for (const [place, offset] of s.places) values.set(`at ${place}`, mark | BigInt(offset));
  }
  const damages: FieldDamage[] = [];
  const seen = new Set([old]);
  for (const [title, wanted] of values) {
    const value = BigInt.asUintN(bytes * 8, wanted);
    if (seen.has(value)) continue;
    seen.add(value);
    damages.push({ name: `${name} = ${title}`, at, bytes, value });
  }
  return damages;
}

/** A copy of the image with that damage. */
export function withDamage(image: Uint8Array, { at, bytes, value }: FieldDamage): Uint8Array {
  const damaged = image.slice();
  for (let byte = 0; byte < bytes; byte++) damaged[at + byte] = Number((value >> BigInt((bytes - 1 - byte) * 8)) & 0xffn);
  return damaged;
}
