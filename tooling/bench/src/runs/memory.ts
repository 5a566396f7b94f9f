// Resident memory, as the kernel counts it.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fioNbd, nbdinfo, start, type Running } from '@blk/oracle';
import type { Lab, Run } from '../lab.js';
import { formatOf } from '../sources.js';
import type { Memory, Side } from '../workload.js';
import { startDaemon, startNbd } from './server.js';

/** MiB; every round is a process of its own. */
export async function memoryRun(lab: Lab, { what, source }: Memory): Promise<Run> {
  const file = await lab.sources.get(source);
  const format = formatOf(source);
  const copies = { ours: '', reference: '' };
  if (what === 'nbd-loaded') {
    for (const side of ['ours', 'reference'] as const) copies[side] = await lab.sources.copy(source, `${side}.${format}`);
  }
  const measures: Record<Memory['what'], (side: Side) => Promise<number>> = {
    'nbd-idle': async (side) => {
      await using server = await startNbd(lab, side, file, format, true);
      await nbdinfo(server.uri);
      return mebibytes(server, 'VmRSS');
    },
    'daemon-idle': async (side) => {
      await using server = await startDaemon(lab, side, file, format);
      await nbdinfo(server.uri);
      return mebibytes(server, 'VmRSS');
    },
    'nbd-loaded': async (side) => {
      await using server = await startNbd(lab, side, copies[side], format);
      for (const rw of ['read', 'write'] as const) {
        await fioNbd({ uri: server.uri, rw, bs: 1024 * 1024, iodepth: 32, runtime: lab.runtime });
      }
      return mebibytes(server, 'VmHWM');
    },
    'convert-peak': async (side) => {
      const target = join(lab.dir, `${side}-target`);
      rmSync(target, { force: true });
      const [program, ...words] = lab.programs[side].img;
      await using process = await start(program, [...words, 'convert', '-f', format, '-O', 'qcow2', file, target]);
      process.process.stdout.resume();
      const peak = await highest(process);
      rmSync(target, { force: true });
      if ((await process.exited) !== 0) throw new Error(`convert failed: ${process.stderr()}`);
      return peak;
    },
  };
  return {
    measure: measures[what],
    warmUp: false,
    repeat: 1,
    statistic: 'median',
    [Symbol.asyncDispose]: () => {
      for (const copy of Object.values(copies)) if (copy !== '') rmSync(copy, { force: true });
      return Promise.resolve();
    },
  };
}

/** Watches the high-water mark until the process has ended; what the last few milliseconds add is lost. */
async function highest(process: Running): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => {
    try {
      peak = Math.max(peak, mebibytes(process, 'VmHWM'));
    } catch {
      // It has just ended.
    }
  }, 5);
  await process.exited;
  clearInterval(timer);
  return peak;
}

function mebibytes({ pid }: Running, field: 'VmRSS' | 'VmHWM'): number {
  const match = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (match === null) throw new Error(`process ${pid} has no ${field}`);
  return Number(match[1]) / 1024;
}
