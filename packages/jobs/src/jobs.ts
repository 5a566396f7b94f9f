/** The jobs of one graph: made, found, watched, and all ended at once. */
import { BlockError, type BlockGraph, type BlockNode } from '@blk/core-graph';
import type { JobBody, JobControl } from './body.js';
import type { JobEvent } from './events.js';
import { Job, type JobOptions } from './job.js';

export class Jobs implements Iterable<Job>, AsyncDisposable {
  readonly #jobs = new Map<string, Job>();
  readonly #listeners = new Set<(event: JobEvent) => void>();
  /** Made, but not yet in the list: what they hold counts. */
  readonly #starting = new Set<Job>();
  #closed = false;

  readonly #guard = (node: BlockNode): void => {
    this.checkFree(node);
  };

  constructor(readonly graph: BlockGraph) {
    graph.guards.add(this.#guard);
  }

  /**
   * Makes a job and starts it; it does its first work in the next turn of the event loop. `setUp` takes what the job needs of the graph
   * (`hold`, `block`, `freeze`) and gives its body; where it throws, all is as it was, and nobody has heard of the job.
   *
   * @throws BlockError for an id that is none or in use, or a speed that is none.
   */
  async create(options: JobOptions, setUp: (control: JobControl) => JobBody | Promise<JobBody>): Promise<Job> {
    const job = await this.#prepare(options, setUp);
    if (options.deferred !== true) job.start();
    return job;
  }

  /** Makes a job that is only begun by `start`. */
  async #prepare(options: JobOptions, setUp: (control: JobControl) => JobBody | Promise<JobBody>): Promise<Job> {
    if (this.#closed) throw new BlockError('closed', 'No further job is taken');
    const job = new Job(this, options);
    this.#starting.add(job);
    let body: JobBody | undefined;
    try {
      this.#checkId(options.id);
      body = await setUp(job.control);
      // Again: another may have taken the name meanwhile.
      this.#checkId(options.id);
      options.signal?.throwIfAborted();
      job.body = body;
    } catch (error) {
      await body?.abort?.(job.control);
      await job.control.release();
      await body?.clean?.();
      job.control.unblock();
      throw error;
    } finally {
      this.#starting.delete(job);
    }
    this.#jobs.set(job.id, job);
    job.transaction.add(job);
    this.emit({ type: 'status', job, status: 'created' });
    return job;
  }

  find(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  /** All jobs that are not forgotten, the oldest first. */
  [Symbol.iterator](): IterableIterator<Job> {
    return this.#jobs.values();
  }

  /** Calls `listener` for everything that happens, until the returned function is called. */
  subscribe(listener: (event: JobEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The job that keeps others away from the node. */
  userOf(node: BlockNode): Job | undefined {
    for (const job of [...this.#jobs.values(), ...this.#starting]) if (job.control.holds.blocked.has(node)) return job;
    return undefined;
  }

  /** Throws kind `busy` where a job keeps others away from the node. To be asked before anything that changes a node or its place. */
  checkFree(node: BlockNode): void {
    const job = this.userOf(node);
    if (job === undefined) return;
    throw new BlockError('busy', `Node '${node.name}' is busy: block device is in use by block job: ${job.type}`, { node: node.name });
  }

  /** Calls all jobs off, and resolves when the last one has ended; no further one is taken. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of [...this.#jobs.values()].reverse()) {
      job.callOff();
      await job.done.catch(() => undefined);
      if (job.status === 'concluded') job.dismiss();
    }
    this.graph.guards.delete(this.#guard);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Part of the core, like what follows. */
  emit(event: JobEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  forget(job: Job): void {
    if (this.#jobs.get(job.id) === job) this.#jobs.delete(job.id);
  }

  #checkId(id: string): void {
    if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(id)) throw new BlockError('invalid-argument', `Invalid job ID '${id}'`);
    if (this.#jobs.has(id)) throw new BlockError('exists', `Job ID '${id}' already in use`);
  }
}
