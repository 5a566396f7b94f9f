/** Worker threads that compress with zstd: as many as there are processors, started when they are needed and ended when they are not. */
import { StreamError } from '../stream-error.js';
import { zstdPath } from './zstd-wasm.js';

/** What is used of a `Worker` of node:worker_threads. */
type Worker = Pick<InstanceType<ReturnType<typeof workerThreads>['Worker']>, 'postMessage' | 'ref' | 'unref' | 'terminate'>;

const workerThreads = () => process.getBuiltinModule('node:worker_threads');

const MOST_THREADS = 4;
/** Milliseconds. */
const IDLE = 2000;
/** That of the reference, and of zstd itself. */
const LEVEL = 3;

interface Job {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

export class ZstdThreads {
  #threads: ZstdThread[] = [];

  /** Resolves with a frame. `bytes` is not looked at after the call. */
  compress(bytes: Uint8Array): Promise<Uint8Array> {
    const free = this.#threads.find((thread) => thread.waiting === 0);
    const most = Math.min(process.getBuiltinModule('node:os').availableParallelism(), MOST_THREADS);
    if (free === undefined && this.#threads.length < most) {
      this.#threads.push(new ZstdThread((ended) => {
        this.#threads = this.#threads.filter((thread) => thread !== ended);
      }));
    }
    const thread = this.#threads.reduce((least, other) => (other.waiting < least.waiting ? other : least));
    return thread.compress(bytes);
  }
}

class ZstdThread {
  readonly #worker: Worker;
  /** In the order in which they are answered. */
  readonly #jobs: Job[] = [];
  #idle: NodeJS.Timeout | undefined;

  constructor(private readonly onEnd: (thread: ZstdThread) => void) {
    const { Worker } = workerThreads();
    const worker = new Worker(`(${work.toString()})()`, { eval: true, execArgv: [], workerData: { path: zstdPath(), level: LEVEL } });
    this.#worker = worker;
    worker.unref();
    worker.on('message', (frame: Uint8Array | undefined) => { this.#answered(frame); });
    worker.on('error', (error) => { this.#end(error); });
    worker.on('exit', () => { this.#end(new Error('the thread ended')); });
  }

  get waiting(): number {
    return this.#jobs.length;
  }

  compress(bytes: Uint8Array): Promise<Uint8Array> {
    // While it has work, the process must not end.
    if (this.#jobs.length === 0) this.#worker.ref();
    clearTimeout(this.#idle);
    const copy = bytes.slice();
    this.#worker.postMessage(copy, [copy.buffer]);
    return new Promise((resolve, reject) => this.#jobs.push({ resolve, reject }));
  }

  #answered(frame: Uint8Array | undefined): void {
    const job = this.#jobs.shift();
    if (frame === undefined) job?.reject(new StreamError('can not be deflated'));
    else job?.resolve(frame);
    if (this.#jobs.length > 0) return;
    this.#worker.unref();
    this.#idle = setTimeout(() => { this.#end(undefined); }, IDLE).unref();
  }

  #end(error: Error | undefined): void {
    clearTimeout(this.#idle);
    this.onEnd(this);
    for (const job of this.#jobs.splice(0)) job.reject(new StreamError('can not be deflated', { cause: error }));
    void this.#worker.terminate();
  }
}

/** What the thread sees of us. */
interface ThreadSide {
  readonly workerData: { readonly path: string; readonly level: number };
  readonly parentPort: {
    on(event: 'message', listener: (bytes: Uint8Array) => void): void;
    postMessage(frame: Uint8Array | undefined, transfer: readonly ArrayBufferLike[]): void;
  };
}

/** The thread's own program. It is handed over as text, so it uses nothing from outside its braces. */
function work(): void {
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads') as unknown as ThreadSide;
  const { path, level } = workerData;
  const zstd = process.getBuiltinModule('node:module').createRequire(path)(path) as {
    readonly isLoaded: Promise<unknown>;
    compress(bytes: Uint8Array, level: number): Uint8Array;
  };
  void zstd.isLoaded.then(() => {
    parentPort.on('message', (bytes: Uint8Array) => {
      let frame: Uint8Array | undefined;
      try {
        // Memory of its own, to be handed over.
        frame = new Uint8Array(zstd.compress(bytes, level));
      } catch {
        // Told by the answer.
      }
      parentPort.postMessage(frame, frame === undefined ? [] : [frame.buffer]);
    });
  });
}
