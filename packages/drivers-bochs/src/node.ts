/** One open image. */
import { Pending } from '@blk/cluster-map';
import { dataExtent, isPromise, NO_LIMITS, unallocatedExtent, type Completion, type DriverNode, type Edge, type Extent, type MaybePromise } from '@blk/core-graph';
import { isSet, runEnd, type Extents } from './extents.js';
import { SECTOR } from './header.js';

export class BochsNode implements DriverNode {
  readonly limits = NO_LIMITS;

  /** `size` in bytes. */
  constructor(
    private readonly file: Edge,
    private readonly extents: Extents,
    readonly size: number,
  ) {}

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { extentSize } = this.extents;
    const pending = new Pending();
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / extentSize);
      const from = at - index * extentSize;
      const size = Math.min(extentSize - from, end - at);
      const target = start + at - offset;
      pending.add(() => this.#readExtent(index, from, buffer, target, size));
      at += size;
    }
    return pending.end();
  }

  #readExtent(index: number, from: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (!this.extents.isWritten(index)) {
      buffer.fill(0, start, start + length);
      return;
    }
    const bitmap = this.extents.bitmap(index);
    if (!isPromise(bitmap)) return this.#readRuns(index, bitmap, from, buffer, start, length);
    return bitmap.then((bits) => this.#readRuns(index, bits, from, buffer, start, length));
  }

  #readRuns(index: number, bitmap: Uint8Array, from: number, buffer: Uint8Array, start: number, length: number): Completion {
    const pending = new Pending();
    const end = from + length;
    for (let at = from; at < end; ) {
      const stop = runEnd(bitmap, at, end);
      const target = start + at - from;
      const size = stop - at;
      if (isSet(bitmap, Math.floor(at / SECTOR))) {
        const place = this.extents.dataOf(index) + at;
        pending.add(() => {
          this.extents.checkInside(place, size);
          return this.file.read(place, buffer, target, size);
        });
      } else {
        buffer.fill(0, target, target + size);
      }
      at = stop;
    }
    return pending.end();
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    const { extentSize } = this.extents;
    const index = Math.floor(offset / extentSize);
    const from = offset - index * extentSize;
    if (!this.extents.isWritten(index)) {
      let last = index + 1;
      while (last * extentSize < offset + length && !this.extents.isWritten(last)) last++;
      return unallocatedExtent(Math.min(length, last * extentSize - offset));
    }
    const end = Math.min(from + length, extentSize);
    const find = (bitmap: Uint8Array): Extent => {
      const size = runEnd(bitmap, from, end) - from;
      return isSet(bitmap, Math.floor(from / SECTOR)) ? dataExtent(size, this.extents.dataOf(index) + from) : unallocatedExtent(size);
    };
    const bitmap = this.extents.bitmap(index);
    return isPromise(bitmap) ? bitmap.then(find) : find(bitmap);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
