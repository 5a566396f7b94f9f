// Runs workloads: both sides' programs on files of a scratch folder, everything bounded in time.
import type { Programs } from './programs.js';
import type { Sources } from './sources.js';
import { alternate, compare, type Comparison, type Samples } from './statistics.js';
import { readings, type Side, type Workload } from './workload.js';
import { convertRun } from './runs/convert.js';
import { imageBenchRun } from './runs/image-bench.js';
import { imageIoRun } from './runs/image-io.js';
import { jobRun } from './runs/job.js';
import { memoryRun } from './runs/memory.js';
import { nbdCopyRun, nbdLoadRun } from './runs/nbd.js';
import { redundancyRun } from './runs/redundancy.js';
import { startUpRun } from './runs/start-up.js';

/** What a run has to work with. */
export interface Lab {
  /** A folder to write in. */
  readonly dir: string;
  readonly sources: Sources;
  readonly programs: Record<Side, Programs>;
  /** Both sides are the reference. */
  readonly self: boolean;
  /** Milliseconds of one round of load. */
  readonly runtime: number;
}

/** One workload, ready: its servers are up and its targets are there. */
export interface Run extends AsyncDisposable {
  /** One round of one side. */
  measure(side: Side): Promise<number>;
  /** Whether a first round is thrown away. */
  readonly warmUp: boolean;
  /** How many rounds stand for one of the command line; short ones take more. */
  readonly repeat: number;
  readonly statistic: 'median' | 'min';
  /** Throws if what the rounds left behind is wrong: a fast wrong answer is no answer. */
  verify?(side: Side): Promise<void>;
}

/** What came out of a workload. */
export interface Outcome {
  readonly workload: Workload;
  readonly samples: Samples;
  readonly comparison: Comparison;
}

/** Runs one workload, both sides in turn. */
export async function measure(lab: Lab, workload: Workload, rounds: number): Promise<Outcome> {
  await using run = await prepare(lab, workload);
  const samples = await alternate(rounds * run.repeat, run.warmUp, (side) => run.measure(side));
  for (const side of ['ours', 'reference'] as const) await run.verify?.(side);
  return { workload, samples, comparison: compare(samples, run.statistic, readings[workload.kind].ratio) };
}

function prepare(lab: Lab, workload: Workload): Promise<Run> {
  switch (workload.kind) {
    case 'nbd-load': return nbdLoadRun(lab, workload);
    case 'nbd-copy': return nbdCopyRun(lab, workload);
    case 'image-bench': return imageBenchRun(lab, workload);
    case 'image-io': return imageIoRun(lab, workload);
    case 'convert': return convertRun(lab, workload);
    case 'start-up': return startUpRun(lab, workload);
    case 'job': return jobRun(lab, workload);
    case 'memory': return memoryRun(lab, workload);
    case 'redundancy': return redundancyRun(lab, workload);
  }
}
