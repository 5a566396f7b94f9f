// A command of qemu-io, and of our counterpart, on an encrypted image.
import { rmSync } from 'node:fs';
import type { Lab, Run } from '../lab.js';
import { SECRET } from '../sources.js';
import type { ImageIo } from '../workload.js';
import { timed } from './command.js';

const UNITS = { GiB: 1024, MiB: 1, KiB: 1 / 1024 } as const;

/** MiB a second as the program itself took them: neither its start nor the making of the key is in it. */
export async function imageIoRun(lab: Lab, workload: ImageIo): Promise<Run> {
  const writes = workload.command.startsWith('write');
  const file = writes ? await lab.sources.copy(workload.source, 'written.luks') : await lab.sources.get(workload.source);
  const image = `driver=luks,key-secret=s,file.filename=${file}`;
  return {
    measure: async (side) => {
      const { stdout } = await timed([...lab.programs[side].io, ...SECRET, ...(writes ? ['-t', 'writeback'] : ['-r']), '--image-opts', image, '-c', workload.command]);
      const match = /\(([\d.]+) ([GMK]iB)\/sec/.exec(stdout);
      if (match === null) throw new Error(`no rate in the output of io: ${stdout}`);
      return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
    },
    warmUp: true,
    repeat: 1,
    statistic: 'median',
    [Symbol.asyncDispose]: () => {
      if (writes) rmSync(file, { force: true });
      return Promise.resolve();
    },
  };
}
