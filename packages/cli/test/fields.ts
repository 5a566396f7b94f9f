/** Fields of an image's metadata in any format, and what damage may put there. */

/** Bytes of one file of an image, by its name. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** One way to damage one of the files; gives a copy. */
export interface Damage {
  readonly name: string;
  readonly file: string;
  readonly damaged: (bytes: Uint8Array) => Uint8Array;
}

export type Width = 1 | 2 | 4 | 8;

/** A field that says where something lies. */
export interface PlaceField {
  /** Bytes that one in the field stands for. */
  readonly unit: number;
  /** What 0 stands for. */
  readonly origin?: number;
  /** Low bits that are no part of the place, each value of which is tried. */
  readonly states?: number;
}

/** What is wrong in any field of that width. */
export function commonValues(old: bigint, bytes: Width): Map<string, bigint> {
  return new Map(
    Object.entries({ '0': 0n, '1': 1n, 'one more': old + 1n, 'one less': old - 1n, 'twice': old * 2n, 'all ones': -1n, 'half': 1n << BigInt(bytes * 8 - 2) }),
  );
}

/** One file of little-endian structures, and what was found in it. */
export class Layout {
  readonly #view: DataView;
  readonly #damages: Damage[] = [];
  readonly #fields: (() => void)[] = [];
  /** Beginnings of structures, in bytes: what a wrong reference may point at. */
  readonly places = new Map<string, number>();

  constructor(
    readonly file: string,
    readonly bytes: Uint8Array,
    /** Bytes of what entries refer to. */
    readonly cluster: number,
    /** Makes checksums right after a change. */
    readonly seal: (bytes: Uint8Array) => void = () => undefined,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }
  u64(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }

  number(name: string, at: number, bytes: Width): this {
    this.#fields.push(() => { this.#add(name, at, bytes, commonValues(this.#value(at, bytes), bytes)); });
    return this;
  }

  place(name: string, at: number, bytes: Width, field: PlaceField): this {
    // Only when all places are known.
    this.#fields.push(() => { this.#add(name, at, bytes, this.#placeValues(this.#value(at, bytes), bytes, field)); });
    return this;
  }

  /** The first two entries that are set, the first that is not, and the last one. */
  entries(title: string, { at, count, bytes, isSet, visit, ...field }: PlaceField & {
    readonly at: number; readonly count: number; readonly bytes: Width; readonly isSet?: (entry: number) => boolean;
    readonly visit?: (place: number) => void;
  }): this {
    const seen = { set: 0, hole: 0 };
    for (let index = 0; index < count; index++) {
      const where = at + index * bytes;
      const entry = Number(this.#value(where, bytes));
      const set = isSet?.(entry) ?? entry !== 0;
      if (set && seen.set < 2) visit?.((field.origin ?? 0) + (entry - (field.states === undefined ? 0 : entry % 2 ** field.states)) * field.unit);
      const looked = set ? seen.set++ < 2 : seen.hole++ < 1;
      if (looked || index === count - 1) this.place(`${title} ${index}`, where, bytes, field);
    }
    return this;
  }

  /** The file ends too early, or goes on. */
  lengths(): this {
    const { length } = this.bytes;
    const ends = new Map<string, number>([['0', 0], ['1 byte', 1], ['half', length >> 1], ['all but a sector', length - 512], ['all but a byte', length - 1]]);
    for (const [name, at] of this.places) ends.set(name, at).set(`100 bytes behind ${name}`, at + 100);
    ends.set('a sector more', length + 512).set('a byte more', length + 1).set('a cluster more', length + this.cluster).set('ten clusters more', length + this.cluster * 10);
    for (const [name, end] of ends) {
      if (end < 0 || end === length) continue;
      this.other(`length = ${name}`, (bytes) => {
        const copy = new Uint8Array(end);
        copy.set(bytes.subarray(0, end));
        return copy;
      });
    }
    return this;
  }

  other(name: string, damaged: Damage['damaged']): this {
    this.#damages.push({ name, file: this.file, damaged });
    return this;
  }

  all(): readonly Damage[] {
    for (const add of this.#fields.splice(0)) add();
    return this.#damages;
  }

  #value(at: number, bytes: Width): bigint {
    if (bytes === 8) return this.#view.getBigUint64(at, true);
    return BigInt(bytes === 4 ? this.u32(at) : bytes === 2 ? this.u16(at) : this.bytes[at]);
  }

  #placeValues(old: bigint, bytes: Width, { unit, origin = 0, states = 0 }: PlaceField): Map<string, bigint> {
    const values = commonValues(old, bytes);
    const flags = old & ((1n << BigInt(states)) - 1n);
    for (let state = 0n; state < 1n << BigInt(states); state++) values.set(`state ${state}`, old - flags + state);
    const to = (offset: number): bigint => BigInt(Math.floor((offset - origin) / unit)) | flags;
    const end = Math.ceil((this.bytes.length - origin) / this.cluster) * this.cluster + origin;
    const place = Number(old - flags) * unit + origin;
    const offsets: [string, number][] = [
      ['next cluster', place + this.cluster], ['half a cluster on', place + this.cluster / 2], ['at the end', end], ['cut by the end', this.bytes.length - 512],
      ['behind the end', end + this.cluster * 20], ['far', 2 ** 40],
    ];
    for (const [name, offset] of offsets) values.set(name, to(offset));
    for (const [name, offset] of this.places) if (offset >= origin) values.set(`at ${name}`, to(offset));
    return values;
  }

  #add(name: string, at: number, bytes: Width, values: Map<string, bigint>): void {
    const seen = new Set([this.#value(at, bytes)]);
    for (const [title, wanted] of values) {
      const value = BigInt.asUintN(bytes * 8, wanted);
      if (seen.has(value)) continue;
      seen.add(value);
      this.other(`${name} = ${title}`, (whole) => {
        const copy = whole.slice();
        for (let byte = 0; byte < bytes; byte++) copy[at + byte] = Number((value >> BigInt(byte * 8)) & 0xffn);
        this.seal(copy);
        return copy;
      });
    }
  }
}

/** Lines of a text: one missing, there twice, or with another word; `around` puts the text where it belongs in the file. */
export function textDamages(file: string, text: string, around: (bytes: Uint8Array, text: string) => Uint8Array): readonly Damage[] {
  const lines = text.split('\n');
  const damages: Damage[] = [];
  const add = (line: number, name: string, others: readonly string[]): void => {
    const changed = [...lines.slice(0, line), ...others, ...lines.slice(line + 1)].join('\n');
    if (changed !== text) damages.push({ name: `line ${line}, '${lines[line].replace(/=.*/, '').slice(0, 24)}': ${name}`, file, damaged: (bytes) => around(bytes, changed) });
  };
  lines.forEach((line, index) => {
    if (line === '') return;
    add(index, 'missing', []);
    add(index, 'twice', [line, line]);
    add(index, 'in upper case', [line.toUpperCase()]);
    // Words of an extent's line, or what stands behind the equals sign.
    const words = line.includes('=') ? line.split(/(?<==)/) : line.split(' ');
    words.forEach((word, at) => {
      if (line.includes('=') && at === 0) return;
      for (const [title, other] of [...['', '0', '1', '-1', 'ffffffff', '99999999999999999999', 'x"y'].map((text) => [text, text]), ['twice', `${word}${word}`]]) {
        add(index, `word ${at} = '${title}'`, [[...words.slice(0, at), other, ...words.slice(at + 1)].join(line.includes('=') ? '' : ' ')]);
      }
    });
  });
  return damages;
}
