/** One open raw image: every verb goes to the file, `offset` bytes further on. */
import {
  BlockError,
  dataExtent,
  isPromise,
  MAX_SIZE,
  NO_LIMITS,
  WriteFlag,
  type Completion,
  type DriverNode,
  type Edge,
  type Extent,
  type MaybePromise,
  type NodeLimits,
  type TruncateOptions,
} from '@blk/core-graph';

/** Flags that go down as they are; `Fua` does where the file can do that by itself. */
const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.NoFallback | WriteFlag.Unchanged | WriteFlag.Compressed;

export class RawNode implements DriverNode {

  /** `offset` and `length` in bytes; without `length` the image follows the size of the file. */
  constructor(
    protected readonly file: Edge,
    protected readonly offset: number,
    private readonly length: number | undefined,
  ) {}

  get writeFlags(): number {
    return HANDED_DOWN | ((this.file.node.driver.writeFlags ?? 0) & WriteFlag.Fua);
  }

  get zeroFlags(): number {
    return HANDED_DOWN | ((this.file.node.driver.zeroFlags ?? 0) & WriteFlag.Fua);
  }

  get fixedOffset(): number | undefined {
    return this.file.node.listens ? undefined : this.offset;
  }

  get size(): number {
    return this.length ?? Math.max(0, this.file.size - this.offset);
  }

  get growable(): boolean {
    return this.length === undefined && this.file.node.driver.growable === true;
  }

  get limits(): NodeLimits {
    const { limits } = this.file.node;
    // Shifted by less than a block, nothing that is aligned here is aligned there: the file's node pads.
    return this.offset % limits.alignment === 0 ? limits : NO_LIMITS;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (this.file.node.listens) return this.#toldRead(offset, [buffer.subarray(start, start + length)]);
    return this.file.read(this.offset + offset, buffer, start, length);
  }

  readv(offset: number, buffers: readonly Uint8Array[]): Completion {
    if (this.file.node.listens) return this.#toldRead(offset, buffers);
    return this.file.readv(this.offset + offset, buffers);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    if (this.file.node.listens) return this.#toldWrite(offset, [buffer.subarray(start, start + length)], flags);
    return this.file.write(this.offset + offset, buffer, start, length, flags);
  }

  writev(offset: number, buffers: readonly Uint8Array[], flags: number): Completion {
    if (this.file.node.listens) return this.#toldWrite(offset, buffers, flags);
    return this.file.writev(this.offset + offset, buffers, flags);
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.file.writeZeroes(this.offset + offset, length, flags);
  }

  discard(offset: number, length: number): Completion {
    return this.file.discard(this.offset + offset, length);
  }

  flush(): Completion {
    return this.file.flush();
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    const found = this.file.extent(this.offset + offset, length);
    if (this.offset === 0) return found;
    return isPromise(found) ? found.then(shifted) : shifted(found);
  }

  async truncate(size: number, options: TruncateOptions): Promise<void> {
    if (this.length !== undefined) {
      throw new BlockError('unsupported', 'Cannot resize fixed-size raw disks', { driver: 'raw', reason: 'raw/fixed-size' });
    }
    if (size > MAX_SIZE - this.offset) {
      throw new BlockError('too-large', `Disk size too big for the chosen offset`, { driver: 'raw', reason: 'raw/too-large' });
    }
    await this.file.node.truncate(size + this.offset, options);
  }

  async close(): Promise<void> {}

  /** Apart from the verbs, which are to stay a few plain calls. */
  async #toldRead(offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    await this.file.event('read_aio');
    await this.file.readv(this.offset + offset, buffers);
  }

  async #toldWrite(offset: number, buffers: readonly Uint8Array[], flags: number): Promise<void> {
    await this.file.event('write_aio');
    await this.file.writev(this.offset + offset, buffers, flags);
  }
}

/** What the file leaves to a backing file of its own lies there at another place than here: called data. */
function shifted(extent: Extent): Extent {
  return extent.allocated || extent.zero ? extent : dataExtent(extent.length, -1);
}
