// Commands that are over at once.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab, Run } from '../lab.js';
import type { StartUp } from '../workload.js';
import { fill, timed } from './command.js';

/** Milliseconds from the start of the process to its end. */
export async function startUpRun(lab: Lab, workload: StartUp): Promise<Run> {
  const source = await lab.sources.get(workload.source);
  const target = join(lab.dir, 'target');
  return {
    measure: async (side) => {
      rmSync(target, { force: true });
      return (await timed([...lab.programs[side].img, ...fill(workload.words, { source, target })])).milliseconds;
    },
    warmUp: true,
    repeat: 4,
    statistic: 'median',
    [Symbol.asyncDispose]: () => {
      rmSync(target, { force: true });
      return Promise.resolve();
    },
  };
}
