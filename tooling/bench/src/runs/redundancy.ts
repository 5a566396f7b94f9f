// A disk in several copies, read by our convert: all of them, and the slower one alone.
import { chmodSync, copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { qemuImg } from '@blk/oracle';
import type { Lab, Run } from '../lab.js';
import type { Redundancy } from '../workload.js';
import { timed } from './command.js';
import { startOrigin } from './server.js';

/** Seconds of one convert, the program's start included; the place of the reference is that of the slower copy alone. */
export async function redundancyRun(lab: Lab, { source, driver }: Redundancy): Promise<Run> {
  const file = await lab.sources.get(source);
  const target = join(lab.dir, 'redundancy-target.raw');
  copyFileSync(file, target);
  chmodSync(target, 0o644);
  const slow = await startOrigin(lab, 'nbd', file);
  const here = { driver: 'file', filename: file };
  const there = { driver: 'nbd', server: { type: 'unix', path: join(lab.dir, 'origin.sock') } };
  const all = driver === 'blkverify' ? { driver, raw: here, test: there } : { driver, 'vote-threshold': 2, children: [here, here, there] };
  return {
    measure: async (side) => {
      const image = `json:${JSON.stringify(side === 'ours' ? all : { driver: 'raw', file: there })}`;
      return (await timed([...lab.programs.ours.img, 'convert', '-n', '-O', 'raw', image, target])).milliseconds / 1000;
    },
    warmUp: true,
    repeat: 1,
    statistic: 'median',
    verify: async () => {
      const { code, stdout, stderr } = await qemuImg('compare', '-f', 'raw', '-F', 'raw', file, target);
      if (code !== 0) throw new Error(`the image that was converted differs: ${stdout}${stderr}`);
    },
    [Symbol.asyncDispose]: async () => {
      rmSync(target, { force: true });
      await slow.stop();
    },
  };
}
