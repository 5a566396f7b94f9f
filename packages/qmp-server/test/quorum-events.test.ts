// What a quorum tells of its copies, member by member beside the reference daemon: the same copies, the same requests by qemu-io over NBD.
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { blkdebug } from '@blk/drivers-blkdebug';
import { nbdUri, qemuIo, skipUnless, startStorageDaemon, tempDir, type TempDir } from '@blk/oracle';
import { attach, drivers, testServer } from './support.js';

const SIZE = 1 << 20;

/** `ok`, `odd`: other bytes; or the kind of request that fails, and its errno. */
type Copy = 'ok' | 'odd' | readonly [iotype: string, errno: number];

const CASES: readonly (readonly [title: string, copies: readonly Copy[], request: string, options?: object])[] = [
  ['one has other bytes', ['ok', 'ok', 'odd'], 'read 1k 3k'],
  ['all have other bytes', ['ok', 'odd', 'odd'], 'read 64k 512k'],
  ['one has other bytes, and is put right', ['odd', 'ok', 'ok'], 'read 0 4k', { 'rewrite-corrupted': true }],
  ['one can not be read, another has other bytes', [['read', 5], 'ok', 'odd'], 'read 0 4k'],
  ['two can not be read', [['read', 5], ['read', 5], 'ok'], 'read 512k 4k'],
  ['one after the other', [['read', 5], ['read', 28], 'ok'], 'read 0 4k', { 'read-pattern': 'fifo' }],
  ['none, one after the other', [['read', 5], ['read', 5], ['read', 5]], 'read 0 4k', { 'read-pattern': 'fifo' }],
  ['one can not be written', ['ok', ['write', 28], 'ok'], 'write 4k 4k'],
  ['two can not be written', [['write', 28], 'ok', ['write', 5]], 'write 4k 4k'],
  ['zeroes can not be written', ['ok', 'ok', ['write-zeroes', 5]], 'write -z 0 64k'],
  ['one can not be flushed', ['ok', ['flush', 5], 'ok'], 'write -f 0 512'],
  ['two can not be flushed', [['flush', 28], ['flush', 28], 'ok'], 'write -f 0 512'],
];

type Execute = (command: string, args?: Record<string, unknown>) => Promise<unknown>;

/** Makes the copies and the request; all events have come when this is over. */
async function play(execute: Execute, dir: TempDir, side: string, copies: readonly Copy[], request: string, options: object): Promise<void> {
  const children = copies.map((copy, at) => {
    const filename = dir.file(`${side}${at}`);
    writeFileSync(filename, new Uint8Array(SIZE).fill(copy === 'odd' ? at + 1 : 9));
    const file = { driver: 'file', filename };
    const rules = typeof copy === 'string' ? [] : [{ event: 'none', iotype: copy[0], errno: copy[1] }];
    return { driver: 'raw', 'node-name': `copy${at}`, file: rules.length === 0 ? file : { driver: 'blkdebug', image: file, 'inject-error': rules } };
  });
  await execute('blockdev-add', { driver: 'quorum', 'node-name': 'q', 'vote-threshold': 2, children, ...options });
  const socket = dir.file(`${side}.sock`);
  await execute('nbd-server-start', { addr: { type: 'unix', data: { path: socket } } });
  await execute('block-export-add', { type: 'nbd', id: 'e', 'node-name': 'q', name: 'q', writable: true });
  await qemuIo(nbdUri(socket, 'q'), [request], { args: ['-t', 'none'] });
  await execute('query-named-block-nodes');
}

const quorumEvents = (events: readonly { readonly event?: unknown; readonly data?: unknown }[]): unknown[] =>
  events.filter(({ event }) => String(event).startsWith('QUORUM_')).map(({ event, data }) => ({ event, data }));

const needs = skipUnless('qemu-storage-daemon', 'qemu-io');

describe.skipIf(needs.skip)(needs.title('events of a quorum beside the reference'), () => {
  test.each(CASES.map((each) => [each[0], each] as const))('%s', { timeout: 60_000 }, async (_name, [, copies, request, options = {}]) => {
    using dir = tempDir();
    const daemon = await startStorageDaemon();
    try {
      await play((command, args) => daemon.qmp.execute(command, args), dir, 'theirs', copies, request, options);
    } finally {
      await daemon.stop();
    }
    const server = await testServer({ drivers: [...drivers, blkdebug] });
    const client = await attach(server).negotiate();
    await play((command, args) => client.execute(command, args), dir, 'ours', copies, request, options);
    // A copy that can't be flushed can't be when it is closed either.
    await server[Symbol.asyncDispose]().catch(() => undefined);
    expect(quorumEvents(client.messages)).toEqual(quorumEvents(daemon.qmp.events));
    expect(quorumEvents(client.messages)).not.toEqual([]);
  });
});
