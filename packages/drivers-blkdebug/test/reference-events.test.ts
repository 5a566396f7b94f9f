/**
 * Which events a format raises, and by which request it does so first, beside the reference. A rule lets reads fail from its event on, and
 * a read of data behind each request finds out; the rules about events that a format has none of are tried all at once.
 */
import { BlockGraph, DEBUG_EVENTS, type Definition } from '@blk/core-graph';
import { MemoryDisks } from '@blk/driver-conformance';
import { needTool, qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { copyFileSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blkdebug } from '../src/index.js';
import { CASES, type EventCase } from './event-cases.js';
import { FORMATS } from './formats.js';
import { commandOf, perform, type Request } from './requests.js';

/** Data that is there from the beginning. */
const PROBE: Request = ['read', 96 * 1024, 512];
const SIZE = 8 << 20;

interface Files {
  readonly image: string;
  readonly base: string;
  readonly back: string;
}

type Events = readonly (typeof DEBUG_EVENTS)[number][];

/** For each request, whether the read behind it failed; one `undefined` where the image could not even be opened. */
type Probes = readonly (boolean | undefined)[];

const rulesOf = (events: Events): Definition => ({ 'inject-error': events.map((event) => ({ event, iotype: 'read', errno: 28 })) });

async function theirs({ format, debug = {}, requests }: EventCase, { image }: Files, events: Events): Promise<Probes> {
  const disk = { driver: 'file', filename: image, discard: 'unmap' };
  const definition = { driver: format, discard: 'unmap', file: { driver: 'blkdebug', discard: 'unmap', image: disk, ...debug, ...rulesOf(events) } };
  // The length, on a line of its own, comes before each read that is looked at.
  const commands = requests.flatMap((request) => [commandOf(request), 'flush', 'length', commandOf(PROBE)]);
  const { stdout } = await run(needTool('qemu-io'), ['-t', 'writeback', '-d', 'unmap', ...commands.flatMap((command) => ['-c', command]), `json:${JSON.stringify(definition)}`]);
  if (stdout === '') return [undefined];
  return stdout.split(/^[\d.]+ [KMG]iB\n/m).slice(1).map((text) => text.startsWith('read failed'));
}

async function ours({ format, backing, debug = {}, requests }: EventCase, { image, back }: Files, events: Events): Promise<Probes> {
  const disks = new MemoryDisks();
  disks.put('image', { content: new Uint8Array(readFileSync(image)) });
  const graph = new BlockGraph({ drivers: [disks.driver, blkdebug, ...FORMATS.map(({ driver }) => driver)], host: { warn: () => undefined } });
  if (backing !== undefined) disks.put('back', { content: new Uint8Array(readFileSync(back)) });
  const below = backing === undefined ? {} : { backing: { driver: backing, file: { driver: 'memory', filename: 'memory:back' } } };
  const disk = { driver: 'memory', filename: 'memory:image', discard: 'unmap' };
  const file = { driver: 'blkdebug', discard: 'unmap', image: disk, ...debug, ...rulesOf(events) };
  const node = await graph.open({ driver: format, discard: 'unmap', file, ...below }).catch(() => undefined);
  if (node === undefined) return [undefined];
  const probes: boolean[] = [];
  for (const request of requests) {
    await perform(node, request);
    await perform(node, ['flush', 0, 0]);
    probes.push((await perform(node, PROBE)) !== undefined);
  }
  await graph.close().catch(() => undefined);
  return probes;
}

/** The request by which an event came first. */
function first(probes: Probes, { requests }: EventCase): string {
  const at = probes.findIndex((failed) => failed !== false);
  if (at < 0) return 'never';
  return probes[at] === undefined ? 'when it is opened' : `${at}: ${commandOf(requests[at])}`;
}

async function make({ format, create = {}, backing, setUp = [] }: EventCase, { base, back }: Files): Promise<void> {
  const options = Object.entries(create).flatMap(([name, value]) => ['-o', `${name}=${value === true ? 'on' : value}`]);
  const below = backing === undefined ? [] : ['-b', back, '-F', backing];
  if (backing !== undefined) {
    await qemuImg('create', '-q', '-f', backing, back, String(SIZE / 2));
    await run(needTool('qemu-io'), ['-f', backing, '-c', `write -q 0 ${SIZE / 2}`, back]);
  }
  await qemuImg('create', '-q', '-f', format, ...options, ...below, base, String(SIZE));
  await run(needTool('qemu-io'), ['-f', format, '-c', 'write -q 64k 64k', base]);
  for (const words of setUp) await qemuImg(...words, base);
}

const tools = skipUnless('qemu-io', 'qemu-img');
describe.skipIf(tools.skip)(tools.title('events beside the reference'), () => {
  it.each(CASES.map((each) => [each.title, each] as const))('%s', { timeout: 120_000 }, async (_title, each) => {
    using directory = tempDir();
    const files = { image: directory.file('image'), base: directory.file('base'), back: directory.file('back') };
    await make(each, files);
    const both = async (events: Events): Promise<{ readonly ours: string; readonly theirs: string }> => {
      copyFileSync(files.base, files.image);
      const mine = first(await ours(each, files, events), each);
      return { ours: mine, theirs: first(await theirs(each, files, events), each) };
    };
    const differs = new Set<string>(Object.keys(each.differs ?? {}));
    const found: unknown[] = [];
    for (const event of each.events) {
      const came = await both([event]);
      const same = came.ours === came.theirs && came.ours !== 'never';
      if (same === differs.has(event)) found.push({ event, ...came });
    }
    const others = await both(DEBUG_EVENTS.filter((event) => !each.events.includes(event)));
    expect({ found, others }).toEqual({ found: [], others: { ours: 'never', theirs: 'never' } });
  });
});
