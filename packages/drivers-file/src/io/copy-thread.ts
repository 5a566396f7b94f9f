/**
 * The thread that copies between files: it reads, looks for zeroes and writes, without the event loop, which copies other ranges meanwhile.
 *
 * Two that both read and write beat one that reads for another that writes: the bytes stay with the processor that has them, and nobody is
 * woken for each piece. More would wait for one another: a file is written by one at a time.
 */
import type { AsideCopied } from '@blk/core-graph';
import { copier, type CopyAnswer, type CopyOrder } from './copy-parts.js';

/** What is used of a `Worker` of node:worker_threads. */
type Worker = Pick<InstanceType<ReturnType<typeof threads>['Worker']>, 'postMessage' | 'on' | 'ref' | 'unref' | 'terminate'>;

const threads = () => process.getBuiltinModule('node:worker_threads');

export interface CopyThreadOptions {
  /** Starts a thread that answers one `CopyOrder` after the other. May throw. Default: one that copies. */
  readonly start?: () => Worker;
  /** Milliseconds after which it ends without work. Default 2000. */
  readonly idle?: number;
  /** Where there are fewer than two, a thread is of no use. Default: as many as this process may use. */
  readonly processors?: number;
}

/** Started when there is something to copy, and again when it had ended. */
export class CopyThread {
  #running: RunningThread | undefined;
  #idle: NodeJS.Timeout | undefined;
  #useless: boolean | undefined;

  constructor(private readonly options: CopyThreadOptions = {}) {}

  /** Starts the thread, which takes 30 ms in the background. */
  prepare(): void {
    this.#start();
    this.#rest();
  }

  /** Undefined where there is no processor to spare, or no thread to be had. */
  copy(order: CopyOrder): Promise<AsideCopied> | undefined {
    const thread = this.#start();
    if (thread === undefined) return undefined;
    clearTimeout(this.#idle);
    return thread.copy(order).finally(() => { this.#rest(); });
  }

  #start(): RunningThread | undefined {
    const { start = startThread, processors } = this.options;
    this.#useless ??= (processors ?? process.getBuiltinModule('node:os').availableParallelism()) < 2;
    if (this.#useless) return undefined;
    try {
      this.#running ??= new RunningThread(start(), () => { this.#failed(); });
    } catch {
      // There may be a limit of threads, or a policy against them.
      this.#useless = true;
    }
    return this.#running;
  }

  /** Without work it ends after a while. */
  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#running?.busy !== false) return;
    this.#idle = setTimeout(() => {
      this.#running?.end();
      this.#running = undefined;
    }, this.options.idle ?? 2000).unref();
  }

  /** What failed once is not tried again: everything can be done without. */
  #failed(): void {
    this.#running = undefined;
    this.#useless = true;
  }
}

function startThread(): Worker {
  const module = threads();
  return new module.Worker(`(${work.toString()})(${copier.toString()})`, { eval: true, execArgv: [], env: module.SHARE_ENV, trackUnmanagedFds: false });
}

class RunningThread {
  /** In the order in which they are answered. */
  readonly #waiting: ((answer: AsideCopied) => void)[] = [];
  #ended = false;

  /** `onFailure`: nothing is copied by this thread any more. */
  constructor(
    private readonly worker: Worker,
    private readonly onFailure: () => void,
  ) {
    worker.unref();
    worker.on('message', (answer: CopyAnswer) => { this.#answered(answer); });
    // Its end follows, and only then does it surely write nothing any more.
    worker.on('error', () => undefined);
    worker.on('exit', () => { this.#fail(); });
  }

  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  copy(order: CopyOrder): Promise<AsideCopied> {
    // While it has work, the process must not end.
    if (this.#waiting.length === 0) this.worker.ref();
    this.worker.postMessage(order);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  end(): void {
    this.#ended = true;
    void this.worker.terminate();
  }

  #answered({ failure, ...copied }: CopyAnswer): void {
    const told = failure && { verb: failure.verb, at: failure.at, error: Object.assign(new Error(failure.message), { code: failure.code }) };
    this.#waiting.shift()?.({ ...copied, failure: told });
    if (this.#waiting.length === 0) this.worker.unref();
  }

  /** What it was told comes back as not done at all. */
  #fail(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onFailure();
    for (const answer of this.#waiting.splice(0)) answer({ length: 0, zeroes: [] });
  }
}

/** The thread's own program. It is handed over as text, so it uses nothing from outside its braces. */
function work(copierOf: typeof copier): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const { readSync, writeSync } = process.getBuiltinModule('node:fs');
  /** Bytes of one read and write, `ASIDE_PIECE`. */
  const piece = 1024 * 1024;
  // Page-aligned: copies from and to places that are not take the kernel half as long again.
  const buffer = Buffer.from(new WebAssembly.Memory({ initial: piece / 65536, maximum: piece / 65536 }).buffer);
  const memory = { buffer, nothing: Buffer.alloc(65536) };
  parentPort?.on('message', (order: CopyOrder) => {
    const copy = copierOf(order, memory, { read: readSync, write: writeSync });
    while (copy.step());
    parentPort.postMessage(copy.answer());
  });
}
