// One script for the reference daemon and for ours: snapshots, transactions, reopening, exports, new images. Replies are compared member by
// member; each difference is one of the page docs/compatibility.md, with its reason there.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { QmpError as ReferenceError } from '@blk/oracle';
import { createImage, skipUnless, startStorageDaemon, tempDir, type TempDir } from '@blk/oracle';
import { attach, testServer, type Message } from './support.js';

const needs = skipUnless('qemu-storage-daemon', 'qemu-img');

/** A command, and the rule of the page where the replies differ. */
type Step = readonly [command: string, args?: object, rule?: string | undefined];

const reopen = (...options: object[]): Step => ['blockdev-reopen', { options }];
const zeroes = (name: string): object => ({ driver: 'null-co', 'node-name': name, size: 65_536, 'read-zeroes': true });
const join = (parent: string, node: string, rule?: string): Step => ['x-blockdev-change', { parent, node }, rule];
const leave = (parent: string, child: string): Step => ['x-blockdev-change', { parent, child }];
const act = (type: string, data: object): object => ({ type, data });

function script(dir: TempDir): Step[] {
  const file = (name: string): object => ({ driver: 'file', filename: dir.file(name) });
  const t = { driver: 'qcow2', 'node-name': 't', file: 'tf', backing: 'b' };
  const snapshot = (args: object, rule?: string): Step => ['blockdev-snapshot-sync', args, rule];
  const s = dir.file('s.qcow2');
  return [
    ['blockdev-add', { driver: 'qcow2', 'node-name': 'b', 'read-only': true, file: { ...file('b.qcow2'), 'node-name': 'bf' } }],
    ['blockdev-add', { ...file('t.qcow2'), 'node-name': 'tf' }],
    ['blockdev-add', t],
    ['blockdev-add', { driver: 'qcow2', 'node-name': 'o', backing: null, file: file('o.qcow2') }],
    ['blockdev-add', { driver: 'raw', 'node-name': 'raw', file: { driver: 'null-co' } }],
    ['nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } }],
    // Somebody uses `t`, so that an overlay stays.
    ['block-export-add', { type: 'nbd', id: 'e0', 'node-name': 't', name: 'x' }],
    ['block-export-add', { type: 'nbd', id: 'e0', 'node-name': 't' }],
    ['block-export-add', { type: 'nbd', id: 'e1', 'node-name': 't', name: 'x' }],
    ['block-export-add', { type: 'nbd', id: 'e1', 'node-name': 'nope' }],
    ['block-export-add', { type: 'nbd', id: '0e', 'node-name': 't' }],
    ['block-export-add', { type: 'nbd', id: 'e2', 'node-name': 'b', writable: true }],
    ['query-block-exports'],
    ['block-export-del', { id: 'nope' }],
    // Opening again.
    reopen({ driver: 'qcow2', 'node-name': 'nope', file: 'x' }),
    reopen({ driver: 'qcow2', file: 'tf' }),
    reopen({ driver: 'qcow2', 'node-name': 't' }),
    reopen({ driver: 'qcow2', 'node-name': 't', file: 'tf' }),
    reopen({ ...t, backing: 'nope' }),
    reopen({ ...t, backing: 't' }),
    reopen({ ...t, bogus: true }),
    reopen({ ...t, 'detect-zeroes': 'unmap' }),
    reopen({ ...t, discard: 'unmap', 'detect-zeroes': 'unmap', 'lazy-refcounts': true }),
    reopen({ ...t, backing: null }),
    reopen(t),
    ['blockdev-reopen', { options: [{ ...t, file: 'bf' }] }, 'qmp-reopen-file'],
    ['x-blockdev-change', { parent: 't', child: 'children.0' }],
    ['x-blockdev-change', { parent: 't', node: 'b' }],
    ['x-blockdev-change', { parent: 't' }],
    ['x-blockdev-change', { parent: 't', child: 'x', node: 'b' }],
    // Copies that join a quorum, and leave it.
    ['blockdev-add', { driver: 'quorum', 'node-name': 'q', 'vote-threshold': 2, children: [zeroes('q0'), zeroes('q1'), zeroes('q2')] }],
    ...['q3', 'q4'].map((name): Step => ['blockdev-add', zeroes(name)]),
    ['blockdev-add', { ...zeroes('q5'), size: 512 }],
    join('q', 'q3'),
    join('q', 'q3'),
    join('q', 'q1'),
    join('q', 'nope'),
    // Its error tells which name the next one would have.
    join('q', 'q'),
    leave('q', 'children.3'),
    join('q', 'q'),
    join('q', 'q3'),
    leave('q', 'children.1'),
    join('q', 'q'),
    leave('q', 'children.1'),
    ['blockdev-del', { 'node-name': 'q3' }],
    join('q', 'q4'),
    leave('q', 'children.0'),
    leave('q', 'children.2'),
    leave('q', 'children.3'),
    ['blockdev-del', { 'node-name': 'q3' }],
    ['blockdev-del', { 'node-name': 'q1' }],
    ['blockdev-add', { driver: 'quorum', 'node-name': 'v', blkverify: true, 'vote-threshold': 2, children: [zeroes('v0'), zeroes('v1')] }],
    join('v', 'q5'),
    leave('v', 'children.0'),
    join('q', 'q5', 'qmp-quorum-size'),
    join('raw', 'q5'),
    // Snapshots.
    snapshot({ 'snapshot-file': s }),
    snapshot({ device: 'nope', 'snapshot-file': s }, 'qmp-device-not-found'),
    snapshot({ 'node-name': 'nope', 'snapshot-file': s }),
    snapshot({ 'node-name': 't', 'snapshot-file': s }),
    snapshot({ 'node-name': 't', 'snapshot-file': s, 'snapshot-node-name': 'b' }),
    snapshot({ 'node-name': 't', 'snapshot-file': s, 'snapshot-node-name': '0x' }),
    snapshot({ 'node-name': 't', 'snapshot-file': s, 'snapshot-node-name': 's', format: 'nope' }),
    snapshot({ 'node-name': 't', 'snapshot-file': s, 'snapshot-node-name': 's', format: 'raw' }),
    snapshot({ 'node-name': 't', 'snapshot-file': dir.file('gone'), 'snapshot-node-name': 's', mode: 'existing' }),
    snapshot({ 'node-name': 't', 'snapshot-file': dir.file('no/s'), 'snapshot-node-name': 's' }),
    snapshot({ 'node-name': 't', 'snapshot-file': s, 'snapshot-node-name': 's' }),
    ['blockdev-snapshot', { node: 'nope', overlay: 'o' }],
    ['blockdev-snapshot', { node: 's', overlay: 'nope' }],
    ['blockdev-snapshot', { node: 's', overlay: 't' }],
    ['blockdev-snapshot', { node: 's', overlay: 'raw' }],
    ['blockdev-snapshot', { node: 's', overlay: 'o' }],
    ['query-block-exports'],
    // Inside images.
    ['blockdev-snapshot-internal-sync', { device: 'nope', name: 'x' }, 'qmp-device-not-found'],
    ['blockdev-snapshot-internal-sync', { device: 'raw', name: 'x' }],
    ['blockdev-snapshot-internal-sync', { device: 'b', name: 'x' }],
    ['blockdev-snapshot-internal-sync', { device: 'o', name: '' }],
    ['blockdev-snapshot-internal-sync', { device: 'o', name: 'x' }],
    ['blockdev-snapshot-internal-sync', { device: 'o', name: 'x' }],
    ['blockdev-snapshot-delete-internal-sync', { device: 'o' }],
    ['blockdev-snapshot-delete-internal-sync', { device: 'o', id: '9' }],
    ['blockdev-snapshot-delete-internal-sync', { device: 'raw', id: '9' }],
    // Several at once.
    ['transaction', { actions: [] }],
    ['transaction', { actions: [act('abort', {})] }],
    ['transaction', { actions: [act('bogus', {})] }],
    ['transaction', { actions: [act('blockdev-snapshot-internal-sync', { device: 'o' })] }],
    ['transaction', { actions: [act('blockdev-snapshot-internal-sync', { device: 'o', name: 'y' }), act('abort', {})] }],
    ['transaction', { actions: [act('blockdev-snapshot-internal-sync', { device: 'o', name: 'y' }), act('blockdev-snapshot-internal-sync', { device: 'o', name: 'y' })] }],
    ['transaction', { actions: [act('block-dirty-bitmap-add', { node: 'o', name: 'm' })], properties: { 'completion-mode': 'grouped' } }],
    ['transaction', { actions: [act('block-dirty-bitmap-add', { node: 'o', name: 'm' }), act('block-dirty-bitmap-add', { node: 'o', name: 'm' })] }],
    ['transaction', { actions: [act('block-dirty-bitmap-add', { node: 'o', name: 'm' }), act('block-dirty-bitmap-clear', { node: 'o', name: 'm' })] }],
    // Names in images.
    ['change-backing-file', { device: 'o', 'image-node-name': 'nope', 'backing-file': 'x' }],
    ['change-backing-file', { device: 'o', 'image-node-name': 'b', 'backing-file': 'x' }],
    ['change-backing-file', { device: 'nope', 'image-node-name': 'o', 'backing-file': 'x' }, 'qmp-device-not-found'],
    // New images.
    ['blockdev-create', { 'job-id': '0', options: { driver: 'file', filename: dir.file('new'), size: 0 } }],
    ['blockdev-create', { 'job-id': 'j', options: { driver: 'qcow2', size: 0 } }],
    ['block-export-del', { id: 'e0' }],
    ['nbd-server-stop'],
    ['query-block-exports'],
  ];
}

async function images(dir: TempDir): Promise<void> {
  for (const name of ['b', 't', 'o']) await createImage(dir.file(`${name}.qcow2`), 'qcow2', '1M');
}

async function replies(reference: boolean): Promise<{ steps: Step[]; answers: Message[] }> {
  using dir = tempDir();
  await images(dir);
  const steps = script(dir);
  const answers: Message[] = [];
  if (reference) {
    await using daemon = await startStorageDaemon({ cwd: dir.path });
    await daemon.qmp.execute('qmp_capabilities').catch(() => undefined);
    for (const [command, args] of steps) {
      answers.push(
        await daemon.qmp.execute(command, args as Record<string, unknown>).then(
          (result) => ({ return: result }),
          (error: ReferenceError) => ({ error: { class: error.errorClass, desc: error.message } }),
        ),
      );
    }
  } else {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    for (const [command, args] of steps) answers.push(await client.ask(command, args));
  }
  return { steps, answers: JSON.parse(JSON.stringify(answers).replaceAll(dir.path, 'DIR')) as Message[] };
}

describe.skipIf(needs.skip)(needs.title('graph commands compared with qemu-storage-daemon'), () => {
  test('the same replies, but for the differences that the page has', async () => {
    const page = readFileSync(new URL('../../../docs/compatibility.md', import.meta.url), 'utf8');
    const ours = await replies(false);
    const theirs = await replies(true);
    const wrong = ours.steps.flatMap(([command, args, rule], index) => {
      const [mine, reference] = [ours, theirs].map(({ answers }) => JSON.stringify(answers[index]));
      const what = `${command} ${JSON.stringify(args ?? {})}: ${mine} and ${reference}`;
      if (rule === undefined) return mine === reference || sameMembers(ours.answers[index], theirs.answers[index]) ? [] : [what];
      if (!page.includes(`| ${rule} |`)) return [`${what}: no rule ${rule}`];
      return mine === reference ? [`${what}: no difference any more`] : [];
    });
    expect(wrong).toEqual([]);
  });
});

/** Whatever the order of members. */
function sameMembers(one: Message, other: Message): boolean {
  try {
    expect(one).toEqual(other);
    return true;
  } catch {
    return false;
  }
}
