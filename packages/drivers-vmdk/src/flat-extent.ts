/** Extents whose bytes are those of a file from some offset on, and those that have none and read as zeroes. */
import {
  BlockError, dataExtent, NO_LIMITS, WriteFlag, zeroExtent, type Completion, type DriverNode, type Edge, type Extent, type NodeLimits,
} from '@blk/core-graph';

export class FlatNode implements DriverNode {
  readonly limits: NodeLimits = NO_LIMITS;
  readonly writeFlags = WriteFlag.Fua | WriteFlag.Unchanged;
  readonly zeroFlags = WriteFlag.Fua | WriteFlag.MayUnmap | WriteFlag.NoFallback;

  constructor(
    private readonly file: Edge,
    private readonly from: number,
    readonly size: number,
  ) {}

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.file.read(this.from + offset, buffer, start, length);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    return this.file.write(this.from + offset, buffer, start, length, flags);
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.file.writeZeroes(this.from + offset, length, flags);
  }

  discard(offset: number, length: number): Completion {
    return this.file.discard(this.from + offset, length);
  }

  flush(): Completion {
    return this.file.flush();
  }

  extent(offset: number, length: number): Extent {
    return dataExtent(length, this.from + offset);
  }

  async close(): Promise<void> {}
}

export class ZeroNode implements DriverNode {
  readonly limits: NodeLimits = NO_LIMITS;

  constructor(readonly size: number) {}

  read(_offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    buffer.fill(0, start, start + length);
  }

  write(): never {
    throw new BlockError('read-only', 'This part of the disk has no file, and reads as zeroes', { driver: 'vmdk' });
  }

  extent(_offset: number, length: number): Extent {
    return zeroExtent(length);
  }

  async close(): Promise<void> {}
}
