// Load on NBD servers.
import { rmSync } from 'node:fs';
import { findTool, fioNbd, qemuImg } from '@blk/oracle';
import type { Lab, Run } from '../lab.js';
import { formatOf } from '../sources.js';
import type { NbdCopy, NbdLoad, Side } from '../workload.js';
import { timed } from './command.js';
import { both, startNbd } from './server.js';

/** fio's requests a second. Both servers stay up; the one that is not asked sleeps. */
export async function nbdLoadRun(lab: Lab, { source, rw, bs, depth }: NbdLoad): Promise<Run> {
  const format = formatOf(source);
  const writes = rw.endsWith('write');
  const files: Record<Side, string> = {
    ours: writes ? await lab.sources.copy(source, `ours.${format}`) : await lab.sources.get(source),
    reference: writes ? await lab.sources.copy(source, `reference.${format}`) : await lab.sources.get(source),
  };
  const servers = await both((side) => startNbd(lab, side, files[side], format, !writes));
  // At depth 1 the figures hang on which core wakes up whom, and change every second: more rounds, shorter ones.
  const repeat = depth === 1 ? 3 : 1;
  const runtime = lab.runtime / (depth === 1 ? 2 : 1);
  return {
    measure: async (side) => (await fioNbd({ uri: servers[side].uri, rw, bs, iodepth: depth, runtime, ramp: runtime / 5 })).iops,
    warmUp: true,
    repeat,
    statistic: 'median',
    verify: async (side) => {
      if (!writes || format === 'raw') return;
      await servers[side].stop();
      const { code, stdout, stderr } = await qemuImg('check', '-f', format, files[side]);
      if (code !== 0) throw new Error(`qemu-img check of ${side} after the load: ${stdout}${stderr}`);
    },
    [Symbol.asyncDispose]: async () => {
      await servers[Symbol.asyncDispose]();
      if (writes) for (const file of Object.values(files)) rmSync(file, { force: true });
    },
  };
}

/** Seconds of nbdcopy from an export to nowhere. */
export async function nbdCopyRun(lab: Lab, { source }: NbdCopy): Promise<Run> {
  const file = await lab.sources.get(source);
  const servers = await both((side) => startNbd(lab, side, file, formatOf(source), true));
  const nbdcopy = findTool('nbdcopy');
  if (nbdcopy === undefined) throw new Error('nbdcopy is not installed');
  return {
    measure: async (side) => (await timed([nbdcopy, servers[side].uri, 'null:'])).milliseconds / 1000,
    warmUp: true,
    repeat: 2,
    statistic: 'median',
    [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
  };
}
