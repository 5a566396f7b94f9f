/**
 * The thread that copies between files: it reads, looks for zeroes and writes, without the event loop, which copies other ranges meanwhile.
 *
 * Two that both read and write beat one that reads for another that writes: the bytes stay with the processor that has them, and nobody is
 * woken for each piece. More would wait for one another: a file is written by one at a time.
 */
import type { AsideCopied, AsideZeroes } from '@blk/core-graph';

/** What is used of a `Worker` of node:worker_threads. */
type Worker = Pick<InstanceType<ReturnType<typeof threads>['Worker']>, 'postMessage' | 'on' | 'ref' | 'unref' | 'terminate'>;

const threads = () => process.getBuiltinModule('node:worker_threads');

/** Bytes of an open file; `from` -1: zeroes. */
export interface CopyPart {
  readonly from: number;
  readonly offset: number;
  readonly length: number;
}

/** Offsets and lengths in bytes; the files are open. */
export interface CopyOrder {
  /** What goes one behind the other to the target; together of `length` bytes. */
  readonly parts: readonly CopyPart[];
  readonly to: number;
  readonly targetOffset: number;
  readonly length: number;
  readonly granularity: number;
  readonly zeroes: AsideZeroes;
}

/** Errors lose their codes on the way. */
type Answer = Omit<AsideCopied, 'failure'> & {
  readonly failure?: { readonly verb: 'read' | 'write'; readonly at: number; readonly message: string; readonly code: string | undefined };
};

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
  return new module.Worker(`(${work.toString()})()`, { eval: true, execArgv: [], env: module.SHARE_ENV, trackUnmanagedFds: false });
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
    worker.on('message', (answer: Answer) => { this.#answered(answer); });
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

  #answered({ failure, ...copied }: Answer): void {
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
function work(): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const fs = process.getBuiltinModule('node:fs');
  /** Bytes of one read and write, `ASIDE_PIECE`: fewer cost more calls, more do not stay in the processor's cache. */
  const piece = 1024 * 1024;
  /** Runs of zeroes that one answer may have. */
  const mostRuns = 4096;
  // Page-aligned: copies from and to places that are not take the kernel half as long again.
  const buffer = Buffer.from(new WebAssembly.Memory({ initial: piece / 65536, maximum: piece / 65536 }).buffer);
  const nothing = Buffer.alloc(65536);

  const isZero = (start: number, end: number): boolean => {
    if (buffer[start] !== 0 || buffer[end - 1] !== 0) return false;
    for (let at = start; at < end; at += nothing.length) {
      const to = Math.min(end, at + nothing.length);
      if (nothing.compare(buffer, at, to, 0, to - at) !== 0) return false;
    }
    return true;
  };

  parentPort?.on('message', ({ parts, to, targetOffset, length, granularity, zeroes: wish }: CopyOrder) => {
    const zeroes: { at: number; length: number }[] = [];
    let verb: 'read' | 'write' = 'write';
    /** Everything before it is done. */
    let at = 0;
    /** What lies before `at` and takes no room. */
    let packedBy = 0;
    const write = (start: number, end: number): void => {
      for (let done = start; done < end; ) {
        const count = fs.writeSync(to, buffer, done, end - done, targetOffset + at - packedBy + done - start);
        if (count === 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
        done += count;
      }
    };
    const note = (run: number): void => {
      const last = zeroes[zeroes.length - 1];
      if (last !== undefined && last.at + last.length === at) last.length += run;
      else zeroes.push({ at, length: run });
    };
    let part = 0;
    /** Bytes of that part that were read. */
    let gone = 0;
    let failure: Error | undefined;
    /** How many bytes there are in the buffer: fewer than asked for where the next ones can not be read. */
    const read = (size: number): number => {
      let have = 0;
      while (have < size) {
        const { from, offset, length: all } = parts[part];
        const want = Math.min(size - have, all - gone);
        let count = 0;
        if (from >= 0) {
          try {
            count = fs.readSync(from, buffer, have, want, offset + gone);
          } catch (error) {
            failure = error as Error;
            break;
          }
        }
        // What lies behind the end of a file reads as zeroes.
        if (count === 0) buffer.fill(0, have, have + (count = want));
        have += count;
        gone += count;
        if (gone < all) continue;
        part++;
        gone = 0;
      }
      return have;
    };
    const copyPiece = (wanted: number): void => {
      const size = read(wanted);
      const step = granularity === 0 ? size : granularity;
      for (let start = 0; start < size; ) {
        const zero = granularity !== 0 && isZero(start, Math.min(start + step, size));
        let end = start + step;
        while (end < size && (granularity !== 0 && isZero(end, Math.min(end + step, size))) === zero) end += step;
        end = Math.min(end, size);
        if (!zero) write(start, end);
        else if (wish !== 'skip') note(end - start);
        if (zero && wish === 'pack') packedBy += end - start;
        at += end - start;
        start = end;
      }
    };
    try {
      while (at < length && zeroes.length < mostRuns) {
        copyPiece(Math.min(piece, length - at));
        if (failure === undefined) continue;
        verb = 'read';
        throw failure;
      }
      parentPort.postMessage({ length: at, zeroes } satisfies Answer);
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      parentPort.postMessage({ length: at, zeroes, failure: { verb, at, message, code } } satisfies Answer);
    }
  });
}
