/** One open image as the graph sees it; formats add what is their own. */
import {
  compressedExtent, dataExtent, NO_LIMITS, unallocatedExtent, WriteFlag, zeroExtent, type Completion, type DriverNode, type Edge, type Extent,
  type MaybePromise, type NodeLimits,
} from '@blk/core-graph';
import type { MappedImage } from './mapped-image.js';
import { settled } from './pending.js';
import { Place } from './place.js';
import { readRange } from './read.js';
import { findRun, Run } from './run.js';
import { writeRange } from './write.js';
import { discardRange, zeroRange } from './zero.js';

const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.NoFallback | WriteFlag.Unchanged;
const SECTOR = 512;
const scratch = new Run();

/** The verbs of the data plane over an image; `own` is what the format adds. */
export function mappedNode<Own extends Partial<DriverNode>>(image: MappedImage, own: Own): DriverNode & Own {
  // With its getters.
  const node: DriverNode = new MappedNode(image);
  return Object.defineProperties(node, Object.getOwnPropertyDescriptors(own)) as DriverNode & Own;
}

class MappedNode implements DriverNode {
  readonly limits: NodeLimits;
  readonly zeroFlags = HANDED_DOWN;

  constructor(private readonly image: MappedImage) {
    const { clusterSize, cipher } = image.format;
    this.limits = { ...NO_LIMITS, optimalTransfer: clusterSize, zeroAlignment: clusterSize, ...(cipher === undefined ? {} : { alignment: SECTOR }) };
  }

  get size(): number {
    return this.image.format.size;
  }

  setBacking(child: Edge | undefined): void {
    this.image.backing = child;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return readRange(this.image, offset, buffer, start, length);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return writeRange(this.image, offset, buffer, start, length);
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return zeroRange(this.image, offset, length, flags);
  }

  discard(offset: number, length: number): Completion {
    return discardRange(this.image, offset, length);
  }

  flush(): Completion {
    return this.image.flush();
  }

  flushToOs(): Completion {
    // The order of the tables needs flushes in between; there is nothing cheaper to do.
    return this.image.flush();
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    const waiting = findRun(this.image, offset, offset + length, scratch);
    if (waiting !== undefined) return waiting.then(() => this.extent(offset, length));
    const size = scratch.end - offset;
    const { cipher } = this.image.format;
    switch (scratch.place) {
      case Place.Hole: return unallocatedExtent(size);
      case Place.Zero: return zeroExtent(size);
      case Place.Packed: return compressedExtent(size);
      default: return dataExtent(size, cipher === undefined ? scratch.place : -1);
    }
  }

  async close(): Promise<void> {
    await settled(this.image.flush());
  }
}
