/** Streams and commits whose requests fail, under each policy: what is told, what becomes of the job, and that the chain never suffers. */
import { BlockError, type BlockErrorKind, type OnError } from '@blk/core-graph';
import { expectSameBytes } from '@blk/driver-conformance';
import { tempDir, type TempDir } from '@blk/oracle';
import { expect, it } from 'vitest';
import { imagesAbove, startCommit, startStream, type Job } from '../src/index.js';
import { makeChain, MiB } from './chains.js';
import { Pace, slow } from './slow.js';
import { rig, until, type Rig } from './support.js';

interface Failing {
  readonly rig: Rig;
  readonly pace: Pace;
  start(onError: OnError): Promise<Job>;
  /** The images that are left, and that the guest sees what it saw. */
  check(): Promise<number>;
}

/** A chain of three whose middle image lies on a disk that fails when it is told to. */
async function failing(dir: TempDir, type: 'stream' | 'commit'): Promise<Failing> {
  const first = await makeChain(rig(), dir, [MiB, MiB, MiB], 3);
  await first.close();
  const all = rig(slow);
  const pace = new Pace();
  const device = await all.graph.openBackend({
    driver: 'qcow2',
    file: { driver: 'file', filename: first.files[2] },
    backing: { driver: 'qcow2', file: { driver: 'slow', pace, file: { driver: 'file', filename: first.files[1] } } },
  }, { name: 'drive0' });
  const [, middle, base] = imagesAbove(device.root, undefined) ?? [];
  return {
    rig: all,
    pace,
    start: (onError) =>
      type === 'stream'
        ? startStream(all.jobs, device.root, { id: 'j', onError })
        : startCommit(all.jobs, device.root, { id: 'j', top: middle, base, onError }),
    async check() {
      pace.fail = undefined;
      const bytes = new Uint8Array(MiB);
      await device.read(0, bytes, 0, MiB);
      expectSameBytes(bytes, first.model, 'the disk');
      const left = imagesAbove(device.root, undefined)?.length ?? 0;
      await all.jobs.close();
      await device.close();
      await all.graph.close();
      return left;
    },
  };
}

/** Fails the first data read, and no other. */
function failOnce(pace: Pace, kind: BlockErrorKind): void {
  let failed = false;
  pace.fail = (verb, _offset, length) => {
    if (verb !== 'read' || length < 4096 || failed) return undefined;
    failed = true;
    return new BlockError(kind, 'No luck');
  };
}

const cases = (['stream', 'commit'] as const).flatMap((type) => [
  [type, 'report', 'io', 'Input/output error', 'report'] as const,
  [type, 'ignore', 'io', 'Input/output error', 'ignore'] as const,
  [type, 'enospc', 'io', 'Input/output error', 'report'] as const,
  [type, 'enospc', 'no-space', undefined, 'stop'] as const,
  [type, 'stop', 'io', undefined, 'stop'] as const,
]);

it.each(cases)('%s with the policy %s at an error of kind %s', async (type, policy, kind, error, action) => {
  using dir = tempDir();
  const on = await failing(dir, type);
  failOnce(on.pace, kind);
  const job = await on.start(policy);
  if (action === 'stop') {
    await until(() => job.status === 'paused');
    expect(job.ioStatus).toBe(kind === 'no-space' ? 'nospace' : 'failed');
    job.resume();
  }
  if (error === undefined) await job.done;
  else await expect(job.done).rejects.toThrow(error);
  expect(on.rig.events.filter((line) => line.includes('ERROR'))).toEqual([`j: ERROR read ${action}`]);
  // With an error, the chain is as long as it was.
  expect(await on.check()).toBe(error !== undefined ? 3 : type === 'stream' ? 1 : 2);
});
