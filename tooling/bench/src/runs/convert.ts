// Whole images, by convert. Both results are compared with the source afterwards.
import { copyFileSync, chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { needTool, qemuImg, run } from '@blk/oracle';
import type { Lab, Run } from '../lab.js';
import { formatOf, isDirectory } from '../sources.js';
import type { Convert, Side } from '../workload.js';
import { fill, timed } from './command.js';
import { startOrigin } from './server.js';

/** Seconds of one convert, the program's start included. */
export async function convertRun(lab: Lab, workload: Convert): Promise<Run> {
  const path = await lab.sources.get(workload.source);
  const source = isDirectory(workload.source) ? `fat:${path}` : path;
  const from = formatOf(workload.source);
  const existing = workload.target === 'existing';
  const target = (side: Side): string => join(lab.dir, `${side}-target.${workload.to}`);
  if (existing) {
    // Of the right size, all of it allocated and in memory.
    const model = from === workload.to ? source : await lab.sources.get(workload.source.startsWith('long.') ? 'long.raw' : 'long-text.raw');
    for (const side of ['ours', 'reference'] as const) {
      copyFileSync(model, target(side));
      chmodSync(target(side), 0o644);
    }
  }
  const origin = workload.over === undefined ? undefined : await startOrigin(lab, workload.over, source);
  return {
    measure: async (side) => {
      if (!existing) rmSync(target(side), { force: true });
      const words = ['convert', '-f', from, '-O', workload.to, ...(existing ? ['-n'] : []), ...fill(workload.words), ...(side === 'reference' ? fill(workload.peerWords ?? '') : []), origin?.uri ?? source, target(side)];
      return (await timed([...lab.programs[side].img, ...words])).milliseconds / 1000;
    },
    warmUp: true,
    repeat: 1,
    statistic: existing ? 'median' : 'min',
    verify: async (side) => {
      // Each side has a disk of its own, with the same files.
      if (isDirectory(workload.source)) return sameFiles(path, target(side), side);
      const { code, stdout, stderr } = await qemuImg('compare', '-f', from, '-F', workload.to, source, target(side));
      if (code !== 0) throw new Error(`the ${side === 'ours' ? 'image that we' : 'image that the reference'} converted differs: ${stdout}${stderr}`);
    },
    [Symbol.asyncDispose]: async () => {
      for (const side of ['ours', 'reference'] as const) rmSync(target(side), { force: true });
      await origin?.stop();
    },
  };
}

/** Throws where the partition of a disk does not hold the files of a directory. */
async function sameFiles(dir: string, disk: string, side: Side): Promise<void> {
  const files = `${disk}.files`;
  mkdirSync(files);
  try {
    await run(needTool('mtools'), ['-c', 'mcopy', '-i', `${disk}@@${FIRST_TRACK}`, '-s', '-Q', '::/', files]);
    const { code, stdout } = await run('diff', ['-r', '-q', dir, files]);
    if (code !== 0) throw new Error(`the disk that ${side === 'ours' ? 'we' : 'the reference'} made of a directory holds other files: ${stdout.slice(0, 1000)}`);
  } finally {
    rmSync(files, { recursive: true, force: true });
  }
}

/** Bytes in front of the partition. */
const FIRST_TRACK = 63 * 512;
