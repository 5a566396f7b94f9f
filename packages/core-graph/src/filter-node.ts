/** A filter that changes nothing: every verb goes to the child. Filters override the verbs that they are about. */
import type { Completion, MaybePromise } from './completion.js';
import type { DriverNode, TruncateOptions } from './driver-node.js';
import type { Edge } from './edge.js';
import type { Extent } from './extent.js';
import { WriteFlag, type NodeLimits } from './flags.js';

/** Flags that go down as they are; `Fua` is the graph's own to emulate. */
const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.NoFallback | WriteFlag.Unchanged | WriteFlag.Compressed;

export class FilterNode implements DriverNode {
  readonly writeFlags: number = HANDED_DOWN;
  readonly zeroFlags: number = HANDED_DOWN;

  constructor(protected readonly child: Edge) {}

  get size(): number {
    return this.child.size;
  }
  get growable(): boolean {
    return this.child.node.driver.growable === true;
  }
  get startsAsNoise(): boolean {
    return this.child.node.driver.startsAsNoise === true;
  }
  get limits(): NodeLimits {
    return this.child.node.limits;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.child.read(offset, buffer, start, length);
  }
  readv(offset: number, buffers: readonly Uint8Array[]): Completion {
    return this.child.readv(offset, buffers);
  }
  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    return this.child.write(offset, buffer, start, length, flags);
  }
  writev(offset: number, buffers: readonly Uint8Array[], flags: number): Completion {
    return this.child.writev(offset, buffers, flags);
  }
  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.child.writeZeroes(offset, length, flags);
  }
  discard(offset: number, length: number): Completion {
    return this.child.discard(offset, length);
  }
  flush(): Completion {
    return this.child.flush();
  }
  extent(offset: number, length: number): MaybePromise<Extent> {
    return this.child.extent(offset, length);
  }
  async truncate(size: number, options: TruncateOptions): Promise<void> {
    await this.child.node.truncate(size, options);
  }
  async close(): Promise<void> {
    // The child is the graph's to let go.
  }
}
