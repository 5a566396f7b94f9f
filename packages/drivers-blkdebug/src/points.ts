/** Breakpoints: requests that stop at an event until they are told to go on. */
import { BlockError, type Breakpoints, type Completion, type DebugEvent } from '@blk/core-graph';
import { parseEvent, type KnownEvent } from './rules.js';

interface Point {
  readonly event: KnownEvent;
  readonly tag: string;
}

interface Stopped {
  readonly tag: string;
  readonly go: () => void;
}

export class Points implements Breakpoints {
  /** Those that nothing has come to yet, the newest first: a point stops one request. */
  #points: Point[] = [];
  #stopped: Stopped[] = [];
  #waiting: { readonly tag: string; readonly stopped: () => void }[] = [];

  /** `print` is told, line by line, what stops and goes on. */
  constructor(private readonly print: (line: string) => void) {}

  /** Completes when all points of this event let the caller go on. */
  reached(event: DebugEvent): Completion {
    if (this.#points.length === 0) return;
    const here = this.#points.filter((point) => point.event === event);
    if (here.length === 0) return;
    this.#points = this.#points.filter((point) => point.event !== event);
    return Promise.all(here.map(({ tag }) => this.#stop(tag))).then(() => undefined);
  }

  set(event: string, tag: string): Promise<void> {
    const known = parseEvent(event);
    if (known === undefined) return Promise.reject(notFound(`There is no event '${event}'`));
    this.#points.unshift({ event: known, tag });
    return Promise.resolve();
  }

  /** As in QEMU, only points that nothing has come to yet count as there; what stopped goes on in any case. */
  remove(tag: string): Promise<void> {
    const left = this.#points.filter((point) => point.tag !== tag);
    const found = left.length < this.#points.length;
    this.#points = left;
    while (this.#resume(tag));
    return found ? Promise.resolve() : Promise.reject(notFound(`There is no breakpoint '${tag}'`));
  }

  resume(tag: string): Promise<void> {
    return this.#resume(tag) ? Promise.resolve() : Promise.reject(notFound(`No request has stopped at '${tag}'`));
  }

  suspended(tag: string): Promise<void> {
    if (this.#stopped.some((stopped) => stopped.tag === tag)) return Promise.resolve();
    return new Promise((stopped) => this.#waiting.push({ tag, stopped }));
  }

  /** Lets everything go on. */
  clear(): void {
    this.#points = [];
    for (const { go } of this.#stopped.splice(0)) go();
  }

  #stop(tag: string): Promise<void> {
    this.print(`blkdebug: Suspended request '${tag}'`);
    return new Promise((go) => {
      this.#stopped.push({ tag, go });
      const those = this.#waiting.filter((waiting) => waiting.tag === tag);
      this.#waiting = this.#waiting.filter((waiting) => waiting.tag !== tag);
      for (const { stopped } of those) stopped();
    });
  }

  #resume(tag: string): boolean {
    const index = this.#stopped.findIndex((stopped) => stopped.tag === tag);
    if (index < 0) return false;
    this.print(`blkdebug: Resuming request '${tag}'`);
    const [{ go }] = this.#stopped.splice(index, 1);
    go();
    return true;
  }
}

function notFound(message: string): BlockError {
  return new BlockError('not-found', message, { driver: 'blkdebug', reason: 'blkdebug/point' });
}
