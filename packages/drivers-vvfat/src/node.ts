/** The disk as a block node. */
import { BlockError, NO_LIMITS, type Completion, type DriverNode, type Extent, type NodeLimits } from '@blk/core-graph';
import { SECTOR } from './fat/shape.js';
import type { OpenDisk } from './open.js';

export const SECTORS: NodeLimits = { ...NO_LIMITS, alignment: SECTOR };

export class VvfatNode implements DriverNode {
  readonly size: number;
  readonly limits = SECTORS;

  constructor(
    private readonly opened: OpenDisk,
    readonly filename: string,
  ) {
    this.size = opened.disk.size;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.opened.disk.read(offset, buffer, start, length);
  }

  extent(offset: number, length: number): Extent {
    return this.opened.disk.extent(offset, length);
  }

  allocatedSize(): number {
    return noSpaceTaken();
  }

  async close(): Promise<void> {
    await this.opened.files.close();
    this.opened.root.close();
  }
}

/** It is no image that takes space. */
export function noSpaceTaken(): never {
  throw new BlockError('unsupported', 'A directory does not tell how much space it takes', { driver: 'vvfat' });
}
