/**
 * A tap that writes down every change and every flush, and can build the disk that a power cut would have left: at any
 * moment, with any of the writes missing that no finished flush had put on stable storage.
 */
import type { Prng } from '@blk/oracle';
import { MemoryDisk, type DiskOperation, type DiskTap, type DiskVerb } from './memory-disk.js';
import type { SparseBytes } from './sparse-bytes.js';

/** A change or flush. `start` and `end` are moments; each moment belongs to one start or one end. */
export interface RecordedOperation {
  readonly verb: Exclude<DiskVerb, 'read'>;
  readonly offset: number;
  readonly length: number;
  readonly bytes?: Uint8Array;
  readonly start: number;
  /** Infinity where it had not ended, or failed. */
  end: number;
}

/** Which writes a power cut lets through: all of it, nothing, or single sectors. */
export type Survival = boolean | ((sector: number) => boolean);

/** Bytes that reach the disk together or not at all. */
const SECTOR = 512;

/** Counts moments; one for several disks that lose power together. */
export interface Clock {
  now: number;
}

/** Records what comes to `disk` from now on. */
export function recorder(disk: MemoryDisk, clock?: Clock): Recording {
  return disk.use(new Recording(disk.content.clone(), clock));
}

export class Recording implements DiskTap {
  readonly operations: RecordedOperation[] = [];
  readonly #open = new Map<number, RecordedOperation>();

  /** `base`: what the disk held when the recording began. */
  constructor(
    readonly base: SparseBytes,
    private readonly clock: Clock = { now: 0 },
  ) {}

  /** The present moment; a cut may be made at 0 to this. */
  get now(): number {
    return this.clock.now;
  }

  before(operation: DiskOperation): void {
    const { verb, offset, length, bytes } = operation;
    if (verb === 'read') return;
    const entry: RecordedOperation = {
      verb,
      offset,
      length,
      ...(bytes === undefined ? {} : { bytes: bytes.slice() }),
      start: this.clock.now++,
      end: Infinity,
    };
    this.operations.push(entry);
    this.#open.set(operation.index, entry);
  }

  after(operation: DiskOperation, error: unknown): void {
    const entry = this.#open.get(operation.index);
    if (entry === undefined) return;
    this.#open.delete(operation.index);
    if (error === undefined) entry.end = this.clock.now++;
  }

  /** Whether the change was certainly on stable storage before the moment `at`. */
  isStable(change: RecordedOperation, at: number): boolean {
    return this.operations.some((other) => other.verb === 'flush' && other.end < at && change.end < other.start);
  }

  /**
   * The disk after a power cut just before the moment `at`. Of the changes begun by then, the stable ones are there;
   * `survives` decides about the others, none unless given.
   */
  cut(at: number, survives: (change: RecordedOperation) => Survival = () => false): MemoryDisk {
    const content = this.base.clone();
    for (const change of this.operations) {
      if (change.start >= at || change.verb === 'flush') continue;
      apply(content, change, this.isStable(change, at) || survives(change));
    }
    return new MemoryDisk({ content });
  }

  /** The same with chance deciding: what was not stable is there, is missing, or is torn between sectors. */
  crash(at: number, random: Prng): MemoryDisk {
    const mood = random.below(4);
    return this.cut(at, () => {
      if (mood === 0) return false;
      if (mood === 1) return true;
      const fate = random.below(5);
      return fate < 4 ? fate < 2 : () => random.below(2) === 0;
    });
  }
}

function apply(content: SparseBytes, change: RecordedOperation, survival: Survival): void {
  if (survival === false) return;
  if (change.verb === 'truncate') {
    content.resize(change.offset);
    return;
  }
  if (survival === true) applyRange(content, change, change.offset, change.offset + change.length);
  else {
    const end = change.offset + change.length;
    for (let at = change.offset; at < end; ) {
      const sector = Math.floor(at / SECTOR);
      const to = Math.min((sector + 1) * SECTOR, end);
      if (survival(sector)) applyRange(content, change, at, to);
      at = to;
    }
  }
}

function applyRange(content: SparseBytes, change: RecordedOperation, from: number, to: number): void {
  if (change.bytes !== undefined) content.write(from, change.bytes, from - change.offset, to - from);
  else content.zero(from, to - from, true);
}
