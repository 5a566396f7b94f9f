/**
 * The work of a mirror: copies everything once, then follows what guests write, until it is completed (the target takes the source's place)
 * or ended (the target stays behind as a copy of that moment).
 *
 * What is to be copied is dirty in a bitmap of the source. A range is clean from the moment in which its copying begins: a write that comes
 * meanwhile makes it dirty again, and no range is copied twice at a time, so that nothing old ever lies over something newer.
 */
import {
  asBlockError, BlockError, changeAccess, Permission, reaches, replaceChild, runTransaction, WriteFlag, type BlockNode, type Completion,
  type DirtyBitmap, type Edge, type OnError,
} from '@blk/core-graph';
import type { JobBody, JobControl } from './body.js';
import { Buffers } from './buffers.js';
import { copyClaimed, nextPiece } from './copy-claimed.js';
import { copyPieces, type CopyPiece } from './copy-engine.js';
import { CopyMap } from './copy-map.js';
import type { RangeCopy } from './copy-range.js';
import type { Jobs } from './jobs.js';

export interface MirrorPlan {
  readonly source: BlockNode;
  /** The job's hold on it. */
  readonly held: Edge;
  readonly target: Edge;
  /** The node whose place the target takes in the end. */
  readonly replaces: BlockNode;
  /** A bitmap of the source. */
  readonly dirty: DirtyBitmap;
  /** Bytes that are copied whole. */
  readonly unit: number;
  /** Most bytes in buffers. */
  readonly bufferBytes: number;
  readonly unmap: boolean;
  /** A guest's write waits until it is in the target as well. */
  readonly writeBlocking: boolean;
  readonly onSourceError: OnError;
  readonly onTargetError: OnError;
  /** Checks, and marks what is to be copied at first, where that takes long. */
  readonly begin: (control: JobControl) => Promise<void> | void;
  /** The users of the source are those of the target now. */
  readonly switched?: () => void;
  /** At the very end, whichever. */
  readonly clean?: () => Promise<void>;
}

/** Most bytes of one piece. */
const PIECE = 2 * 1024 * 1024;
/** Milliseconds before what failed, and was ignored, is tried again. */
const PATIENCE = 100;

export class MirrorBody implements JobBody {
  readonly #map: CopyMap;
  readonly #work: RangeCopy;
  readonly #buffers: Buffers;
  readonly #pieceBytes: number;
  #cursor = 0;
  #copied = 0;
  #ready = false;
  #detached = false;
  /** How it is to end, once that was asked for. */
  #end: 'complete' | 'leave' | undefined;

  /** To be made while the source is drained, with its bitmap attached. */
  constructor(
    private readonly jobs: Jobs,
    private readonly plan: MirrorPlan,
    private readonly control: JobControl,
  ) {
    const { source, target, unit, dirty, bufferBytes } = plan;
    this.#map = new CopyMap(dirty, unit);
    this.#work = { source, target, unit, dataFlags: 0, zeroFlags: plan.unmap ? WriteFlag.MayUnmap : 0 };
    this.#pieceBytes = Math.max(unit, Math.floor(Math.min(PIECE, bufferBytes) / unit) * unit);
    this.#buffers = new Buffers(source.pool, this.#pieceBytes, this.#lanes);
    source.afterWrite.add(this.#written);
    source.updatePaths();
  }

  async run(control: JobControl): Promise<void> {
    const begun = this.plan.begin(control);
    if (begun !== undefined) await begun;
    this.#tell();
    for (;;) {
      const ignored = await this.#copyDirty(control);
      if (ignored !== undefined) await control.sleep(PATIENCE);
      const paused = control.pausePoint();
      if (paused !== undefined) await paused;
      // A guest that goes on writing always leaves something. What fits the buffers is little enough to be copied while it is kept waiting.
      if (ignored !== undefined || this.#map.left > this.plan.bufferBytes) continue;
      if (!this.#ready && !(await this.#becomeReady(control))) continue;
      if (this.#end === 'complete') return;
      if (this.#end === 'leave' && (await this.#leave(control))) return;
      if (this.#end === undefined && this.#map.done) await control.sleep();
    }
  }

  complete(): void {
    if (this.#end === 'leave') throw new BlockError('invalid-argument', 'The active block job is being cancelled and cannot be completed');
    this.#end = 'complete';
  }

  cancel({ force, ready }: { readonly force: boolean; readonly ready: boolean }): boolean {
    if (force || !ready) return true;
    this.#end ??= 'leave';
    return false;
  }

  /** The switch. What guests have written since the work ended is copied while they are quiet. */
  async prepare(): Promise<void> {
    if (this.#end !== 'complete') return;
    const { source, target, replaces } = this.plan;
    await this.jobs.graph.drained([source, target.node, replaces], async () => {
      await this.#copyRest();
      const flushed = target.flush();
      if (flushed !== undefined) await flushed;
      await this.#switch();
      this.#detach();
    });
  }

  async abort(): Promise<void> {
    this.#detach();
    await this.#map.idle();
  }

  async clean(): Promise<void> {
    this.#detach();
    const cleaned = this.plan.clean?.();
    if (cleaned !== undefined) await cleaned;
  }

  get #lanes(): number {
    return Math.max(1, Math.floor(this.plan.bufferBytes / this.#pieceBytes));
  }

  /** Everything that is dirty now, or becomes so meanwhile. */
  async #copyDirty(control: JobControl): Promise<unknown> {
    const { source, onSourceError, onTargetError } = this.plan;
    const ignored = await copyPieces({
      control,
      pool: source.pool,
      bufferBytes: this.#pieceBytes,
      lanes: this.#lanes,
      readPolicy: onSourceError,
      writePolicy: onTargetError,
      next: () => this.#next(),
      copy: ({ offset, length }, buffer) => this.#copy(offset, offset + length, buffer),
    });
    await this.#map.idle();
    return ignored;
  }

  /** Round and round, so that a guest that writes at the front does not keep the rest waiting; the end of a round is the end of the pass. */
  #next(): CopyPiece | undefined {
    const piece = nextPiece(this.#map, this.plan.source, this.#cursor, this.#pieceBytes);
    this.#cursor = piece === undefined ? 0 : piece.offset + piece.length;
    return piece;
  }

  #copy(from: number, end: number, buffer: Uint8Array): Completion {
    return copyClaimed(this.#map, this.#work, from, end, buffer, (bytes) => {
      this.#copied += bytes;
      this.#tell();
    });
  }

  #tell(): void {
    this.control.progress(this.#copied, this.#copied + this.#map.left);
  }

  /** Told after each write of a guest. */
  readonly #written = (offset: number, length: number): Completion => {
    if (this.plan.writeBlocking && length > 0) return this.#follow(offset, length);
    this.control.wake();
  };

  /** Copies what a guest has just written; where that fails the job has it still to do, and its policies apply. */
  async #follow(offset: number, length: number): Promise<void> {
    const { unit } = this.plan;
    const from = Math.floor(offset / unit) * unit;
    const end = Math.min(Math.ceil((offset + length) / unit) * unit, this.plan.source.size);
    for (let blocker = this.#map.at(from, end); blocker !== undefined; blocker = this.#map.at(from, end)) await blocker.over;
    const buffer = await this.#buffers.take();
    try {
      const done = this.#copy(from, end, buffer);
      if (done !== undefined) await done;
    } catch {
      // Dirty again.
    } finally {
      this.#buffers.give(buffer);
      this.control.wake();
    }
  }

  async #becomeReady(control: JobControl): Promise<boolean> {
    if (!(await this.#flush(control))) return false;
    this.#ready = true;
    // What guests are writing just now is theirs, and not counted as work to do.
    control.progress(this.#copied, this.#copied);
    control.ready();
    return true;
  }

  /** The target on stable storage; false where that failed and is to be tried again. */
  async #flush(control: JobControl): Promise<boolean> {
    try {
      const flushed = this.plan.target.flush();
      if (flushed !== undefined) await flushed;
      return true;
    } catch (error) {
      const action = control.handleError('write', error, this.plan.onTargetError);
      if (action === 'report') throw error;
      if (action === 'ignore') await control.sleep(PATIENCE);
      const paused = control.pausePoint();
      if (paused !== undefined) await paused;
      return false;
    }
  }

  /** The target is left as a copy of a moment in which guests were quiet. */
  async #leave(control: JobControl): Promise<boolean> {
    const { source, target } = this.plan;
    const left = await this.jobs.graph.drained([source, target.node], async () => {
      try {
        await this.#copyRest();
      } catch {
        // Still to be done, where the policies apply.
        return false;
      }
      this.#detach();
      return true;
    });
    if (!left) return false;
    while (!(await this.#flush(control)));
    return true;
  }

  async #copyRest(): Promise<void> {
    await this.#map.idle();
    const { source } = this.plan;
    const buffer = source.pool.take(this.#pieceBytes);
    try {
      for (let piece = nextPiece(this.#map, source, 0, this.#pieceBytes); piece !== undefined; piece = nextPiece(this.#map, source, 0, this.#pieceBytes)) {
        const done = this.#copy(piece.offset, piece.offset + piece.length, buffer);
        if (done !== undefined) await done;
      }
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      throw asBlockError(cause);
    } finally {
      source.pool.give(buffer);
    }
  }

  /** Whoever uses the source uses the target from here on: all of them, or none and the job fails. */
  async #switch(): Promise<void> {
    const { held, target, replaces } = this.plan;
    const node = target.node;
    const users = [...replaces.parents].filter(({ parent }) => parent !== held.parent && !(parent.node && reaches(node, parent.node)));
    await runTransaction([relax(held), relax(target), ...users.map((edge) => replaceChild(edge, node))]);
    this.control.replaced(replaces);
    this.plan.switched?.();
  }

  /** The source is the guest's alone again. */
  #detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    const { source, dirty } = this.plan;
    source.afterWrite.delete(this.#written);
    source.bitmaps.delete(dirty);
    source.updatePaths();
  }
}

/** Gives up what the job holds of a node, but not the node. */
function relax(edge: Edge): { prepare(): void; commit(): void; abort(): void } {
  const before = edge.access;
  const set = (access: Edge['access']): void => {
    changeAccess((transaction) => { transaction.set(edge, access); });
  };
  return {
    prepare: () => { set({ permissions: 0, shared: Permission.All }); },
    commit: () => undefined,
    abort: () => { set(before); },
  };
}
