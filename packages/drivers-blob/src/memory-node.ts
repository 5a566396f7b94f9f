/** One open byte array: every request is a copy that is done when the call returns. */
import { dataExtent, NO_LIMITS, type DriverNode, type Extent } from '@blk/core-graph';
import type { MemorySource } from './memory-source.js';

export class MemoryNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly filename = 'blob:';
  readonly growable: boolean;
  readonly write?: NonNullable<DriverNode['write']>;
  readonly writeZeroes?: NonNullable<DriverNode['writeZeroes']>;
  readonly truncate?: NonNullable<DriverNode['truncate']>;

  constructor(
    private readonly source: MemorySource,
    writable: boolean,
  ) {
    this.growable = writable && source.growable;
    if (!writable) return;
    this.write = (offset, buffer, start, length) => {
      if (offset + length > source.size) source.resize(offset + length);
      source.bytes().set(buffer.subarray(start, start + length), offset);
    };
    this.writeZeroes = (offset, length) => {
      if (offset + length > source.size) source.resize(offset + length);
      source.bytes().fill(0, offset, offset + length);
    };
    if (source.growable) {
      this.truncate = async (size) => {
        source.resize(size);
      };
    }
  }

  get size(): number {
    return this.source.size;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): void {
    buffer.set(this.source.bytes().subarray(offset, offset + length), start);
  }

  extent(offset: number, length: number): Extent {
    return dataExtent(length, offset);
  }

  allocatedSize(): number {
    return this.source.size;
  }

  async close(): Promise<void> {}
}
