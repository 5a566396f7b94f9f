// Backups of a disk in use: a full one and increments, each of which has to restore the moment at which it was started.
import { qemuImg, type Prng } from '@blk/oracle';
import { DEVICE, type Disk } from './disk.js';
import type { Guest } from './guest.js';

const BITMAP = 'changes';

/** A backup that came to a good end, and the disk at its moment. */
export interface Restorable {
  readonly file: string;
  readonly content: Buffer;
}

/**
 * Takes a full backup and `count` increments, disturbed on the way: some are cancelled, and what they would have copied has to be in
 * the next one. Returns those that came to their end, in order; each has the one before as its backing file.
 */
export async function backups(disk: Disk, guest: Guest, random: Prng, count: number): Promise<Restorable[]> {
  const made: Restorable[] = [];
  const full = disk.file('full');
  const moment = await guest.quiet(async () => {
    await disk.qmp.execute('transaction', {
      actions: [
        { type: 'block-dirty-bitmap-add', data: { node: DEVICE, name: BITMAP, granularity: random.pick([512, 4096, 65536]) } },
        { type: 'drive-backup', data: { device: DEVICE, target: full, format: 'qcow2', sync: 'full', speed: random.pick([0, 4_000_000]) } },
      ],
    });
    return Buffer.from(guest.model);
  });
  await guest.goOn(50);
  if (!(await ended(disk, false))) throw new Error('the full backup failed');
  made.push({ file: full, content: moment });
  for (let step = 0; step < count; step++) {
    await guest.goOn(20 + random.below(60));
    const file = disk.file('increment');
    const before = made[made.length - 1].file;
    const { code, stderr } = await qemuImg('create', '-q', '-f', 'qcow2', '-b', before, '-F', 'qcow2', file);
    if (code !== 0) throw new Error(stderr);
    const words = { device: DEVICE, target: file, format: 'qcow2', mode: 'existing', sync: 'incremental', bitmap: BITMAP, speed: random.pick([0, 1_000_000]) };
    const content = await guest.quiet(async () => {
      await disk.qmp.execute('drive-backup', words);
      return Buffer.from(guest.model);
    });
    await guest.goOn(30);
    if (await ended(disk, random.below(3) === 0)) made.push({ file, content });
  }
  return made;
}

/** Waits for the job's end, or cancels it on its way; whether it came to a good end. */
async function ended(disk: Disk, cancel: boolean): Promise<boolean> {
  if (cancel) await disk.attempt('block-job-cancel', { device: DEVICE });
  await disk.finishJobs();
  const ends = disk.qmp.events.filter(({ event }) => event === 'BLOCK_JOB_COMPLETED' || event === 'BLOCK_JOB_CANCELLED');
  const last = ends[ends.length - 1];
  const { error } = last['data'] as { error?: string };
  if (error !== undefined) throw new Error(`a backup failed: ${error}`);
  return last['event'] === 'BLOCK_JOB_COMPLETED';
}
