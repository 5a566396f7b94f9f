/**
 * The state of the machine, as far as it has one: running, stopped by a client, or stopped by a failed request.
 *
 * There is no processor to stop. A device whose policy is to stop holds its requests back from the failed one on; others
 * go on answering. `cont` lets all of them try again.
 */
import type { BlockGraph } from '@blk/core-graph';
import type { StatusInfo } from '@blk/qapi-types';
import type { EventBus } from './events.js';

export class MachineState {
  #status: 'running' | 'prelaunch' | 'paused' | 'io-error' | 'shutdown' = 'running';
  readonly #unsubscribe: () => void;

  constructor(
    private readonly graph: BlockGraph,
    private readonly events: EventBus,
  ) {
    this.#unsubscribe = graph.subscribe((event) => {
      if (event.type === 'io-error' && event.action === 'stop') this.#stop('io-error');
    });
  }

  get info(): StatusInfo {
    return { running: this.#status === 'running', singlestep: false, status: this.#status };
  }

  stop(): void {
    this.#stop('paused');
  }

  /** The machine does not start by itself. */
  hold(): void {
    if (this.#status === 'running') this.#status = 'prelaunch';
  }

  /** Runs again: requests that were held back are tried once more, and every io-status is `ok`. */
  resume(): void {
    // The event comes first: a request that fails at once stops the machine again.
    const stopped = this.#status !== 'running' && this.#status !== 'shutdown';
    if (stopped) {
      this.#status = 'running';
      this.events.emit('RESUME');
    }
    for (const backend of this.graph.backends.values()) backend.restart();
  }

  /** The server ends. */
  end(): void {
    this.#status = 'shutdown';
    this.#unsubscribe();
  }

  #stop(status: 'paused' | 'io-error'): void {
    if (this.#status !== 'running') return;
    this.#status = status;
    this.events.emit('STOP');
  }
}
