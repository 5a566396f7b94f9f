/** One open image. */
import { BlockCache, Pending } from '@blk/cluster-map';
import { compressedExtent, isPromise, NO_LIMITS, type Completion, type DriverNode, type Extent, type NodeLimits } from '@blk/core-graph';
import type { Blocks } from './blocks.js';

export class CloopNode implements DriverNode {
  readonly limits: NodeLimits;
  readonly #cache: BlockCache;

  /** `size` and `cacheSize` in bytes. */
  constructor(
    private readonly blocks: Blocks,
    readonly size: number,
    cacheSize: number,
  ) {
    this.limits = { ...NO_LIMITS, optimalTransfer: blocks.blockSize };
    this.#cache = new BlockCache(cacheSize, (index, into) => blocks.unpack(index, into, 0));
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { blockSize } = this.blocks;
    const pending = new Pending();
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / blockSize);
      const from = at - index * blockSize;
      const size = Math.min(blockSize - from, end - at);
      const target = start + at - offset;
      // Of a whole block nothing is left for others to read, so that it need not be kept.
      pending.add(() => (size === blockSize ? this.blocks.unpack(index, buffer, target) : this.#readPart(index, from, buffer, target, size)));
      at += size;
    }
    return pending.end();
  }

  #readPart(index: number, from: number, buffer: Uint8Array, start: number, length: number): Completion {
    const block = this.#cache.read(index, this.blocks.blockSize);
    if (!isPromise(block)) buffer.set(block.subarray(from, from + length), start);
    else return block.then((bytes) => { buffer.set(bytes.subarray(from, from + length), start); });
  }

  extent(_offset: number, length: number): Extent {
    return compressedExtent(length);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
