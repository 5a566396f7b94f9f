/** One job: its state, what may be asked of it from outside, and what it tells. How it runs and ends is in `life.ts`. */
import { BlockError, type IoStatus } from '@blk/core-graph';
import type { JobBody } from './body.js';
import { Control } from './control.js';
import type { JobProgress } from './events.js';
import { callOff, discardJob, finalizeTransaction, runJob } from './life.js';
import { ProgressFeed } from './progress-feed.js';
import type { Jobs } from './jobs.js';
import { checkStep, checkVerb, type JobStatus, type JobType } from './status.js';
import { JobTransaction } from './transaction.js';

export interface JobOptions {
  /** Letters, digits, `-`, `.` and `_`, a letter first; unique among the jobs of a graph. */
  readonly id: string;
  readonly type: JobType;
  /** Bytes a second; 0 (the default): no limit. */
  readonly speed?: number | undefined;
  /** False: the outcome is made real only by `finalize`. Default true. */
  readonly autoFinalize?: boolean | undefined;
  /** False: the concluded job stays until `dismiss`. Default true. */
  readonly autoDismiss?: boolean | undefined;
  /** Cancels the job, by force. */
  readonly signal?: AbortSignal | undefined;
  readonly transaction?: JobTransaction | undefined;
  /** True: what the job needs is taken, and it is in the list, but it does nothing before `start`. Default false. */
  readonly deferred?: boolean | undefined;
}

export class Job {
  readonly id: string;
  readonly type: JobType;
  readonly autoFinalize: boolean;
  readonly autoDismiss: boolean;
  readonly transaction: JobTransaction;
  readonly signal: AbortSignal | undefined;
  /** Resolves when the job has ended well; rejects with what ended it, kind `aborted` where it was cancelled. */
  readonly done: Promise<void>;
  /** What went wrong, once something did. */
  error: BlockError | undefined;
  ioStatus: IoStatus = 'ok';
  /** For the core and the job's body. */
  readonly control: Control;
  /** Set by `Jobs.create`, for the core. */
  body!: JobBody;
  /** Its promise, for the core. */
  readonly settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  #status: JobStatus = 'created';
  #offset = 0;
  #length = 0;
  #paused = false;
  #forgetSignal: (() => void) | undefined;
  readonly #feed = new ProgressFeed(() => ({ offset: this.#offset, length: this.#length, status: this.#status }));

  /** Use `Jobs.create`. */
  constructor(
    readonly jobs: Jobs,
    options: JobOptions,
  ) {
    this.id = options.id;
    this.type = options.type;
    this.autoFinalize = options.autoFinalize ?? true;
    this.autoDismiss = options.autoDismiss ?? true;
    this.transaction = options.transaction ?? new JobTransaction();
    this.signal = options.signal;
    this.control = new Control(this);
    this.control.gate.rate.speed = checkedSpeed(options.speed ?? 0);
    let settle: Job['settle'] | undefined;
    this.done = new Promise((resolve, reject) => (settle = { resolve, reject }));
    this.done.catch(() => undefined);
    this.settle = settle as unknown as Job['settle'];
  }

  get description(): string {
    return `${this.type} job '${this.id}'`;
  }
  get status(): JobStatus {
    return this.#status;
  }
  /** Bytes done. */
  get offset(): number {
    return this.#offset;
  }
  /** Bytes to do, as far as is known. */
  get length(): number {
    return this.#length;
  }
  /** Bytes a second; 0: no limit. */
  get speed(): number {
    return this.control.gate.rate.speed;
  }
  /** Whether it may be completed. */
  get isReady(): boolean {
    return this.#status === 'ready' || this.#status === 'standby';
  }
  /** A pause was asked for; once nothing is under way any more the status is `paused` or `standby`. */
  get isPaused(): boolean {
    return this.#paused;
  }
  /** It is at work, rather than waiting for time to pass or for somebody to ask it for something. */
  get isBusy(): boolean {
    return (this.#status === 'running' || this.#status === 'ready') && !this.control.gate.quiescent;
  }

  /** Asks it to pause, which it does before the next piece of work. */
  pause(): void {
    checkVerb(this.id, this.#status, 'pause');
    if (this.#paused) throw new BlockError('invalid-argument', 'Job is already paused');
    this.#paused = true;
    this.control.gate.close();
  }

  /** Goes on; an error that stopped it is forgotten, and what failed is tried again. */
  resume(): void {
    if (!this.#paused) throw new BlockError('invalid-argument', "Can't resume a job that was not paused");
    checkVerb(this.id, this.#status, 'resume');
    this.ioStatus = 'ok';
    this.#paused = false;
    this.control.gate.open();
  }

  /**
   * Calls it off, or ends it early where its kind knows such an end; `done` tells when it is over. Without `force` a paused job
   * refuses.
   */
  cancel({ force = false }: { readonly force?: boolean } = {}): void {
    checkVerb(this.id, this.#status, 'cancel');
    if (this.#paused && !force) throw new BlockError('busy', `The block job for device '${this.id}' is currently paused`);
    const ends = this.body.cancel?.({ force, ready: this.isReady }) === false;
    if (this.#paused) this.resume();
    if (ends) this.control.wake();
    else callOff(this);
  }

  /** Ends a job that is ready; `done` tells when it is over. */
  async complete(): Promise<void> {
    checkVerb(this.id, this.#status, 'complete');
    if (this.body.complete === undefined || this.#paused || this.control.cancelled) {
      throw new BlockError('invalid-argument', `The active block job '${this.id}' cannot be completed`);
    }
    await this.body.complete(this.control);
    this.control.wake();
  }

  /** Bytes a second, 0: no limit; in force at once, also for a wait that is under way. */
  setSpeed(speed: number): void {
    checkVerb(this.id, this.#status, 'set-speed');
    this.control.gate.rate.speed = checkedSpeed(speed);
    this.control.wake();
  }

  /** Makes the outcome of a pending job, and of those of its transaction, real; resolves when that is done. */
  async finalize(): Promise<void> {
    checkVerb(this.id, this.#status, 'finalize');
    await finalizeTransaction(this.transaction);
  }

  /** Forgets a concluded job. */
  dismiss(): void {
    checkVerb(this.id, this.#status, 'dismiss');
    this.enterStatus('null');
    this.jobs.forget(this);
  }

  /** How far it is, whenever that has changed since the last look; over when the job is concluded, whichever way it ended. */
  progress(): AsyncIterable<JobProgress> {
    return this.#feed;
  }

  /** Calls it off, paused or not, and without another end that its kind may know. */
  callOff(): void {
    callOff(this);
  }

  /** Begins a job that was made `deferred`. */
  start(): void {
    if (this.#status !== 'created') throw new BlockError('invalid-argument', `Job '${this.id}' has begun already`);
    this.enterStatus('running');
    const { signal } = this;
    if (signal !== undefined) {
      const onAbort = (): void => { callOff(this); };
      signal.addEventListener('abort', onAbort);
      this.#forgetSignal = () => { signal.removeEventListener('abort', onAbort); };
      if (signal.aborted) callOff(this);
    }
    void runJob(this);
  }

  /** Ends a job that has not begun, as if it had never been; resolves when it has let go of everything. */
  async discard(): Promise<void> {
    if (this.#status !== 'created') throw new BlockError('invalid-argument', `Job '${this.id}' has begun already`);
    await discardJob(this);
  }

  /** Part of the core, like all that follows: the signal says nothing to a job that has ended. */
  ended(): void {
    this.#forgetSignal?.();
  }

  /** Another state, and everybody is told. */
  enterStatus(status: JobStatus): void {
    checkStep(this.#status, status);
    this.#status = status;
    // A job that ends is not paused any more, whoever asked for that while it was called off.
    if (status === 'aborting' && this.#paused) {
      this.#paused = false;
      this.control.gate.open();
    }
    this.jobs.emit({ type: 'status', job: this, status });
    if (status === 'concluded') this.#feed.end();
    else this.#feed.changed();
  }

  moved(offset: number, length: number): void {
    this.#offset = offset;
    this.#length = length;
    this.#feed.changed();
  }

  /** An error stops it until it is resumed. */
  stopFor(status: IoStatus): void {
    if (this.ioStatus === 'ok') this.ioStatus = status;
    if (!this.#paused) this.pause();
  }

  /** Its work has come to rest, or goes on; what a drained section holds up is no pause. */
  rested(rests: boolean): void {
    if (rests && this.#paused) {
      if (this.#status === 'running') this.enterStatus('paused');
      else if (this.#status === 'ready') this.enterStatus('standby');
    } else if (!rests) {
      if (this.#status === 'paused') this.enterStatus('running');
      else if (this.#status === 'standby') this.enterStatus('ready');
    }
  }
}

function checkedSpeed(speed: number): number {
  if (Number.isSafeInteger(speed) && speed >= 0) return speed;
  throw new BlockError('invalid-argument', `Parameter 'speed' expects a non-negative value`);
}
