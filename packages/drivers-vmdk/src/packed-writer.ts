/** Writing compressed grains: each behind its marker, one behind the other, at the end of the file. */
import { placePacked, readRange, settled, type MappedImage, type SpaceAtEnd } from '@blk/cluster-map';
import { deflateZlib, StreamError } from '@blk/compression';
import { BlockError } from '@blk/core-graph';
import { SECTOR } from './descriptor.js';
import { sectorOf } from './grain-entries.js';
import { MARKER_BYTES, type PackedReader } from './packed-reader.js';
import { viewOf } from './sparse-header.js';

/** Bytes that are compressed at a time. */
const AT_ONCE = 4 * 1024 * 1024;

export class PackedWriter {
  /** Grains get their places one after the other: one that is changed in part is read first. */
  #turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly image: MappedImage,
    private readonly space: SpaceAtEnd,
    private readonly reader: PackedReader,
  ) {}

  /** Grains that have a place get another; the old one is not used again. */
  async write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const { clusterSize: grain, size } = this.image.format;
    const end = offset + length;
    let at = offset;
    while (at < end) {
      const next = Math.min(end, (Math.floor(at / grain) + 1) * grain);
      const whole = at % grain === 0 && (next % grain === 0 || next === size);
      const from = start + at - offset;
      if (!whole) {
        await this.#patch(at, buffer.subarray(from, from + next - at));
        at = next;
        continue;
      }
      const most = at + Math.max(grain, AT_ONCE - (AT_ONCE % grain));
      const stop = end === size ? Math.min(end, most) : Math.min(end - (end % grain), most);
      await this.#store(at, buffer.subarray(from, from + stop - at));
      at = stop;
    }
  }

  /** A part of one grain: read, changed and stored before the next one gets its place. */
  #patch(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      const { clusterSize: grain, size } = this.image.format;
      const first = offset - (offset % grain);
      const whole = new Uint8Array(Math.min(grain, size - first));
      await settled(readRange(this.image, first, whole, 0, whole.length));
      whole.set(bytes, offset - first);
      await this.#place(first, await pack(whole, grain));
    });
  }

  /** Whole grains; only the one at the end of the disk may be short. */
  async #store(offset: number, bytes: Uint8Array): Promise<void> {
    const { clusterSize: grain } = this.image.format;
    const packing: Promise<Uint8Array>[] = [];
    for (let at = 0; at < bytes.length; at += grain) packing.push(pack(bytes.subarray(at, at + grain), grain));
    const packed = await Promise.all(packing);
    await this.#inTurn(async () => {
      for (const [index, grainBytes] of packed.entries()) await this.#place(offset + index * grain, grainBytes);
    });
  }

  async #place(offset: number, packed: Uint8Array): Promise<void> {
    const record = new Uint8Array(Math.ceil((MARKER_BYTES + packed.length) / SECTOR) * SECTOR);
    viewOf(record).setBigUint64(0, BigInt(offset / SECTOR), true);
    viewOf(record).setUint32(8, packed.length, true);
    record.set(packed, MARKER_BYTES);
    const host = this.space.takeBytes(record.length, SECTOR);
    const entry = [sectorOf(host), 0] as const;
    await placePacked(this.image, offset / this.image.format.clusterSize, { bytes: record, host, entry, forget: () => { this.reader.forget(); } });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

async function pack(bytes: Uint8Array, grain: number): Promise<Uint8Array> {
  let whole = bytes;
  if (bytes.length < grain) {
    whole = new Uint8Array(grain);
    whole.set(bytes);
  }
  try {
    return await deflateZlib(whole);
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    throw new BlockError('unsupported', `A compressed grain ${error.message}`, { driver: 'vmdk' }, error);
  }
}
