/**
 * Copy-before-write: a guest's write waits until what it is about to overwrite is safe in the target.
 *
 * A guest never suffers from the target: what fails here breaks the copy (its job fails), and from then on writes go on unhindered.
 */
import type { BlockNode, BufferPool, Completion } from '@blk/core-graph';
import { Buffers } from './buffers.js';
import { copyClaimed } from './copy-claimed.js';
import { OperationError } from './copy-engine.js';
import type { CopyMap } from './copy-map.js';
import type { RangeCopy } from './copy-range.js';

/** Bytes of one buffer, and how many there are: guests' writes beyond that wait for their turn. */
const BUFFER = 256 * 1024;
const BUFFERS = 8;

export interface CopyBeforeWriteOptions {
  readonly map: CopyMap;
  readonly work: RangeCopy;
  readonly pool: BufferPool;
  /** So many bytes were copied for a guest. */
  readonly copied: (bytes: number) => void;
  /** The copy can't be whole any more; called once. */
  readonly broken: (operation: 'read' | 'write', error: unknown) => void;
}

export class CopyBeforeWrite {
  #broken = false;
  readonly #buffers: Buffers;
  readonly #node: BlockNode;

  /** Is in force from the next write of `options.work.source` on. To be made while none is under way. */
  constructor(private readonly options: CopyBeforeWriteOptions) {
    this.#node = options.work.source;
    this.#buffers = new Buffers(options.pool, Math.max(BUFFER, options.map.unit), BUFFERS);
    this.#node.beforeWrite.add(this.#notifier);
    this.#node.updatePaths();
  }

  /** Ends it; resolves when no guest's write is waiting for a copy any more. */
  async end(): Promise<void> {
    this.#node.beforeWrite.delete(this.#notifier);
    this.#node.updatePaths();
    await this.options.map.idle();
  }

  readonly #notifier = (offset: number, length: number): Completion => {
    if (this.#broken || length === 0) return;
    const { map, work } = this.options;
    const from = Math.floor(offset / work.unit) * work.unit;
    const end = Math.min(Math.ceil((offset + length) / work.unit) * work.unit, map.todo.size);
    if (from >= end || !this.#concerns(from, end)) return;
    return this.#copy(from, end);
  };

  /** Whether anything of the range is still to be copied, or being copied. */
  #concerns(from: number, end: number): boolean {
    const { map } = this.options;
    const dirty = map.todo.next(from, true);
    return (dirty >= 0 && dirty < end) || map.at(from, end) !== undefined;
  }

  async #copy(from: number, end: number): Promise<void> {
    const { map, work, copied, broken } = this.options;
    while (!this.#broken && this.#concerns(from, end)) {
      // Somebody is at it; it may fail, so that the range has to be looked at again.
      const blocker = map.at(from, end);
      if (blocker !== undefined) {
        await blocker.over;
        continue;
      }
      const buffer = await this.#buffers.take();
      try {
        // While this one waited for its buffer, others may have done the work.
        const done = this.#broken ? undefined : copyClaimed(map, work, from, end, buffer, copied);
        if (done !== undefined) await done;
      } catch (error) {
        this.#broken = true;
        const known = error instanceof OperationError ? error : new OperationError('write', error);
        broken(known.operation, known.cause);
      } finally {
        this.#buffers.give(buffer);
      }
    }
  }
}
