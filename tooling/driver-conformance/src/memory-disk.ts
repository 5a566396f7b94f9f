/**
 * A disk in memory for tests, with taps on its line: what passes can be recorded, delayed, reordered or made to fail.
 * It outlives the nodes that are opened on it, as a file outlives a program.
 */
import { NO_LIMITS, andThen, type Completion, type Extent, type NodeLimits, dataExtent, zeroExtent } from '@blk/core-graph';
import { SparseBytes } from './sparse-bytes.js';

export type DiskVerb = 'read' | 'write' | 'writeZeroes' | 'discard' | 'flush' | 'truncate';

/** One request as the disk gets it. */
export interface DiskOperation {
  /** Number of the request on this disk, from 0. */
  readonly index: number;
  readonly verb: DiskVerb;
  readonly offset: number;
  /** Bytes; for `truncate`, 0 (the new size is `offset`). */
  readonly length: number;
  readonly flags: number;
  /** Writes: what is to be stored; belongs to the request, so copy it to keep it. */
  readonly bytes?: Uint8Array;
}

/** Something on the line to a disk. Errors are thrown, delays are promises. */
export interface DiskTap {
  /** Before anything happens. */
  before?(operation: DiskOperation): Completion;
  /** When the first half of a request took effect and the second did not. */
  during?(operation: DiskOperation): Completion;
  /** When the request is over; `error` where it failed. */
  after?(operation: DiskOperation, error: unknown): void;
}

export interface MemoryDiskOptions {
  /** Bytes; 0 unless given. */
  readonly size?: number;
  readonly content?: Uint8Array | SparseBytes;
  /** What the disk demands of requests; it throws a plain `Error` where they do not fit. */
  readonly limits?: Partial<NodeLimits>;
  /** Whether writes may pass the end, as those of a file may; true unless given. */
  readonly growable?: boolean;
  /** Verbs that the disk lacks, so that the graph has to emulate them. */
  readonly without?: readonly ('writeZeroes' | 'discard' | 'flush' | 'extent' | 'truncate' | 'write')[];
}

export class MemoryDisk {
  /** The content, past every tap. */
  content: SparseBytes;
  readonly limits: NodeLimits;
  readonly growable: boolean;
  readonly without: ReadonlySet<string>;
  /** How often each verb came. */
  readonly counts: Record<DiskVerb, number> = { read: 0, write: 0, writeZeroes: 0, discard: 0, flush: 0, truncate: 0 };
  readonly #taps: DiskTap[] = [];
  #index = 0;

  constructor(options: MemoryDiskOptions = {}) {
    const { content, size } = options;
    this.content = content === undefined ? new SparseBytes() : content instanceof SparseBytes ? content : SparseBytes.from(content);
    if (size !== undefined) this.content.resize(size);
    this.limits = { ...NO_LIMITS, ...options.limits };
    this.growable = options.growable ?? true;
    this.without = new Set(options.without);
  }

  get size(): number {
    return this.content.size;
  }

  /** A definition that opens this disk, in a graph that has a `MemoryDisks` driver. */
  get definition(): { readonly driver: 'memory'; readonly disk: MemoryDisk } {
    return { driver: 'memory', disk: this };
  }

  /** Puts a tap on the line, behind those already there. */
  use<T extends DiskTap>(tap: T): T {
    this.#taps.push(tap);
    return tap;
  }

  /** Takes a tap off; requests under way still pass it. */
  remove(tap: DiskTap): void {
    const at = this.#taps.indexOf(tap);
    if (at >= 0) this.#taps.splice(at, 1);
  }

  /** The whole content, as an array of its own. */
  toBytes(): Uint8Array {
    return this.content.toBytes();
  }

  /** Keeps `JSON.stringify` of a definition short. */
  toJSON(): string {
    return `MemoryDisk(${this.size})`;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    this.#check('read', offset, length);
    if (offset + length > this.size && this.limits.alignment === 1) throw new Error(`read of ${length} at ${offset} passes the end at ${this.size}`);
    return this.#run({ verb: 'read', offset, length, flags: 0 }, (from, to) => {
      this.content.read(offset + from, buffer, start + from, to - from);
    });
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    this.#check('write', offset, length);
    const bytes = buffer.subarray(start, start + length);
    return this.#run({ verb: 'write', offset, length, flags, bytes }, (from, to) => {
      this.content.write(offset + from, buffer, start + from, to - from);
    });
  }

  /** `unmap`: pages inside the range are let go. */
  writeZeroes(offset: number, length: number, flags: number, unmap: boolean): Completion {
    this.#check('writeZeroes', offset, length);
    return this.#run({ verb: 'writeZeroes', offset, length, flags }, (from, to) => {
      this.content.zero(offset + from, to - from, unmap);
    });
  }

  discard(offset: number, length: number): Completion {
    this.#check('discard', offset, length, true);
    return this.#run({ verb: 'discard', offset, length, flags: 0 }, (from, to) => {
      this.content.zero(offset + from, to - from, true);
    });
  }

  flush(): Completion {
    return this.#run({ verb: 'flush', offset: 0, length: 0, flags: 0 }, () => undefined);
  }

  truncate(size: number): Completion {
    return this.#run({ verb: 'truncate', offset: size, length: 0, flags: 0 }, () => {
      this.content.resize(size);
    });
  }

  extent(offset: number, length: number): Extent {
    const run = this.content.run(offset, length);
    return run.held ? dataExtent(run.length, offset) : zeroExtent(run.length, offset);
  }

  #check(verb: DiskVerb, offset: number, length: number, mayEndAtSize = false): void {
    const { alignment, maxTransfer } = this.limits;
    const endFits = (offset + length) % alignment === 0 || (mayEndAtSize && offset + length === this.size);
    const endsRight = endFits || (this.size % alignment !== 0 && offset + length === this.size);
    if (length <= 0) throw new Error(`${verb} of ${length} bytes reached the disk`);
    if (offset % alignment !== 0 || !endsRight) {
      throw new Error(`${verb} of ${length} at ${offset} is not aligned to ${alignment}`);
    }
    if ((verb === 'read' || verb === 'write') && maxTransfer > 0 && length > maxTransfer) {
      throw new Error(`${verb} of ${length} is longer than ${maxTransfer}`);
    }
    if (verb !== 'read' && !this.growable && offset + length > Math.ceil(this.size / alignment) * alignment) {
      throw new Error(`${verb} of ${length} at ${offset} passes the end at ${this.size}`);
    }
  }

  #run(request: Omit<DiskOperation, 'index'>, apply: (from: number, to: number) => void): Completion {
    const operation: DiskOperation = { index: this.#index++, ...request };
    this.counts[operation.verb]++;
    const taps = [...this.#taps];
    if (taps.length === 0) {
      apply(0, operation.length);
      return;
    }
    const finish = (error: unknown): void => {
      for (const tap of taps) tap.after?.(operation, error);
    };
    const half = taps.some((tap) => tap.during !== undefined) ? Math.floor(operation.length / 2) : operation.length;
    let done: Completion;
    try {
      done = andThen(pass(taps, 'before', operation), () => {
        apply(0, half);
        if (half === operation.length) return;
        return andThen(pass(taps, 'during', operation), () => {
          apply(half, operation.length);
        });
      });
    } catch (error) {
      finish(error);
      throw error;
    }
    if (done === undefined) {
      finish(undefined);
      return;
    }
    return settle(done, finish);
  }
}

function pass(taps: readonly DiskTap[], when: 'before' | 'during', operation: DiskOperation): Completion {
  let done: Completion = undefined;
  for (const tap of taps) done = andThen(done, () => tap[when]?.(operation));
  return done;
}

async function settle(done: Promise<void>, finish: (error: unknown) => void): Promise<void> {
  try {
    await done;
  } catch (error) {
    finish(error);
    throw error;
  }
  finish(undefined);
}
