/**
 * Failures at every event during random changes, in every format: what the image holds afterwards is what was written, the reference reads the
 * same from it, and finds its metadata sound.
 */
import { DEBUG_EVENTS, type DebugEvent, type Definition } from '@blk/core-graph';
import type { MemoryDisk } from '@blk/driver-conformance';
import { expectContent, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RAISED } from './event-cases.js';
import { FORMATS, type FormatCase } from './formats.js';
import { changeAtRandom, Model, type Guest } from './random-writes.js';
import { Bench } from './support.js';

/** Kinds of errors: of the disk, full, not to be done that way, another time. */
const ERRNOS = [5, 28, 95, 11];

/** Clusters are short, so that tables change often. */
const CREATE: Readonly<Record<string, Record<string, unknown>>> = {
  qcow2: { cluster_size: 1024, refcount_bits: 64 },
  qed: { cluster_size: 4096, table_size: 2 },
  parallels: { cluster_size: 65_536 },
};

const GUESTS: Readonly<Record<string, Guest>> = {
  qcow: { pack: 4096 },
  qcow2: {
    pack: 1024,
    others: [
      ({ driver }) => driver.writeVmState?.(0, new Uint8Array(3000).fill(1), 0, 3000),
      ({ driver }) => driver.readVmState?.(0, new Uint8Array(1000), 0, 1000),
      (node) => node.truncate(node.size + (1 << 20)),
    ],
  },
};

const tools = skipUnless('qemu-img');

describe.skipIf(tools.skip)(tools.title('failures at every event'), () => {
  it.each(FORMATS.map((each) => [each.driver.name, each] as const))('leave %s in order, with what was written', { timeout: 240_000 }, async (_name, format) => {
    using directory = tempDir();
    const expected = RAISED[format.driver.name];
    const raised = new Set<DebugEvent>();
    for (const [index, event] of DEBUG_EVENTS.entries()) {
      // One that does not come changes nothing, once or always.
      const ways = [[true, false], [true, true], [false, false], [false, true]].slice(0, expected.includes(event) ? 4 : 1);
      for (const [at, [once, immediately]] of ways.entries()) {
        const attempt = { event, once, immediately, errno: ERRNOS[(index + at) % ERRNOS.length], seed: index * 4 + at };
        try {
          if (await attemptOne(format, attempt, directory.file('image'))) raised.add(event);
        } catch (error) {
          throw new Error(`${format.driver.name}, ${JSON.stringify(attempt)}: ${(error as Error).message}`, { cause: error });
        }
      }
    }
    expect([...raised].sort()).toEqual([...expected].sort());
  });
});

interface Attempt {
  readonly event: DebugEvent;
  readonly once: boolean;
  readonly immediately: boolean;
  readonly errno: number;
  readonly seed: number;
}

/** Whether the event came at all; if not, nothing is asked of the reference. */
async function attemptOne(format: FormatCase, { event, once, immediately, errno, seed }: Attempt, file: string): Promise<boolean> {
  const { name } = format.driver;
  const bench = new Bench();
  const disk = await bench.create(format.size, { ...format.create, ...CREATE[name] }, name);
  const model = new Model(format.size);
  // Half of the images were written to before; failures come in the middle of a session.
  if (seed % 2 === 0) await session(bench, disk, name, {}, seed, model);
  const state = once ? 1 : 2;
  const rules = { 'set-state': [{ event, state: 1, new_state: 2 }], 'inject-error': [{ event, state, once, immediately, errno }] };
  bench.raised.clear();
  await session(bench, disk, name, rules, seed + 1000, model);
  const came = bench.raised.has(event);
  const bytes = await contentOf(bench, disk, name);
  model.check(bytes, 0, 'stored');
  if (came) await askReference(name, disk, file, bytes);
  return came;
}

async function session(bench: Bench, disk: MemoryDisk, format: string, rules: Definition, seed: number, model: Model): Promise<void> {
  const node = await bench.open(disk, rules, { driver: format }).catch(() => undefined);
  if (node === undefined) return;
  await changeAtRandom(node, seed, model, GUESTS[format] ?? {});
  if (await bench.graph.release(node).then(() => true, () => false)) model.settle();
}

async function contentOf(bench: Bench, disk: MemoryDisk, format: string): Promise<Uint8Array> {
  const node = await bench.graph.open({ driver: format, file: disk.definition }, { readOnly: true });
  const bytes = new Uint8Array(node.size);
  await node.read(0, bytes, 0, bytes.length);
  await bench.graph.release(node);
  return bytes;
}

const CHECKED = new Set(['qcow2', 'qed', 'vdi', 'vmdk', 'vhdx', 'parallels']);
/** What a failure may leave: room that nobody uses, a log to be replayed, the mark of an image that was not closed. */
const HARMLESS = /^$|^Leaked cluster |^ERROR image was not closed|^ERROR space leaked|^Repairing |leak/;

async function askReference(format: string, disk: MemoryDisk, file: string, bytes: Uint8Array): Promise<void> {
  writeFileSync(file, disk.toBytes());
  if (CHECKED.has(format)) {
    const { code, stdout, stderr } = await qemuImg('check', ...(format === 'vhdx' ? ['-r', 'all'] : []), '-f', format, file);
    const wrong = stderr.split('\n').filter((line) => !HARMLESS.test(line));
    const bad = format === 'parallels' ? wrong.length > 0 : code !== 0 && code !== 3;
    if (bad) throw new Error(`qemu-img check: ${code} ${stderr}${stdout}`);
  }
  await expectContent(file, format, bytes);
}
