/**
 * Failures at every event while a snapshot of a qcow2 image is taken, applied or deleted, once and for good: the disk and the snapshots hold what they
 * have to, and the reference finds leaks at most. Where the disk goes away between two writes of one change, marks may be wrong as well: those of
 * version 3 say that they are, and the reference puts them right.
 */
import { applySnapshot, DEBUG_EVENTS, deleteSnapshot, takeSnapshot, type BlockNode, type DebugEvent } from '@blk/core-graph';
import { MemoryDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, qemuIo, skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Bench, write } from './support.js';

const SIZE = 1 << 20;
const OLD = 1;

/** Between two writes of which one is of no use without the other. */
const BETWEEN: readonly DebugEvent[] = ['l2_update', 'l1_update'];

/** What is written afterwards: where snapshots lie as well. */
const AFTER = { offset: 90 << 10, length: 40 << 10, value: 5 };

/** How many requests fail. */
const WAYS = ['once', 'twice', 'for good'] as const;

const CHANGES = {
  create: async (node) => void (await takeSnapshot(node, { name: 'new', dateSec: 1, dateNsec: 0 })),
  apply: (node) => applySnapshot(node, '1'),
  delete: (node) => deleteSnapshot(node, '1'),
} satisfies Record<string, (node: BlockNode) => Promise<void>>;

/** Those that come meanwhile. */
const EVENTS: Readonly<Record<keyof typeof CHANGES, readonly DebugEvent[]>> = {
  create: ['l1_update', 'l2_load', 'l2_update', 'refblock_load', 'refblock_update', 'refblock_update_part', 'refblock_alloc', 'cluster_alloc', 'cluster_free', 'pwritev', 'pwritev_done'],
  apply: ['l2_load', 'refblock_load', 'refblock_update', 'refblock_update_part', 'refblock_alloc', 'cluster_alloc', 'cluster_free', 'pwritev', 'pwritev_done'],
  delete: ['l1_update', 'l2_load', 'l2_update', 'refblock_load', 'refblock_update', 'refblock_update_part', 'cluster_free', 'pwritev', 'pwritev_done'],
};

const oracle = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(oracle.skip)(oracle.title('failures while a snapshot changes'), () => {
  describe.each(['v2', 'v3'])('an image of %s', (compat) => {
    it.each(Object.keys(CHANGES) as (keyof typeof CHANGES)[])('%s', { timeout: 240_000 }, async (change) => {
      using directory = tempDir();
      const bench = new Bench();
      const original = await imageWith(bench, compat);
      const came = new Set<DebugEvent>();
      for (const event of DEBUG_EVENTS) {
        for (const way of WAYS) {
          try {
            if (await attempt(bench, original, { change, event, way, compat }, directory.file('image'))) came.add(event);
          } catch (error) {
            throw new Error(`${event}, ${way}: ${(error as Error).message}`, { cause: error });
          }
        }
      }
      expect([...came]).toEqual(EVENTS[change]);
    });
  });
});

/** The image, and the bytes of its disk and of its one snapshot. */
interface Original {
  readonly image: Uint8Array;
  readonly disk: Uint8Array;
  readonly old: Uint8Array;
}

async function imageWith(bench: Bench, compat: string): Promise<Original> {
  const disk = await bench.create(SIZE, { cluster_size: 1024, compat });
  const node = await bench.open(disk);
  const bytes = new Uint8Array(SIZE);
  const fill = async (offset: number, length: number, value: number): Promise<void> => {
    await write(node, offset, length, value);
    bytes.fill(value, offset, offset + length);
  };
  await fill(0, 300 << 10, 1);
  await fill(700 << 10, 100 << 10, 2);
  await takeSnapshot(node, { name: 'old', dateSec: OLD, dateNsec: 0 });
  const old = bytes.slice();
  await fill(100 << 10, 90 << 10, 3);
  await fill(900 << 10, 60 << 10, 4);
  await bench.graph.release(node);
  return { image: disk.toBytes(), disk: bytes, old };
}

interface Attempt {
  readonly change: keyof typeof CHANGES;
  readonly event: DebugEvent;
  readonly way: (typeof WAYS)[number];
  readonly compat: string;
}

/** Whether the event came at all. */
async function attempt(bench: Bench, original: Original, { change, event, way, compat }: Attempt, file: string): Promise<boolean> {
  const disk = new MemoryDisk({ content: original.image });
  const setState = [{ event, state: 1, new_state: 2 }];
  const one = { event, state: 1, once: true };
  const failures = way === 'once' ? [one] : way === 'twice' ? [one, one] : DEBUG_EVENTS.map((each) => ({ event: each, state: 2 }));
  const node = await bench.open(disk, { 'set-state': setState, 'inject-error': failures }).catch(() => undefined);
  bench.raised.clear();
  if (node === undefined) return false;
  const failed = await CHANGES[change](node).then(() => false, () => true);
  const came = bench.raised.has(event);
  const written = await write(node, AFTER.offset, AFTER.length, AFTER.value).then(() => true, () => false);
  await bench.graph.release(node).catch(() => undefined);
  if (!came) return false;
  writeFileSync(file, disk.toBytes());
  await expectSound(file, way !== 'for good' || !BETWEEN.includes(event) ? 'leaks' : compat === 'v3' ? 'to be put right' : 'marks');
  await expectStates(file, original, { change, failed, written });
  return true;
}

/** What the reference's check says. */
async function expectSound(file: string, at: 'leaks' | 'to be put right' | 'marks'): Promise<void> {
  const lines = async (): Promise<string[]> => {
    const { stderr } = await qemuImg('check', '-f', 'qcow2', file);
    return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('Leaked cluster '));
  };
  // The reference counts anew when it opens an image for writing that says that it was not closed.
  if (at === 'to be put right') await qemuIo(file, ['flush'], { format: 'qcow2' });
  const wrong = (await lines()).filter((line) => at !== 'marks' || !line.startsWith('ERROR OFLAG_COPIED '));
  if (wrong.length > 0) throw new Error(`qemu-img check, ${at}: ${wrong.slice(0, 3).join('; ')}`);
}

/** The disk, and each snapshot that is listed. What failed happened as a whole, or did not. */
async function expectStates(file: string, { disk, old }: Original, { change, failed, written }: { change: keyof typeof CHANGES; failed: boolean; written: boolean }): Promise<void> {
  const { stdout } = await qemuImg('snapshot', '-l', file);
  const has = { old: / old /.test(stdout), new: / new /.test(stdout) };
  if (!failed) expect(has).toEqual({ old: change !== 'delete', new: change === 'create' });
  if (change !== 'delete') expect(has.old).toBe(true);
  const now = (before: Uint8Array): Uint8Array => (written ? before.slice().fill(AFTER.value, AFTER.offset, AFTER.offset + AFTER.length) : before);
  const applied = change === 'apply' && (!failed || (await expectContent(file, 'qcow2', now(old)).then(() => true, () => false)));
  await expectContent(file, 'qcow2', now(applied ? old : disk));
  if (has.old) await expectSnapshot(file, 'old', old);
  if (has.new) await expectSnapshot(file, 'new', disk);
}

async function expectSnapshot(file: string, name: string, bytes: Uint8Array): Promise<void> {
  await qemuImg('convert', '-f', 'qcow2', '-l', `snapshot.name=${name}`, '-O', 'raw', file, `${file}.snapshot`);
  await expectContent(`${file}.snapshot`, 'raw', bytes);
}
