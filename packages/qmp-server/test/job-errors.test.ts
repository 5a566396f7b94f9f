/** Error policies of each kind of job, beside the reference: what fails once is reported, ignored, or stops the job until it is resumed. */
import { allDrivers } from '@blk/drivers-all';
import { createImage, qemuIo, skipUnless, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import type { Message } from './support.js';
import { bothWithEvents, withoutDrains, type Move } from './with-events.js';

const tools = skipUnless('qemu-storage-daemon', 'qemu-img', 'qemu-io');
const EIO = 5;
const ENOSPC = 28;

async function images(dir: TempDir): Promise<void> {
  await createImage(dir.file('base.qcow2'), 'qcow2', '4M');
  await qemuIo(dir.file('base.qcow2'), ['write -P 1 0 4M'], { format: 'qcow2' });
  await createImage(dir.file('o.qcow2'), 'qcow2', '4M', '-b', dir.file('base.qcow2'), '-F', 'qcow2');
  await qemuIo(dir.file('o.qcow2'), ['write -P 2 0 1M'], { format: 'qcow2' });
  await createImage(dir.file('t.qcow2'), 'qcow2', '4M');
}

type Side = 'source' | 'target';

function open(dir: TempDir, name: string, errno: number | undefined, event: string): Move {
  const file = { driver: 'file', filename: dir.file(`${name}.qcow2`) };
  const failing = { driver: 'blkdebug', image: file, 'inject-error': [{ event, errno, once: true }] };
  return ['blockdev-add', { driver: 'qcow2', 'node-name': name, file: errno === undefined ? file : failing }];
}

const STARTS: Readonly<Record<string, (policy: string) => Move>> = {
  mirror: (policy) => ['blockdev-mirror', { 'job-id': 'j', device: 'o', target: 't', sync: 'full', 'on-source-error': policy, 'on-target-error': policy, 'buf-size': 65536 }],
  backup: (policy) => ['blockdev-backup', { 'job-id': 'j', device: 'o', target: 't', sync: 'full', 'on-source-error': policy, 'on-target-error': policy }],
  commit: (policy) => ['block-commit', { 'job-id': 'j', device: 'o', 'on-error': policy }],
};

/** What is waited for, and asked, until the job is over. */
function course(kind: string, policy: string, errno: number): readonly Move[] {
  const stops = policy === 'stop' || (policy === 'enospc' && errno === ENOSPC);
  const toTheEnd: readonly Move[] = kind === 'backup' ? [] : [{ wait: 'BLOCK_JOB_READY' }, ['block-job-complete', { device: 'j' }]];
  if (stops) return [{ wait: 'BLOCK_JOB_ERROR' }, { wait: 'paused' }, ['query-block-jobs'], ['block-job-resume', { device: 'j' }], ...toTheEnd, { wait: 'null' }];
  return [...(policy === 'ignore' ? toTheEnd : []), { wait: 'null' }];
}

const CASES = Object.keys(STARTS).flatMap((kind) =>
  (['source', 'target'] as const).flatMap((side) =>
    ([['report', EIO], ['ignore', EIO], ['stop', EIO], ['enospc', EIO], ['enospc', ENOSPC]] as const).map(([policy, errno]) => ({ kind, side, policy, errno })),
  ),
  // A commit has no other target than the chain; and the reference, told to ignore errors, makes a backup with gaps.
).filter(({ kind, side, policy }) => !(kind === 'commit' && side === 'target') && !(kind === 'backup' && policy === 'ignore'));

/** How far it was when it failed depends on how many pieces were under way. */
function plain(events: readonly Message[]): unknown[] {
  return withoutDrains(events).map(({ event, data }) => ({ event, ...(data as object), offset: 0, len: 0 }));
}

const jobsOf = (replies: readonly Message[]): unknown[] =>
  replies.map((reply) => {
    if (!Array.isArray(reply.return)) return reply;
    return (reply.return as Message[]).map(({ status, paused, ready, 'io-status': io }) => ({ status, paused, ready, io }));
  });

describe.skipIf(tools.skip)(tools.title('a job whose I/O fails once, beside the reference'), () => {
  it.each(CASES)('$kind, $side: $policy, errno $errno', async ({ kind, side, policy, errno }) => {
    const fails = (which: Side): number | undefined => (side === which ? errno : undefined);
    const script = (dir: TempDir): readonly Move[] => [
      open(dir, 'o', fails('source'), 'read_aio'), open(dir, 't', fails('target'), 'write_aio'), STARTS[kind](policy), ...course(kind, policy, errno), ['query-block-jobs'],
    ];
    const { ours, theirs } = await bothWithEvents(images, script, { drivers: allDrivers });
    expect(jobsOf(ours.replies)).toEqual(jobsOf(theirs.replies));
    expect(plain(ours.events)).toEqual(plain(theirs.events));
    expect(plain(ours.events)).toContainEqual(expect.objectContaining({ event: 'BLOCK_JOB_ERROR', operation: side === 'source' ? 'read' : 'write' }));
  });
});
