/** How far a long command is: the reference tools' line, rewritten in place, or lines of JSON for programs. */
import type { Progress } from '@blk/image';
import type { ToolIo } from './tool.js';

export type ProgressStyle = 'none' | 'text' | 'json';

/** Milliseconds between two lines of JSON, unless a percent or more was done. */
const JSON_INTERVAL = 200;

/** Progress goes to standard error where standard output has the result. */
export function errorIo(io: ToolIo): ToolIo {
  const out: ToolIo['out'] = (text) => { io.err(text); };
  return Object.create(io, { out: { value: out } }) as ToolIo;
}

export class ProgressPrinter {
  #last = -1;
  #time = 0;
  #percent = 0;
  readonly #unsubscribe: (() => void) | undefined;

  constructor(
    private readonly io: ToolIo,
    readonly style: ProgressStyle,
  ) {
    if (style === 'none') this.#unsubscribe = io.onProgressWanted?.(() => { io.err(`    (${this.#percent.toFixed(2)}/100%)\n`); });
  }

  /** To be handed to what does the work; undefined where nobody can want to know. */
  get callback(): Progress | undefined {
    if (this.style === 'none' && this.#unsubscribe === undefined) return undefined;
    const report = (done: number, total: number): void => {
      this.report(done, total);
    };
    // Whoever may ask gets an answer that costs nothing.
    return this.style === 'none' ? Object.assign(report, { rough: true }) : report;
  }

  report(done: number, total: number): void {
    const percent = total === 0 ? 0 : (done / total) * 100;
    this.#percent = percent;
    if (this.style === 'none') return;
    if (this.#last >= 0 && percent - this.#last <= 1 && !(percent >= 100 && this.#last < 100) && !this.#isTime()) return;
    this.#last = percent;
    if (this.style === 'text') this.io.out(`    (${percent.toFixed(2)}/100%)\r`);
    else this.io.out(`${JSON.stringify({ event: 'progress', done, total })}\n`);
  }

  /** The last word: all is done. */
  complete(): void {
    if (this.style === 'text') this.io.out('    (100.00/100%)\r');
  }

  /** Ends the line. */
  end(): void {
    this.#unsubscribe?.();
    if (this.style === 'text') this.io.out('\n');
  }

  #isTime(): boolean {
    if (this.style !== 'json') return false;
    const now = performance.now();
    if (now - this.#time < JSON_INTERVAL) return false;
    this.#time = now;
    return true;
  }
}
