/** A graph whose clock stands still until a test moves it, and a log of what jobs tell. */
import { BlockGraph, type BlockDriver } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { Jobs, type JobEvent } from '../src/index.js';

/** Time that passes only in `advance`. */
export class TestClock {
  #now = 0;
  #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  readonly host = {
    now: (): number => this.#now * 1e6,
    timer: (ms: number, callback: () => void): (() => void) => {
      const timer = { at: this.#now + ms, callback };
      this.#timers.add(timer);
      return () => this.#timers.delete(timer);
    },
  };

  get timers(): number {
    return this.#timers.size;
  }

  /** Lets `ms` milliseconds pass, and everything run that they set free. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers.delete(due);
      due.callback();
      await turns();
    }
    this.#now = end;
    await turns();
  }
}

/** So many turns of the event loop; enough for everything that waits for none of the outside to run. */
export async function turns(count = 8): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export interface Rig {
  readonly graph: BlockGraph;
  readonly jobs: Jobs;
  readonly clock: TestClock;
  /** What happened, one line each. */
  readonly events: string[];
}

export function rig(...further: BlockDriver[]): Rig {
  const clock = new TestClock();
  const graph = new BlockGraph({ drivers: [raw, qcow2, file, ...further], host: clock.host });
  const jobs = new Jobs(graph);
  const events: string[] = [];
  jobs.subscribe((event) => events.push(`${event.job.id}: ${told(event)}`));
  return { graph, jobs, clock, events };
}

function told(event: JobEvent): string {
  switch (event.type) {
    case 'status':
      return event.status;
    case 'error':
      return `ERROR ${event.operation} ${event.action}`;
    case 'completed':
      return `COMPLETED ${event.job.offset}/${event.job.length}${event.error === undefined ? '' : ` ${event.error.message}`}`;
    default:
      return event.type.toUpperCase();
  }
}
