/** The node that `filter-node-name` asks for: as the reference shows it, and what is refused about it. */
import { createImage, qemuIo, skipUnless, type TempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import type { Message } from './support.js';
import { bothWithEvents, type Move, type Told } from './with-events.js';

const tools = skipUnless('qemu-storage-daemon', 'qemu-img', 'qemu-io');

async function images(dir: TempDir): Promise<void> {
  await createImage(dir.file('base.qcow2'), 'qcow2', '8M');
  await qemuIo(dir.file('base.qcow2'), ['write -P 1 0 8M'], { format: 'qcow2' });
  await createImage(dir.file('mid.qcow2'), 'qcow2', '8M', '-b', dir.file('base.qcow2'), '-F', 'qcow2');
  await qemuIo(dir.file('mid.qcow2'), ['write -P 2 0 4M'], { format: 'qcow2' });
  await createImage(dir.file('o.qcow2'), 'qcow2', '8M', '-b', dir.file('mid.qcow2'), '-F', 'qcow2');
  await createImage(dir.file('t.qcow2'), 'qcow2', '8M');
}

const qcow2 = (dir: TempDir, name: string, more: object = {}): object => ({
  driver: 'qcow2', 'node-name': name, file: { driver: 'file', 'node-name': `${name}-file`, filename: dir.file(`${name}.qcow2`) }, ...more,
});

interface Kind {
  readonly command: string;
  /** Slow, so that it is at work while it is looked at. */
  readonly args: object;
  /** How it ends: completed when ready, or cancelled. */
  readonly end: readonly Move[];
}

const completed: readonly Move[] = [{ wait: 'BLOCK_JOB_READY' }, ['block-job-complete', { device: 'j' }], { wait: 'null' }];
const cancelled: readonly Move[] = [['block-job-cancel', { device: 'j', force: true }], { wait: 'null' }];

const kinds: readonly Kind[] = [
  { command: 'blockdev-mirror', args: { device: 'o', target: 't', sync: 'none' }, end: completed },
  { command: 'blockdev-mirror', args: { device: 'o', target: 't', sync: 'full', speed: 65536 }, end: cancelled },
  { command: 'blockdev-backup', args: { device: 'o', target: 't', sync: 'none' }, end: cancelled },
  { command: 'block-commit', args: { device: 'o' }, end: completed },
  { command: 'block-commit', args: { device: 'o', 'top-node': 'mid', 'base-node': 'base', speed: 65536 }, end: cancelled },
  { command: 'block-stream', args: { device: 'o', speed: 65536 }, end: cancelled },
];

interface Shown {
  readonly 'node-name': string;
  readonly image: Record<string, unknown>;
  readonly [member: string]: unknown;
}

/** The members that say what the node is; not the bitmaps of the reference's own, nor names in `json:` and sizes on the host. */
function shown(replies: Message[], index: number): unknown {
  const node = (replies[index].return as Shown[] | undefined)?.find((each) => each['node-name'] === 'F');
  if (node === undefined) return replies[index];
  return { ...without(node, 'dirty-bitmaps', 'encryption_key_missing', 'file'), image: withoutHost(node.image) };
}

function withoutHost(image: Record<string, unknown>): Record<string, unknown> {
  const next = image['backing-image'] as Record<string, unknown> | undefined;
  return { ...without(image, 'filename', 'actual-size', 'backing-image'), next: next === undefined ? 'none' : withoutHost(next) };
}

function without(from: Record<string, unknown>, ...members: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([member]) => !members.includes(member)));
}

const names = (replies: Message[], index: number): unknown => (replies[index].return as Shown[]).map((node) => [node['node-name'], node.drv]);

describe.skipIf(tools.skip)(tools.title('a job with filter-node-name, beside the reference'), () => {
  it.each(kinds)('$command $args', async ({ command, args, end }) => {
    const start = (name: string): Move => [command, { 'job-id': 'j', ...args, 'filter-node-name': name }];
    const script = (dir: TempDir): readonly Move[] => [
      ['blockdev-add', qcow2(dir, 'base', { 'read-only': true })],
      ['blockdev-add', qcow2(dir, 'mid', { 'read-only': true, backing: 'base' })],
      ['blockdev-add', qcow2(dir, 'o', { backing: 'mid' })],
      ['blockdev-add', qcow2(dir, 't')],
      ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } }],
      ['block-export-add', { type: 'nbd', id: 'e', 'node-name': 'o', writable: true }],
      start('t'), start('base-file'), start('1st'), start(''),
      start('F'),
      // 11, and flat: 12.
      ['query-named-block-nodes'], ['query-named-block-nodes', { flat: true }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'F' }],
      ['blockdev-del', { 'node-name': 'F' }],
      // Over an image in the middle the reference lets another job begin.
      ...('top-node' in args ? [] : [['blockdev-backup', { 'job-id': 'k', device: 'F', target: 't', sync: 'full' }] as const]),
      ['query-block-exports'],
      ...end,
      // Last: gone.
      ['query-named-block-nodes', { flat: true }],
      ['blockdev-add', { driver: 'null-co', 'node-name': 'F' }],
      ['query-block-exports'],
    ];
    const { ours, theirs } = await bothWithEvents(images, script);
    const plain = ({ replies }: Told): unknown[] => replies.map((reply) => (Array.isArray(reply.return) ? 'a list' : reply));
    expect(plain(ours)).toEqual(plain(theirs));
    expect(shown(ours.replies, 11)).toMatchObject({ 'node-name': 'F' });
    for (const index of [11, 12]) expect(shown(ours.replies, index)).toEqual(shown(theirs.replies, index));
    const last = ours.replies.length;
    expect(names(ours.replies, last - 3)).toEqual(names(theirs.replies, last - 3));
    const exports = ({ replies }: Told): unknown => replies.filter(({ return: list }) => Array.isArray(list) && list.length === 1);
    expect(exports(ours)).toHaveLength(2);
    expect(exports(ours)).toEqual(exports(theirs));
  });
});
