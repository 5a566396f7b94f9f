/** One worker thread, and the memory it shares with us: slots that hold a stream on its way there and its content on the way back. */
import { notAStream } from '../stream-error.js';
import { decoders, type Decoder, type PackFormat } from '../unpack/decoders.js';
import { makeInflate, type StreamFormat } from './inflate-engine.js';

/** Bytes to inflate that may be waiting in a thread: some milliseconds of work. */
const ROOM = 2 * 1024 * 1024;
/** Longer streams and contents would need too much memory: whoever asks does them himself. */
const LONGEST = 4 * 1024 * 1024;
/** Milliseconds. */
const IDLE = 2000;

export type ThreadFormat = StreamFormat | PackFormat;

/** What is used of a `Worker` of node:worker_threads. */
type Worker = Pick<InstanceType<ReturnType<typeof threads>['Worker']>, 'postMessage' | 'ref' | 'unref' | 'terminate'>;

const threads = () => process.getBuiltinModule('node:worker_threads');

interface Job {
  readonly slot: number;
  readonly into: Uint8Array;
  readonly start: number;
  readonly size: number;
  readonly resolve: (found: number) => void;
  readonly reject: (error: unknown) => void;
}

/** What a thread is told: the memory it works in, or that there is a stream in a slot. */
type Order =
  | { readonly space: SharedArrayBuffer; readonly results: SharedArrayBuffer }
  | { readonly format: ThreadFormat; readonly slot: number; readonly input: number; readonly length: number; readonly output: number; readonly size: number };

/** Results of slots: how many bytes the stream had, or one of these. */
const PENDING = -1;
const NO_STREAM = -2;

export class InflateThread {
  readonly #worker: Worker;
  /** In the order in which they are answered. */
  readonly #jobs: Job[] = [];
  readonly #free: number[] = [];
  #space: Uint8Array = new Uint8Array(0);
  #results: Int32Array = new Int32Array(0);
  /** Bytes of a slot's halves. */
  #half = 0;
  #idle: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(private readonly onEnd: (thread: InflateThread, failed: boolean) => void) {
    const { Worker } = threads();
    const worker = new Worker(program(), { eval: true, execArgv: [] });
    this.#worker = worker;
    worker.unref();
    worker.on('message', () => { this.#reap(); });
    worker.on('error', (error) => { this.#end(error); });
    worker.on('exit', () => { this.#end(new Error('the thread ended')); });
  }

  /** Undefined: there is no room. */
  take(format: ThreadFormat, bytes: Uint8Array, into: Uint8Array, start: number, size: number): Promise<number> | undefined {
    const needed = Math.max(bytes.length, size);
    if (needed > LONGEST) return undefined;
    if (needed > this.#half && !this.#widen(needed)) return undefined;
    // What is done is seen here at once: its message waits for the event loop, which whoever asks now may keep busy.
    if (this.#free.length === 0) this.#reap();
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    // While it has work, the process must not end.
    if (this.#jobs.length === 0) this.#worker.ref();
    const input = slot * 2 * this.#half;
    this.#space.set(bytes, input);
    this.#results[slot] = PENDING;
    this.#tell({ format, slot, input, length: bytes.length, output: input + this.#half, size });
    return new Promise((resolve, reject) => this.#jobs.push({ slot, into, start, size, resolve, reject }));
  }

  /** Makes slots for streams of `needed` bytes; false while the old ones are in use. */
  #widen(needed: number): boolean {
    if (this.#jobs.length > 0) return false;
    // A stream that does not get shorter is a little longer than what it holds.
    this.#half = Math.ceil((needed + 1024) / 4096) * 4096;
    const slots = Math.max(2, Math.floor(ROOM / this.#half));
    const space = new SharedArrayBuffer(slots * 2 * this.#half);
    const results = new SharedArrayBuffer(slots * 4);
    this.#space = new Uint8Array(space);
    this.#results = new Int32Array(results);
    this.#free.length = 0;
    for (let slot = slots - 1; slot >= 0; slot--) this.#free.push(slot);
    this.#tell({ space, results });
    return true;
  }

  #tell(order: Order): void {
    this.#worker.postMessage(order);
  }

  /** Takes back what is done. */
  #reap(): void {
    for (let job = this.#jobs.at(0); job !== undefined; job = this.#jobs.at(0)) {
      const { slot, into, start, size } = job;
      const found = Atomics.load(this.#results, slot);
      if (found === PENDING) return;
      this.#jobs.shift();
      this.#free.push(slot);
      if (found === NO_STREAM) {
        job.reject(notAStream(undefined));
        continue;
      }
      const output = (slot * 2 + 1) * this.#half;
      into.set(this.#space.subarray(output, output + Math.min(found, size)), start);
      job.resolve(found);
    }
    this.#worker.unref();
    this.#idle ??= setTimeout(() => { if (this.#jobs.length === 0) this.#end(undefined); }, IDLE).unref();
    this.#idle.refresh();
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#idle);
    this.#free.length = 0;
    this.onEnd(this, error !== undefined);
    for (const job of this.#jobs.splice(0)) job.reject(error);
    void this.#worker.terminate();
  }
}

/** The thread's program as text, with all that decodes. */
function program(): string {
  const inflate = makeInflate.toString();
  const makers = [`raw: () => (${inflate})('raw')`, `zlib: () => (${inflate})('zlib')`, ...Object.entries(decoders).map(([format, make]) => `${format}: ${make.toString()}`)];
  return `(${work.toString()})({ ${makers.join(', ')} })`;
}

/** The thread's own program. It is handed over as text, so it uses nothing from outside its braces. */
function work(makers: Readonly<Record<ThreadFormat, () => Decoder>>): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const engines: Partial<Record<ThreadFormat, Decoder>> = {};
  let space: Uint8Array = new Uint8Array(0);
  let results: Int32Array = new Int32Array(0);
  parentPort?.on('message', (order: Order) => {
    if ('space' in order) {
      space = new Uint8Array(order.space);
      results = new Int32Array(order.results);
      return;
    }
    const { format, slot, input, length, output, size } = order;
    let found = -2;
    try {
      const inflate = (engines[format] ??= makers[format]());
      found = inflate(space.subarray(input, input + length), space, output, size);
    } catch {
      // Told by the result.
    }
    Atomics.store(results, slot, found);
    parentPort.postMessage(undefined);
  });
}
