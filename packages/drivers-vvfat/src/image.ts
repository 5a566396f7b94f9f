/** A directory as a FAT image of its own, for programs without a graph of nodes. */
import { BlockError } from '@blk/core-graph';
import { openDisk, type DiskOptions, type OpenDisk } from './open.js';

/** A disk that is made while it is read. Files that change meanwhile fail what reads them. */
export class FatImage {
  /** Bytes. */
  readonly size: number;
  readonly #opened: OpenDisk;

  constructor(opened: OpenDisk) {
    this.#opened = opened;
    this.size = opened.disk.size;
  }

  /** Fills `into` with the bytes from `offset`. Throws where they are not all on the disk. */
  async read(offset: number, into: Uint8Array): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + into.length > this.size) {
      throw new BlockError('out-of-range', `The disk of ${this.size} bytes has no ${into.length} bytes at ${offset}`, { driver: 'vvfat' });
    }
    const done = this.#opened.disk.read(offset, into, 0, into.length);
    if (done !== undefined) await done;
  }

  /** The parts that are not zero, in order: what a sparse file needs. Ranges lie one behind the other and do not touch zeroes between files. */
  *dataRanges(): Iterable<{ readonly offset: number; readonly length: number }> {
    for (let offset = 0; offset < this.size; ) {
      const { data, length } = this.#opened.disk.extent(offset, this.size - offset);
      if (data) yield { offset, length };
      offset += length;
    }
  }

  /** The whole disk from front to end, in chunks that are the caller's: `pipeline(image.chunks(), createWriteStream(…))`. */
  async *chunks(): AsyncIterable<Uint8Array> {
    for (let offset = 0; offset < this.size; offset += CHUNK) {
      const chunk = new Uint8Array(Math.min(CHUNK, this.size - offset));
      await this.read(offset, chunk);
      yield chunk;
    }
  }

  /** Lets go of the directory. Nothing is read meanwhile. */
  async close(): Promise<void> {
    await this.#opened.files.close();
    this.#opened.root.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const CHUNK = 1 << 20;

/**
 * Looks through `dir` and lays it out as a disk. The same directory always gives the same bytes.
 *
 * @throws BlockError where the directory cannot be read, does not fit, or holds what FAT cannot hold.
 */
export async function fatImage(dir: string, options: DiskOptions = {}): Promise<FatImage> {
  return new FatImage(await openDisk(dir, options));
}
