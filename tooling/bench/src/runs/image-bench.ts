// qemu-img bench, and our counterpart on the packages themselves.
import type { Lab, Run } from '../lab.js';
import type { ImageBench } from '../workload.js';
import { fill, timed } from './command.js';

/** Seconds as the program itself took them, its start left out. */
export async function imageBenchRun(lab: Lab, workload: ImageBench): Promise<Run> {
  const file = await lab.sources.get(workload.source);
  const line = { ours: lab.self ? workload.words : (workload.ourWords ?? workload.words), reference: workload.words };
  return {
    measure: async (side) => {
      const { stdout } = await timed([...lab.programs[side].bench, ...fill(line[side]), file]);
      const match = /Run completed in ([\d.]+) seconds/.exec(stdout);
      if (match === null) throw new Error(`no time in the output of bench: ${stdout}`);
      return Number(match[1]);
    },
    warmUp: true,
    repeat: 1,
    statistic: 'median',
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
