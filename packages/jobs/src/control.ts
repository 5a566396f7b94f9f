/** The inner face of a job: what its body works with, over the gate and the holds. */
import {
  actionFor, errnoOf, statusAfter, type Access, type BlockErrorAction, type BlockNode, type Completion, type Edge, type OnError,
} from '@blk/core-graph';
import type { JobControl, JobFilter } from './body.js';
import { Cancelled, Gate } from './gate.js';
import { Holds } from './holds.js';
import type { Job } from './job.js';

export class Control implements JobControl {
  readonly gate: Gate;
  readonly holds: Holds;
  readonly #job: Job;

  constructor(job: Job) {
    const { clock } = job.jobs.graph.host;
    this.#job = job;
    this.gate = new Gate(clock, (rests) => {
      job.rested(rests);
    });
    this.holds = new Holds(job.jobs.graph, {
      description: job.description,
      quiesce: () => { this.gate.close(); },
      resume: () => { this.gate.open(); },
      idle: () => this.gate.idle(),
    });
  }

  get cancelled(): boolean {
    return this.gate.cancelled;
  }

  get signal(): AbortSignal {
    return this.gate.signal;
  }

  enter(): Completion {
    return this.gate.enter();
  }

  enterUnlimited(): Completion {
    return this.gate.enterUnlimited();
  }

  leave(): void {
    this.gate.leave();
  }

  pausePoint(): Completion {
    const entered = this.gate.enterUnlimited();
    if (entered === undefined) this.gate.leave();
    return entered?.then(() => { this.gate.leave(); });
  }

  spend(bytes: number): void {
    this.gate.rate.spend(bytes);
  }

  async sleep(ms?: number): Promise<void> {
    if (!this.cancelled) await this.gate.sleep(ms);
    if (this.cancelled) throw new Cancelled();
  }

  wake(): void {
    this.gate.wake();
  }

  progress(offset: number, length: number): void {
    this.#job.moved(offset, length);
  }

  advance(bytes: number): void {
    this.#job.moved(this.#job.offset + bytes, this.#job.length);
  }

  ready(): void {
    if (this.#job.isReady) return;
    this.#job.enterStatus('ready');
    this.#job.jobs.emit({ type: 'ready', job: this.#job });
  }

  handleError(operation: 'read' | 'write', error: unknown, policy: OnError): BlockErrorAction {
    const errno = errnoOf(error);
    const action = actionFor(policy, errno);
    // Several pieces may be under way when the first one fails: that one is told, and all are tried again.
    if (action === 'stop' && this.#job.isPaused && this.#job.ioStatus !== 'ok') return action;
    this.#job.jobs.emit({ type: 'error', job: this.#job, operation, action });
    if (action === 'stop') this.#job.stopFor(statusAfter(errno));
    return action;
  }

  hold(node: BlockNode, name: string, access: Access): Edge {
    return this.holds.hold(node, name, access);
  }

  putFilter(node: BlockNode, filter: JobFilter): Promise<void> {
    return this.holds.putFilter(node, filter);
  }

  block(nodes: Iterable<BlockNode>): void {
    for (const node of nodes) {
      this.#job.jobs.checkFree(node);
      this.holds.blocked.add(node);
    }
  }

  freeze(edge: Edge): void {
    this.holds.freeze(edge);
  }

  replaced(node: BlockNode): void {
    this.holds.replaced(node);
  }

  release(): Promise<void> {
    return this.holds.release();
  }

  unblock(): void {
    this.holds.unblock();
  }
}
