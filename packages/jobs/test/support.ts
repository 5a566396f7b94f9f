/** A graph whose clock stands still until a test moves it, and a log of what jobs tell. */
import { BlockGraph, ManualClock, type BlockDriver } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { Jobs, type JobEvent } from '../src/index.js';

/** Time that passes only in `advance`. */
export class TestClock extends ManualClock {
  /** Lets `ms` milliseconds pass, and everything run that they set free, each at its time. */
  async pass(ms: number): Promise<void> {
    const end = this.now() + ms * 1e6;
    for (let next = this.deadline; next !== undefined && next <= end; next = this.deadline) {
      this.advanceTo(next);
      await turns();
    }
    this.advanceTo(end);
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
  readonly warnings: string[];
}

export function rig(...further: BlockDriver[]): Rig {
  const clock = new TestClock();
  const warnings: string[] = [];
  const graph = new BlockGraph({ drivers: [raw, qcow2, file, ...further], host: { clock, warn: (message) => void warnings.push(message) } });
  const jobs = new Jobs(graph);
  const events: string[] = [];
  jobs.subscribe((event) => events.push(`${event.job.id}: ${told(event)}`));
  return { graph, jobs, clock, events, warnings };
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

/** Waits until the condition holds, which files on a disk may take a while to bring about; a test that waits in vain ends by its timeout. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}
