/** What a kind of job supplies, and what the core gives it to work with. */
import type { BlockNode, Completion, Edge, Access, BlockErrorAction, OnError } from '@blk/core-graph';

/**
 * One kind of job. The core calls `run`; when that is over, and the jobs of the same transaction are done as well, `prepare` of all
 * of them, and then `commit` of all or, where anything failed or was cancelled, `abort` of all; `clean` at the very end in either case.
 * What the job holds is let go of between `commit` (or `abort`) and `clean`.
 */
export interface JobBody {
  /** The work itself. Rejects with what went wrong; a cancelled job is left by the error that `control` throws. */
  run(control: JobControl): Promise<void>;
  /** Makes the outcome ready; may fail, and has to leave everything as it was then. */
  prepare?(control: JobControl): Promise<void> | void;
  /** Makes the outcome real. What fails here is reported as the job's error, but nothing is undone any more. */
  commit?(control: JobControl): Promise<void> | void;
  /** Leaves everything as it was before the job. */
  abort?(control: JobControl): Promise<void> | void;
  clean?(): Promise<void> | void;
  /** `complete` was asked for; only ever called while the job is ready. Absent: this kind of job completes by itself. */
  complete?(control: JobControl): Promise<void> | void;
  /**
   * `cancel` was asked for. False: the job goes on to a regular end of its own (a mirror that was ready leaves a copy); true, as
   * without this member: it is called off.
   */
  cancel?(request: { readonly force: boolean; readonly ready: boolean }): boolean;
}

/** A filter that shows others where a job is at work. */
export interface JobFilter {
  /** Of the node. */
  readonly name: string;
  /** As which it is shown. */
  readonly driver: 'mirror_top' | 'commit_top' | 'copy-before-write' | 'copy-on-read';
  /** What the job writes to: what this one is backed by stays the node itself. */
  readonly target: BlockNode | undefined;
}

/** What the core gives a body to work with. */
export interface JobControl {
  readonly cancelled: boolean;
  /** Aborted when the job is cancelled; for work that does not come by its gate. */
  readonly signal: AbortSignal;
  /**
   * Waits while the job is paused or one of its nodes is drained, and as long as the speed limit says; then counts a piece of work as
   * under way until `leave`. Throws when the job is cancelled. Done at once (undefined) where there is nothing to wait for.
   */
  enter(): Completion;
  /** As `enter`, for what copies nothing: the speed limit does not matter. */
  enterUnlimited(): Completion;
  leave(): void;
  /** `enterUnlimited` and `leave` with nothing in between. */
  pausePoint(): Completion;
  /** Counts bytes against the speed limit; the next `enter` waits for them. */
  spend(bytes: number): void;
  /** Sleeps so many milliseconds of the graph's clock, or until something is asked of the job (complete, cancel, speed, pause). */
  sleep(ms?: number): Promise<void>;
  /** Ends a `sleep`. */
  wake(): void;
  /** How far the job is; bytes. */
  progress(offset: number, length: number): void;
  /** Adds to `offset`. */
  advance(bytes: number): void;
  /** The job may be completed from now on. */
  ready(): void;
  /**
   * Applies an error policy, and tells about it. `stop` pauses the job: whoever goes on with `enter` waits until it is resumed, and
   * then tries again. `ignore`: goes on with the next piece. `report`: the caller fails with the error.
   */
  handleError(operation: 'read' | 'write', error: unknown, policy: OnError): BlockErrorAction;
  /** Takes an edge to a node, as a user of the graph. Throws, with nothing changed, where others object. Let go of at the end. */
  hold(node: BlockNode, name: string, access: Access): Edge;
  /**
   * Puts a filter over a node, which all its users use until the job ends, and which is blocked. To be done before edges to the node are frozen.
   * Throws, with nothing changed, for a name that is none or taken.
   */
  putFilter(node: BlockNode, filter: JobFilter): Promise<void>;
  /** Keeps other jobs and commands away from nodes; without effect on guests. */
  block(nodes: Iterable<BlockNode>): void;
  /** Keeps others from pointing an edge elsewhere. */
  freeze(edge: Edge): void;
  /** Tells that the node was replaced: if it closes for want of users, what fails then does not matter any more, and is only warned of. */
  replaced(node: BlockNode): void;
  /** Gives up holds, blocks and frozen edges before their time: the body is about to change the graph. Nodes that nobody uses close. */
  release(): Promise<void>;
}
