/**
 * Whether the grains of a sparse extent lie in the file, each in a place of its own and none over the tables, and whether the redundant
 * tables are the same. The words are the reference's where it has any: it looks for grains behind the end of the file, and stops at the first.
 *
 * A redundant table is made the same as the first where all else of the extent is right, and it knows of no grain that the first does not: anywhere else
 * it may be the last that tells where the data is, or lie over what is in use.
 */
import { Place, settled, TablePage, type EntryCodec, type Root } from '@blk/cluster-map';
import { BlockError, type CheckOptions, type CheckResult, type Completion, type Edge, type MaybePromise } from '@blk/core-graph';
import { SECTOR } from './descriptor.js';
import { Claims, type Range } from './claims.js';

/** A sparse extent as the check sees it. Sizes and offsets in bytes. */
export interface CheckedExtent {
  readonly file: Edge;
  /** Of the extent. */
  readonly size: number;
  readonly grainSize: number;
  /** Entries of one table. */
  readonly entries: number;
  readonly codec: EntryCodec;
  /** The directory, and the redundant one where there is one; they throw a `BlockError` where they are damaged. */
  readonly root: () => MaybePromise<Root>;
  readonly copy?: () => MaybePromise<Root>;
  /** What no grain may lie over, besides the tables. */
  readonly metadata: readonly Range[];
  /** Compressed ones: throws where the grain at `offset` of the extent is not at `sector`. */
  readonly checkPacked?: (sector: number, offset: number) => Completion;
  /** Most bytes of memory. */
  readonly limit: number;
}

/** Bytes of a table that are looked at together. */
const PIECE = 65536;
/** Bytes of memory that a range takes, roughly. */
const RANGE_BYTES = 64;

/** Adds to `result`. `start`: where the extent begins in the disk. */
export async function checkExtent(extent: CheckedExtent, start: number, options: CheckOptions, result: CheckResult): Promise<void> {
  await new ExtentCheck(extent, start, options, result).run();
}

class ExtentCheck {
  readonly #claims: Claims;
  /** Tables whose redundant ones are not the same. */
  readonly #differing: number[] = [];

  constructor(
    private readonly extent: CheckedExtent,
    private readonly start: number,
    private readonly options: CheckOptions,
    private readonly result: CheckResult,
  ) {
    const { file, grainSize, limit } = extent;
    this.#claims = new Claims(file.size, grainSize, limit);
  }

  async run(): Promise<void> {
    const { size, grainSize, entries, codec, metadata, limit } = this.extent;
    const grains = Math.ceil(size / grainSize);
    const before = this.result.corruptions;
    const first = await this.#directory('grain directory', this.extent.root);
    const second = await this.#directory('redundant grain directory', this.extent.copy);
    // Where the first one is damaged the other serves, as for reading.
    const root = first ?? second;
    const copy = first === undefined ? undefined : second;
    if (root === undefined) return;
    const reserved = metadata.map(({ start, end }) => ({ start, end }));
    let apart = true;
    const most = limit / RANGE_BYTES;
    for (const directory of [root, copy]) {
      for (let table = 0; table * entries < grains && directory !== undefined && reserved.length <= most; table++) {
        apart = addTable(reserved, directory.offsetOf(table), entries * codec.bytes) && apart;
      }
    }
    if (reserved.length > most) this.#claims.lost++;
    apart = this.#claims.reserve(reserved) && apart;
    for (let table = 0; table * entries < grains; table++) await this.#checkTable(table, Math.min(entries, grains - table * entries), root, copy);
    for (const host of this.#claims.crossing()) this.#error(`two grains share the place at 0x${host.toString(16)}`);
    if (this.#claims.lost > 0) {
      this.result.checkErrors++;
      this.options.finding?.(`Whether grains overlap was not looked at: that takes more memory than the limit of ${limit} bytes`);
    }
    const sound = apart && this.#claims.lost === 0 && this.result.corruptions === before;
    for (const table of this.#differing) {
      const fixed = this.options.repair === 'all' && sound && copy !== undefined && (await this.#makeSame(root.offsetOf(table), copy.offsetOf(table), Math.min(entries, grains - table * entries)));
      this.#error(`the redundant grain table ${table} is not the same as the first`, fixed);
    }
  }

  async #directory(name: string, load: CheckedExtent['copy']): Promise<Root | undefined> {
    try {
      return await load?.();
    } catch (error) {
      if (!(error instanceof BlockError) || error.kind !== 'invalid-image') throw error;
      this.#error(`the ${name} is damaged: ${error.message}`);
    }
  }

  async #checkTable(table: number, count: number, root: Root, copy: Root | undefined): Promise<void> {
    const { codec, entries } = this.extent;
    const host = root.offsetOf(table);
    const other = copy?.offsetOf(table) ?? 0;
    if (copy !== undefined && (host === 0) !== (other === 0)) this.#error(`grain table ${table} is in one of the two directories only`);
    if (host === 0) return;
    let same = true;
    for (let from = 0; from < count; from += PIECE / codec.bytes) {
      const waiting = this.options.pause?.();
      if (waiting !== undefined) await waiting;
      const bytes = await this.#bytesAt(host + from * codec.bytes, Math.min(PIECE, (count - from) * codec.bytes));
      await this.#checkEntries(table * entries + from, bytes);
      if (other === 0) continue;
      const copied = await this.#bytesAt(other + from * codec.bytes, bytes.length);
      same = copied.every((byte, index) => byte === bytes[index]) && same;
    }
    if (!same) this.#differing.push(table);
  }

  /** Writes `count` entries over the redundant ones at `other`, unless those know more. */
  async #makeSame(host: number, other: number, count: number): Promise<boolean> {
    const { file, codec } = this.extent;
    const length = count * codec.bytes;
    for (const write of [false, true]) {
      for (let at = 0; at < length; at += PIECE) {
        const bytes = await this.#bytesAt(host + at, Math.min(PIECE, length - at));
        if (write) await settled(file.write(other + at, bytes, 0, bytes.length));
        else if (this.#knowsMore(await this.#bytesAt(other + at, bytes.length), bytes)) return false;
      }
    }
    await settled(file.flush());
    return true;
  }

  /** Whether redundant entries tell of grains where the first ones tell of none, and nothing else is in their place. */
  #knowsMore(copied: Uint8Array, bytes: Uint8Array): boolean {
    const { codec, file } = this.extent;
    const [other, first] = [copied, bytes].map((of) => new TablePage(0, of, codec));
    for (let entry = 0; entry < bytes.length / codec.bytes; entry++) {
      if (first.low(entry) !== 0 || first.high(entry) !== 0 || (other.low(entry) === 0 && other.high(entry) === 0)) continue;
      try {
        const place = other.get(entry);
        if (place < 0 || (place < file.size && !this.#claims.isTaken(place))) return true;
      } catch (error) {
        if (!(error instanceof BlockError)) throw error;
      }
    }
    return false;
  }

  async #bytesAt(host: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await settled(this.extent.file.read(host, bytes, 0, length));
    return bytes;
  }

  async #checkEntries(first: number, bytes: Uint8Array): Promise<void> {
    const { codec, grainSize, checkPacked } = this.extent;
    const page = new TablePage(0, bytes, codec);
    for (let entry = 0; entry < bytes.length / codec.bytes; entry++) {
      if (page.low(entry) === 0 && page.high(entry) === 0) continue;
      const offset = (first + entry) * grainSize;
      try {
        const place = page.get(entry);
        if (place >= 0) this.#checkGrain(place, offset);
        else if (place === Place.Packed) await settled(checkPacked?.(page.low(entry), offset));
      } catch (error) {
        if (!(error instanceof BlockError) || error.context.driver !== 'vmdk') throw error;
        this.#error(`cluster for sector ${this.#sector(offset)}: ${error.message}`);
      }
    }
  }

  #checkGrain(place: number, offset: number): void {
    const { file, grainSize, size } = this.extent;
    const sector = this.#sector(offset);
    const used = Math.min(grainSize, size - offset);
    if (place + used > file.size) {
      this.#error(`cluster offset for sector ${sector} points after EOF`);
      return;
    }
    if (this.#claims.overReserved(place, used)) this.#error(`cluster for sector ${sector} lies over the tables, at 0x${place.toString(16)}`);
    if (!this.#claims.claim(place)) this.#error(`cluster for sector ${sector} shares its place at 0x${place.toString(16)} with another`);
  }

  #sector(offset: number): number {
    return (this.start + offset) / SECTOR;
  }

  #error(text: string, fixed = false): void {
    this.options.finding?.(`${fixed ? 'Repairing' : 'ERROR'}: ${text}`);
    if (fixed) this.result.corruptionsFixed++;
    else this.result.corruptions++;
  }
}

/** Mostly one lies behind the other. False where one is in the place of the one before. */
function addTable(ranges: { start: number; end: number }[], host: number, length: number): boolean {
  const last = ranges.at(-1);
  if (host === 0) return true;
  if (host === last?.start && last.end >= host + length) return false;
  if (host === last?.end) last.end += length;
  else ranges.push({ start: host, end: host + length });
  return true;
}
