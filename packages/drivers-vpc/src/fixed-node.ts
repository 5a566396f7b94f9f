/** An open fixed disk: the bytes of the file before its footer. */
import { dataExtent, NO_LIMITS, WriteFlag, type Completion, type DriverImageInfo, type DriverNode, type Edge, type Extent } from '@blk/core-graph';
import type { Identified } from './identity.js';

export class FixedNode implements DriverNode, Identified {
  readonly limits = NO_LIMITS;
  readonly writeFlags = WriteFlag.Unchanged;
  readonly zeroFlags = WriteFlag.MayUnmap;

  constructor(
    private readonly file: Edge,
    readonly size: number,
    readonly uniqueId: Uint8Array,
  ) {}

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.file.read(offset, buffer, start, length);
  }

  readv(offset: number, buffers: readonly Uint8Array[]): Completion {
    return this.file.readv(offset, buffers);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    return this.file.write(offset, buffer, start, length, flags);
  }

  writev(offset: number, buffers: readonly Uint8Array[], flags: number): Completion {
    return this.file.writev(offset, buffers, flags);
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.file.writeZeroes(offset, length, flags);
  }

  flush(): Completion {
    return this.file.flush();
  }

  extent(offset: number, length: number): Extent {
    return dataExtent(length, offset);
  }

  info(): DriverImageInfo {
    return { dirty: false };
  }

  async close(): Promise<void> {}
}
