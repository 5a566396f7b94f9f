/** How far a long command is: the reference tools' line, rewritten in place, or lines of JSON for programs. */
import type { ToolIo } from './tool.js';

export type ProgressStyle = 'none' | 'text' | 'json';

/** Milliseconds between two lines of JSON, unless a percent or more was done. */
const JSON_INTERVAL = 200;

export class ProgressPrinter {
  #last = -1;
  #time = 0;

  constructor(
    private readonly io: ToolIo,
    readonly style: ProgressStyle,
  ) {}

  /** To be handed to what does the work; undefined where nobody wants to know. */
  get callback(): ((done: number, total: number) => void) | undefined {
    return this.style === 'none' ? undefined : (done, total) => {
      this.report(done, total);
    };
  }

  report(done: number, total: number): void {
    const percent = total === 0 ? 0 : (done / total) * 100;
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
