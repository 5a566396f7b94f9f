/** `benchImage`: many requests of one kind, so many at a time; how long they take. */
import { Backend, Permission, type BlockGraph, type BlockNode, type Completion } from '@blk/core-graph';
import { Pace } from './pause.js';

export interface BenchRequest {
  readonly write: boolean;
  /** Requests. */
  readonly count: number;
  /** Most of them under way at a time. */
  readonly depth: number;
  /** Where the first one begins, their length, and from one's start to that of the next; bytes. Behind the end it goes on at the start. */
  readonly offset: number;
  readonly length: number;
  readonly step: number;
  /** The byte that is written. */
  readonly pattern: number;
  /** A flush after so many writes; 0: none. */
  readonly flushInterval: number;
  /** Writes wait for a flush that is under way. */
  readonly drain: boolean;
  readonly writeThrough: boolean;
  readonly signal?: AbortSignal;
}

/** Runs the requests on an open image; resolves with the milliseconds that they took. Rejects with the first failure. */
export async function benchImage(graph: BlockGraph, node: BlockNode, request: BenchRequest): Promise<number> {
  const backend = Backend.over(graph, node, {
    description: 'bench',
    writable: request.write,
    shared: Permission.All & ~Permission.Resize,
    writeThrough: request.writeThrough,
  });
  const buffers: Uint8Array[] = [];
  try {
    const run = new Run(backend, request, () => {
      const buffer = graph.pool.take(Math.max(1, request.length));
      buffer.fill(request.pattern, 0, request.length);
      buffers.push(buffer);
      return buffer;
    });
    const began = performance.now();
    await run.finished();
    return performance.now() - began;
  } finally {
    await backend.detach();
    for (const buffer of buffers) graph.pool.give(buffer);
  }
}

class Run {
  readonly #pace: Pace;
  readonly #free: Uint8Array[] = [];
  readonly #size: number;
  #offset: number;
  #started = 0;
  #running = 0;
  #sinceFlush = 0;
  #flushing = false;
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(
    private readonly backend: Backend,
    private readonly request: BenchRequest,
    private readonly newBuffer: () => Uint8Array,
  ) {
    this.#pace = new Pace(request.signal);
    this.#size = backend.size;
    this.#offset = request.offset;
  }

  async finished(): Promise<void> {
    const { count, depth, flushInterval, drain } = this.request;
    while (this.#started < count && this.#failure === undefined) {
      await this.#until(() => this.#running < depth && !(drain && this.#flushing));
      if (this.#failure !== undefined) break;
      this.#start();
      if (flushInterval > 0 && this.#sinceFlush >= flushInterval) {
        this.#sinceFlush = 0;
        // What was written before has to be there before it is flushed.
        if (drain) await this.#until(() => this.#running === 0);
        this.#flush();
      }
      if (this.#pace.due()) await this.#pace.pause();
    }
    await this.#until(() => this.#running === 0 && !this.#flushing);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Resolves at once where the condition is met; else looks again whenever something ended. */
  async #until(met: () => boolean): Promise<void> {
    while (!met()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #start(): void {
    const { length, step, write } = this.request;
    const buffer = this.#free.pop() ?? this.newBuffer();
    const offset = this.#offset;
    this.#offset = this.#size === 0 ? 0 : (offset + step) % this.#size;
    this.#started++;
    this.#sinceFlush++;
    this.#running++;
    const ended = (): void => {
      this.#running--;
      this.#free.push(buffer);
      this.#woken();
    };
    this.#follow(() => (write ? this.backend.write(offset, buffer, 0, length) : this.backend.read(offset, buffer, 0, length)), ended);
  }

  #flush(): void {
    this.#flushing = true;
    this.#follow(
      () => this.backend.flush(),
      () => {
        this.#flushing = false;
        this.#woken();
      },
    );
  }

  #follow(start: () => Completion, ended: () => void): void {
    const failed = (error: unknown): void => {
      this.#failure ??= { error };
      ended();
    };
    let done: Completion;
    try {
      done = start();
    } catch (error) {
      failed(error);
      return;
    }
    if (done === undefined) ended();
    else done.then(ended, failed);
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
