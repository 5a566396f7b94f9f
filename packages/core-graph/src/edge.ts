/** An edge of the graph: one parent's hold on one node. Drivers read and write their children through it. */
import type { Completion, MaybePromise } from './completion.js';
import type { DebugEvent } from './debug-event.js';
import type { ChildRole } from './driver-context.js';
import type { Extent } from './extent.js';
import type { Access } from './flags.js';
import { readCopying } from './io/read.js';
import type { BlockNode } from './node.js';

/** Whoever holds an edge from above: a node, or a user of the graph (a backend, a job, an export). */
export interface EdgeParent {
  /** As named in messages: `node 'x'`, `block device 'drive0'`. */
  readonly description: string;
  /** Set where the parent is a node. */
  readonly node?: BlockNode;
  /** Users: no new requests, please, until as many `resume` calls have come. Requests under way may finish. */
  quiesce?(): void;
  resume?(): void;
  /** Users: resolves when no request is under way. */
  idle?(): Promise<void>;
  /** The child's size changed. */
  resized?(): void;
}

export class Edge {
  /** Changes only inside a drained section of both nodes. */
  node: BlockNode;
  access: Access;
  /** Nobody but the job that set it points this edge elsewhere. */
  frozen = false;
  /** A backing edge whose parent bears it that a job writes below: what it shows through the parent stays the same. */
  lenient = false;

  constructor(
    readonly parent: EdgeParent,
    readonly name: string,
    readonly role: ChildRole | 'root',
    node: BlockNode,
    access: Access,
  ) {
    this.node = node;
    this.access = access;
  }

  get size(): number {
    return this.node.size;
  }

  /** As `DriverNode.read`, for any range: what lies beyond the end reads as zeroes. */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.node.read(offset, buffer, start, length);
  }

  /**
   * As `read`; what the node does not hold itself, but an image behind it does, is stored in the node on the way. With `bottom`
   * only what comes from that image or one before it.
   */
  readCopying(offset: number, buffer: Uint8Array, start: number, length: number, bottom?: BlockNode): Completion {
    return readCopying(this.node, offset, buffer, start, length, bottom);
  }

  readv(offset: number, buffers: readonly Uint8Array[]): Completion {
    return this.node.readv(offset, buffers);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags = 0): Completion {
    return this.node.write(offset, buffer, start, length, flags);
  }

  writev(offset: number, buffers: readonly Uint8Array[], flags = 0): Completion {
    return this.node.writev(offset, buffers, flags);
  }

  writeZeroes(offset: number, length: number, flags = 0): Completion {
    return this.node.writeZeroes(offset, length, flags);
  }

  discard(offset: number, length: number): Completion {
    return this.node.discard(offset, length);
  }

  flush(): Completion {
    return this.node.flush();
  }

  /** Tells a driver that listens what is about to be done with it; whoever tells waits for this before doing it. */
  event(event: DebugEvent): Completion {
    return this.node.listens ? this.node.driver.event?.(event) : undefined;
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    return this.node.extent(offset, length);
  }
}
