/** The same rules and requests for qemu-io and for us: what fails, and how. */
import { BlockGraph, strerror, errnoOf, type BlockNode, type Completion } from '@blk/core-graph';
import { MemoryDisks } from '@blk/driver-conformance';
import { raw } from '@blk/drivers-raw';
import { qemuImg, run, needTool, skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blkdebug } from '../src/index.js';

const SIZE = 1 << 20;
const REQUESTS: Record<string, (node: BlockNode) => Completion> = {
  'read 0 512': (node) => node.read(0, new Uint8Array(512), 0, 512),
  'read 0 8k': (node) => node.read(0, new Uint8Array(8192), 0, 8192),
  'read 1k 1k': (node) => node.read(1024, new Uint8Array(1024), 0, 1024),
  'write 0 512': (node) => node.write(0, new Uint8Array(512).fill(205), 0, 512),
  'write 1k 1k': (node) => node.write(1024, new Uint8Array(1024).fill(205), 0, 1024),
  'write -z 0 4k': (node) => node.writeZeroes(0, 4096),
  'discard 0 4k': (node) => node.discard(0, 4096),
};
const ALL = Object.keys(REQUESTS);

const cases: readonly (readonly [string, object, readonly string[]])[] = [
  ['everything', { 'inject-error': [{ event: 'none' }] }, ALL],
  ['a sector', { 'inject-error': [{ event: 'none', sector: 3 }] }, ALL],
  ['writes', { 'inject-error': [{ event: 'none', iotype: 'write', errno: 28 }] }, ALL],
  ['zeroes', { 'inject-error': [{ event: 'none', iotype: 'write-zeroes' }] }, ALL],
  ['discards', { 'inject-error': [{ event: 'none', iotype: 'discard' }] }, ALL],
  ['one read each', { 'inject-error': [{ event: 'read_aio', once: true }, { event: 'read_aio', errno: 28, once: true }] }, [...ALL, ...ALL]],
  ['after a read', { 'inject-error': [{ event: 'read_aio' }, { event: 'write_aio', errno: 28 }] }, ALL],
  ['from the second write on', { 'set-state': [{ event: 'pwritev', state: 1, new_state: 2 }], 'inject-error': [{ event: 'pwritev', state: 2 }] }, ALL],
  ['of two states the first', { 'set-state': [{ event: 'read_aio', new_state: 2 }, { event: 'read_aio', new_state: 3 }], 'inject-error': [{ event: 'read_aio', state: 2, errno: 28 }, { event: 'read_aio', state: 3 }] }, ALL],
  ['zero writes', { 'inject-error': [{ event: 'pwritev_zero', once: true }] }, ALL],
  ['an errno without a name', { 'inject-error': [{ event: 'none', errno: 9999 }] }, ['read 0 512']],
  ['no errno', { 'inject-error': [{ event: 'none', errno: 0 }] }, ALL],
];

const tools = skipUnless('qemu-io');

describe('beside the reference', () => {
  it.skipIf(tools.skip).each(cases)(tools.title('rules about %s'), async (_name, options, requests) => {
    using directory = tempDir();
    const file = join(directory.path, 'disk');
    writeFileSync(file, new Uint8Array(SIZE));
    const definition = { driver: 'raw', file: { driver: 'blkdebug', image: { driver: 'file', filename: file }, ...options } };
    const commands = requests.flatMap((request) => ['-c', request]);
    const { stdout, stderr } = await run(needTool('qemu-io'), ['-t', 'writeback', '-d', 'unmap', ...commands, `json:${JSON.stringify(definition)}`]);
    const theirs = `${stdout}${stderr}`.split('\n').filter((line) => /failed: |at offset/.test(line)).map((line) => /failed: (.*)/.exec(line)?.[1] ?? 'done');
    expect(await ourOutcomes(options, requests)).toEqual(theirs);
  });

  it.skipIf(tools.skip)(tools.title('a file of rules, by name, and its errors'), async () => {
    using directory = tempDir();
    const file = join(directory.path, 'disk');
    const rules = join(directory.path, 'rules');
    writeFileSync(file, new Uint8Array(SIZE));
    for (const [text, message] of [
      ['[inject-error]\nevent = "bogus"\n', 'invalid parameter value: bogus'],
      ['[inject-error]\nerrno = "5"\n', 'Missing event name for rule'],
      ['[inject-error]\nevent = "none"\nfoo = "1"\n', "Invalid parameter 'foo'"],
      ['[bogus]\n', "There is no option group 'bogus'"],
      ['x = "1"\n', 'no group defined'],
    ]) {
      writeFileSync(rules, text);
      const name = `blkdebug:${rules}:${file}`;
      const { stderr } = await qemuImg('info', name);
      expect(stderr).toBe(`qemu-img: Could not open '${name}': ${message}\n`);
      await expect(graphOf().graph.open({ driver: 'blkdebug', config: rules, image: { driver: 'memory', filename: 'memory:disk' } })).rejects.toMatchObject({ message });
    }
  });
});

/** Of options that are odd: whether they are taken, and what the reference says where they are not. */
const ODD: readonly object[] = [
  ...[[], {}, '', 5, true, [null], [{}], [[]], ['x'], [{ event: 'none' }, []], { 1: { event: 'none' } }, { 0: { event: 'none' }, 2: { event: 'none' } }].flatMap((list) => [
    { 'inject-error': list },
    { 'set-state': list },
  ]),
  ...[
    { event: null }, { event: '' }, { event: 5 }, { event: 'nosuch' }, { event: 'READ_AIO' }, { event: 'l1_shrink_write_table' }, { event: 'l1_shrink_free_l2_clusters' },
    { event: 'cluster_alloc_space' },
  ].map((rule) => ({ 'inject-error': [rule] })),
  ...[
    { errno: 'EIO' }, { errno: 1.5 }, { errno: null }, { errno: true }, { errno: -5 }, { sector: 'x' }, { sector: null }, { sector: 100_000 }, { sector: 2 ** 52 }, { state: -1 }, { state: 'x' },
    { once: null }, { once: 'on' }, { once: 1 }, { once: 'maybe' }, { immediately: null }, { immediately: 'x' }, { iotype: null }, { iotype: 'foo' }, { iotype: 5 }, { iotype: '' }, { new_state: 3 }, { foo: 1 },
  ].map((members) => ({ 'inject-error': [{ event: 'none', iotype: 'discard', ...members }] })),
  ...[{}, { new_state: null }, { new_state: 'x' }, { new_state: -1 }].map((members) => ({ 'set-state': [{ event: 'read_aio', ...members }] })),
];

describe('odd options', () => {
  it.skipIf(tools.skip).each(ODD.map((options) => [JSON.stringify(options), options] as const))(tools.title('%s'), async (_name, options) => {
    using directory = tempDir();
    const file = join(directory.path, 'disk');
    writeFileSync(file, new Uint8Array(SIZE));
    const name = `json:${JSON.stringify({ driver: 'blkdebug', image: { driver: 'file', filename: file }, ...options })}`;
    const { code, stderr } = await qemuImg('info', name);
    const { graph } = graphOf();
    const opened = await graph.open({ driver: 'blkdebug', image: { driver: 'memory', filename: 'memory:disk' }, ...options }).then(() => '', (error: unknown) => (error as Error).message);
    expect(opened).toBe(code === 0 ? '' : stderr.slice(0, -1).split(`'${name}': `)[1]);
  });
});

function graphOf(): { readonly graph: BlockGraph } {
  const disks = new MemoryDisks();
  disks.put('disk', { size: SIZE });
  return { graph: new BlockGraph({ drivers: [disks.driver, blkdebug, raw] }) };
}

async function ourOutcomes(options: object, requests: readonly string[]): Promise<string[]> {
  const { graph } = graphOf();
  const file = { driver: 'blkdebug', discard: 'unmap', image: { driver: 'memory', filename: 'memory:disk', discard: 'unmap' }, ...options };
  const node = await graph.open({ driver: 'raw', discard: 'unmap', file });
  const outcomes: string[] = [];
  for (const request of requests) {
    const outcome = Promise.resolve().then(() => REQUESTS[request](node));
    outcomes.push(await outcome.then(() => 'done', (error: unknown) => strerror(errnoOf(error))));
  }
  await graph.close().catch(() => undefined);
  return outcomes;
}
