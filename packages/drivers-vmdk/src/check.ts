/**
 * Whether the grains of a sparse extent lie in the file, each in a place of its own and none over the tables, and whether the redundant
 * tables are the same. The words are the reference's where it has any: it looks for grains behind the end of the file, and stops at the first.
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

/** Adds to `result`. `start`: where the extent begins in the disk. */
export async function checkExtent(extent: CheckedExtent, start: number, options: CheckOptions, result: CheckResult): Promise<void> {
  await new ExtentCheck(extent, start, options, result).run();
}

class ExtentCheck {
  readonly #claims: Claims;

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
    const first = await this.#directory('grain directory', this.extent.root);
    const second = await this.#directory('redundant grain directory', this.extent.copy);
    // Where the first one is damaged the other serves, as for reading.
    const root = first ?? second;
    const copy = first === undefined ? undefined : second;
    if (root === undefined) return;
    const reserved = metadata.map(({ start, end }) => ({ start, end }));
    for (const directory of [root, copy]) {
      for (let table = 0; table * entries < grains && directory !== undefined; table++) addTable(reserved, directory.offsetOf(table), entries * codec.bytes);
    }
    this.#claims.reserve(reserved);
    for (let table = 0; table * entries < grains; table++) await this.#checkTable(table, Math.min(entries, grains - table * entries), root, copy);
    for (const host of this.#claims.crossing()) this.#error(`two grains share the place at 0x${host.toString(16)}`);
    if (this.#claims.lost === 0) return;
    this.result.checkErrors++;
    this.options.finding?.(`Whether grains overlap was not looked at: that takes more memory than the limit of ${limit} bytes`);
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
    const { file, codec, entries } = this.extent;
    const host = root.offsetOf(table);
    const other = copy?.offsetOf(table) ?? 0;
    if (copy !== undefined && (host === 0) !== (other === 0)) this.#error(`grain table ${table} is in one of the two directories only`);
    if (host === 0) return;
    let same = true;
    for (let from = 0; from < count; from += PIECE / codec.bytes) {
      const waiting = this.options.pause?.();
      if (waiting !== undefined) await waiting;
      const bytes = new Uint8Array(Math.min(PIECE, (count - from) * codec.bytes));
      await settled(file.read(host + from * codec.bytes, bytes, 0, bytes.length));
      await this.#checkEntries(table * entries + from, bytes);
      if (other !== 0) same = (await this.#checkCopy(other + from * codec.bytes, bytes)) && same;
    }
    if (!same) this.#error(`the redundant grain table ${table} is not the same as the first`, this.options.repair === 'all');
  }

  /** Whether the bytes at `host` are those of the first table; makes them so where that is asked for. */
  async #checkCopy(host: number, bytes: Uint8Array): Promise<boolean> {
    const { file } = this.extent;
    const copied = new Uint8Array(bytes.length);
    await settled(file.read(host, copied, 0, copied.length));
    if (copied.every((byte, index) => byte === bytes[index])) return true;
    if (this.options.repair === 'all') {
      await settled(file.write(host, bytes, 0, bytes.length));
      await settled(file.flush());
    }
    return false;
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

/** Mostly one lies behind the other. */
function addTable(ranges: { start: number; end: number }[], host: number, length: number): void {
  const last = ranges.at(-1);
  if (host === 0 || (host === last?.start && last.end >= host + length)) return;
  if (host === last?.end) last.end += length;
  else ranges.push({ start: host, end: host + length });
}
