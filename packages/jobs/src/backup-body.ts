/** The work of a backup: a point-in-time copy, made by the job for what lies still, and before each guest's write for what is about to go. */
import {
  asBlockError, chainExtents, WriteFlag, type BlockNode, type DirtyBitmap, type Edge, type OnError,
} from '@blk/core-graph';
import type { JobBody, JobControl } from './body.js';
import { copyPieces, type CopyPiece } from './copy-engine.js';
import { CopyBeforeWrite } from './copy-before-write.js';
import { copyClaimed, nextPiece } from './copy-claimed.js';
import { CopyMap } from './copy-map.js';
import type { RangeCopy } from './copy-range.js';
import type { BackupSync, BitmapMode } from './backup.js';

/** Most bytes of a piece of data. */
const PIECE = 2 * 1024 * 1024;
const LANES = 8;

export interface BackupPlan {
  readonly source: BlockNode;
  readonly target: Edge;
  readonly sync: BackupSync;
  /** What to copy. */
  readonly todo: DirtyBitmap;
  /** Bytes that are copied whole. */
  readonly unit: number;
  /** A bitmap of the guest's that the job works with, frozen. */
  readonly bitmap: DirtyBitmap | undefined;
  readonly bitmapMode: BitmapMode;
  readonly compress: boolean;
  readonly onSourceError: OnError;
  readonly onTargetError: OnError;
}

export class BackupBody implements JobBody {
  readonly #map: CopyMap;
  readonly #work: RangeCopy;
  readonly #before: CopyBeforeWrite;
  #failure: { readonly operation: 'read' | 'write'; readonly error: unknown } | undefined;
  #cursor = 0;
  /** Bytes, by the job and for guests. */
  #copied = 0;

  /** To be made while the source is drained: this is the point in time. */
  constructor(
    private readonly plan: BackupPlan,
    private readonly control: JobControl,
  ) {
    const { source, target, unit, todo } = plan;
    this.#map = new CopyMap(todo, unit);
    this.#work = { source, target, unit, dataFlags: plan.compress ? WriteFlag.Compressed : 0, zeroFlags: WriteFlag.MayUnmap };
    this.#before = new CopyBeforeWrite({
      map: this.#map,
      work: this.#work,
      pool: source.pool,
      copied: (bytes) => { this.#count(bytes); },
      broken: (operation, error) => {
        this.#failure = { operation, error };
        control.wake();
      },
    });
  }

  async run(control: JobControl): Promise<void> {
    control.progress(this.#copied, this.plan.sync === 'none' ? this.plan.source.size : this.#copied + this.#map.left);
    try {
      if (this.plan.sync === 'none') await this.#wait(control);
      if (this.plan.sync === 'top') await this.#leaveOutUnallocated(control);
      await this.#copyAll(control);
      this.#check(control);
      const flushed = this.plan.target.flush();
      if (flushed !== undefined) await flushed;
    } finally {
      await this.#before.end();
    }
  }

  commit(): void {
    const { bitmap, bitmapMode } = this.plan;
    bitmap?.thaw(bitmapMode === 'never' ? 'kept' : 'done');
  }

  async abort(): Promise<void> {
    await this.#before.end();
    const { bitmap, bitmapMode, todo } = this.plan;
    if (bitmap === undefined) return;
    // Always: what was copied counts, even though the copy is not whole.
    if (bitmapMode === 'always') keepUncopied(bitmap, todo, this.plan.sync);
    bitmap.thaw('kept');
  }

  /** Only what guests overwrite is copied, until the job is called off. */
  async #wait(control: JobControl): Promise<never> {
    for (;;) {
      this.#check(control);
      await control.sleep();
    }
  }

  /** What the image leaves to its backing file is not copied. A guest may write meanwhile: what it needed was copied then. */
  async #leaveOutUnallocated(control: JobControl): Promise<void> {
    const { source, unit, todo } = this.plan;
    let allocatedEnd = 0;
    let looked = 0;
    for await (const { offset, length, depth, allocated } of chainExtents(source, 0, source.size)) {
      const paused = control.pausePoint();
      if (paused !== undefined) await paused;
      const end = offset + length;
      if (allocated && depth === 0) {
        allocatedEnd = end;
        continue;
      }
      // Whole units behind the last allocated byte.
      const from = Math.max(looked, Math.ceil(allocatedEnd / unit) * unit);
      const to = end >= source.size ? source.size : Math.floor(end / unit) * unit;
      if (to <= from) continue;
      todo.reset(from, to - from);
      looked = to;
    }
    control.progress(this.#copied, this.#copied + this.#map.left);
  }

  async #copyAll(control: JobControl): Promise<void> {
    const { source, unit, onSourceError, onTargetError } = this.plan;
    // A piece that failed and is tried again is looked for again: a guest's write may have had it copied meanwhile.
    while (!this.#map.done) {
      this.#check(control);
      this.#cursor = 0;
      const ignored = await copyPieces({
        control,
        pool: source.pool,
        bufferBytes: Math.max(PIECE, unit),
        lanes: LANES,
        readPolicy: onSourceError,
        writePolicy: onTargetError,
        next: () => this.#next(),
        // What guests have had copied meanwhile, or have under way, is theirs.
        copy: ({ offset, length }, buffer) => copyClaimed(this.#map, this.#work, offset, offset + length, buffer, (bytes) => { this.#count(bytes); }),
        // Given up: the job will end with the error.
        done: ({ offset, length }, lost) => { if (lost) this.plan.todo.reset(offset, length); },
      });
      if (ignored !== undefined) throw asBlockError(ignored);
      await this.#map.idle();
    }
  }

  #next(): CopyPiece | undefined {
    if (this.#failure !== undefined) return undefined;
    const piece = nextPiece(this.#map, this.plan.source, this.#cursor, PIECE);
    if (piece !== undefined) this.#cursor = piece.offset + piece.length;
    return piece;
  }

  #count(bytes: number): void {
    this.#copied += bytes;
    this.control.advance(bytes);
  }

  /** Fails where a copy that a guest waited for has failed. */
  #check(control: JobControl): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    control.handleError(failure.operation, failure.error, 'report');
    throw failure.error;
  }
}

/** Takes what was copied out of a bitmap; bits that were copied in part stay. */
function keepUncopied(bitmap: DirtyBitmap, todo: DirtyBitmap, sync: BackupSync): void {
  const { granularity, size } = bitmap;
  if (sync === 'full' || sync === 'top') bitmap.set(0, size);
  for (let at = todo.next(0, false); at >= 0; ) {
    const dirty = todo.next(at, true);
    const end = dirty < 0 ? size : dirty;
    const from = Math.ceil(at / granularity) * granularity;
    const to = end === size ? size : Math.floor(end / granularity) * granularity;
    if (to > from) bitmap.reset(from, to - from);
    at = dirty < 0 ? -1 : todo.next(dirty, false);
  }
}
