/** Verifying the checksums of an image: of its data fork, of the content of every table, and the one over those. */
import { settled } from '@blk/cluster-map';
import { crc32 } from '@blk/compression';
import { BlockError, emptyCheckResult, type CheckOptions, type CheckResult, type Edge } from '@blk/core-graph';
import type { BlockTable, Chunk } from './block-table.js';
import { CRC32, NONE, SECTOR, type Checksum, type Trailer } from './trailer.js';
import type { Unpacker } from './unpack.js';
import { crc32OfZeroes } from './zero-sum.js';

export interface Checked {
  readonly file: Edge;
  readonly trailer: Trailer;
  readonly tables: readonly BlockTable[];
  readonly unpacker: Unpacker;
}

/** Bytes that are looked at between two pauses. */
const STEP = 1024 * 1024;

/** Every checksum that does not fit, and every chunk that can't be had, is a corruption. Checksums of other kinds are told, and count as nothing. Nothing is repaired. */
export async function checkDmg(image: Checked, options: CheckOptions): Promise<CheckResult> {
  if (options.repair !== 'none') throw new BlockError('unsupported', 'Disk images of Apple are not repaired', { driver: 'dmg' });
  return new Check(image, options).run();
}

class Check {
  readonly #result: CheckResult;
  readonly #total: number;
  #done = 0;

  constructor(
    private readonly image: Checked,
    private readonly options: CheckOptions,
  ) {
    const chunks = image.tables.flatMap((table) => table.chunks);
    const stored = chunks.filter(({ kind }) => kind !== 'zero' && kind !== 'ignore');
    this.#result = {
      ...emptyCheckResult(), totalClusters: chunks.length, allocatedClusters: stored.length, compressedClusters: stored.filter(({ kind }) => kind !== 'raw').length,
      imageEndOffset: stored.reduce((end, { offset, length }) => Math.max(end, offset + length), 0),
    };
    this.#total = image.trailer.data.length + stored.reduce((sum, { sectors }) => sum + sectors * SECTOR, 0);
  }

  async run(): Promise<CheckResult> {
    const { trailer, tables } = this.image;
    if (this.#isKnown('The data fork', trailer.dataSum)) this.#compare('The data fork', trailer.dataSum, await this.#dataSum());
    for (const [index, table] of tables.entries()) {
      const what = `Block table ${index}`;
      // Its chunks are unpacked also where nothing tells what they should be.
      const found = await this.#tableSum(table);
      if (this.#isKnown(what, table.sum) && found !== undefined) this.#compare(what, table.sum, found);
    }
    if (this.#isKnown('The image', trailer.masterSum)) this.#compare('The image', trailer.masterSum, this.#masterSum());
    return this.#result;
  }

  #isKnown(what: string, { type }: Checksum): boolean {
    if (type !== CRC32 && type !== NONE) this.options.finding?.(`${what} has a checksum of type ${type}, which is not verified`);
    return type === CRC32;
  }

  #compare(what: string, { value }: Checksum, found: number): void {
    if (found !== value) this.#corrupt(`${what} has the checksum ${hex(found)} instead of ${hex(value)}`);
  }

  #corrupt(text: string): void {
    this.#result.corruptions++;
    this.options.finding?.(`ERROR ${text}`);
  }

  async #dataSum(): Promise<number> {
    const { file, trailer } = this.image;
    const { offset, length } = trailer.data;
    const buffer = new Uint8Array(Math.min(STEP, length));
    let sum = 0;
    for (let at = 0; at < length; at += STEP) {
      const size = Math.min(STEP, length - at);
      await settled(file.read(offset + at, buffer, 0, size));
      sum = crc32(buffer.subarray(0, size), sum);
      await this.#step(size);
    }
    return sum;
  }

  /** Undefined where something was told already. */
  async #tableSum({ chunks }: BlockTable): Promise<number | undefined> {
    let sum = 0;
    let whole = true;
    for (const chunk of chunks) {
      if (chunk.kind === 'ignore') continue;
      try {
        sum = await this.#chunkSum(chunk, sum);
      } catch (error) {
        if (!(error instanceof BlockError)) throw error;
        whole = false;
        this.#corrupt(error.message);
      }
    }
    return whole ? sum : undefined;
  }

  /** Packed chunks at once, raw ones piece by piece: those may be of any size. */
  async #chunkSum(chunk: Chunk, before: number): Promise<number> {
    const { unpacker } = this.image;
    const { kind } = chunk;
    const total = chunk.sectors * SECTOR;
    if (kind === 'zero') return crc32OfZeroes(before, total);
    const step = kind === 'raw' ? STEP : total;
    const buffer = new Uint8Array(Math.min(step, total));
    let sum = before;
    for (let at = 0; at < total; at += step) {
      const size = Math.min(step, total - at);
      if (kind === 'raw') await settled(unpacker.readRaw(chunk, at, buffer, 0, size));
      else await settled(unpacker.unpack(chunk, buffer, 0));
      sum = crc32(buffer.subarray(0, size), sum);
      await this.#step(size);
    }
    return sum;
  }

  /** Of the stored checksums of the tables, one behind the other. */
  #masterSum(): number {
    const { tables } = this.image;
    const bytes = new Uint8Array(4 * tables.length);
    const view = new DataView(bytes.buffer);
    for (const [index, { sum }] of tables.entries()) view.setUint32(4 * index, sum.value);
    return crc32(bytes);
  }

  async #step(size: number): Promise<void> {
    this.#done += size;
    this.options.progress?.(this.#done, this.#total);
    const pause = this.options.pause?.();
    if (pause !== undefined) await pause;
  }
}

function hex(sum: number): string {
  return `0x${sum.toString(16).padStart(8, '0')}`;
}
