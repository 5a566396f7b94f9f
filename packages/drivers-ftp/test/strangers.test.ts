// What servers do that is allowed, or nearly: other encodings and addresses, slow words, floods of them.
import { networkInterfaces } from 'node:os';
import { BlockGraph, type BlockNode, type Definition } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng } from '@blk/driver-conformance';
import { afterEach, describe, expect, it } from 'vitest';
import { ftp, ftps } from '../src/index.js';
import { FakeServer } from './fake-server.js';

const SIZE = 300_003;
const BYTES = prng(19).bytes(SIZE);
const hasIPv6 = Object.values(networkInterfaces()).flat().some((address) => address?.address === '::1');

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function start(address?: string): Promise<FakeServer> {
  const server = await FakeServer.start(BYTES, undefined, address);
  cleanup.push(() => server.close());
  return server;
}

async function open({ url }: { readonly url: string }, more: Definition = {}, clock = new HastyClock()): Promise<BlockNode> {
  const graph = new BlockGraph({ drivers: [ftp, ftps], host: clock.host });
  cleanup.push(() => graph.close());
  return graph.open({ driver: 'ftp', url, 'read-only': true, readahead: 0, ...more });
}

async function expectRight(node: BlockNode, offset = 200_000, length = 50_000): Promise<void> {
  const buffer = new Uint8Array(length);
  await node.read(offset, buffer, 0, length);
  expectSameBytes(buffer, BYTES.subarray(offset, offset + length));
}

describe('names', () => {
  it('are the bytes that the URL has, in any encoding', async () => {
    const server = await start();
    for (const [name, bytes] of [['Größe.img', Buffer.from('Größe.img').toString('latin1')], ['%E4%3F%23%25.img', '\u00e4?#%.img'], ['%2Fa%20b', '/a b']]) {
      server.commands.length = 0;
      await expectRight(await open({ url: server.url.replace('disk.raw', name) }));
      expect(server.commands).toContain(`RETR ${bytes}`);
    }
  });

  it.each(['a?b', 'a#b'])('of which a part would be cut off are refused (%s)', async (name) => {
    await expect(open({ url: `ftp://me:geheim@h/${name}` })).rejects.toThrow(`In the URL, '?' and '#' of a name have to be written %3F and %23: 'ftp://me:***@h/${name}'`);
  });

  it.skipIf(!hasIPv6)('may have addresses of IPv6', async () => {
    const server = await start('::1');
    expect(server.url).toContain('//[::1]:');
    await expectRight(await open(server));
    expect(server.count('PASV')).toBe(0);
  });
});

describe('a server that', () => {
  it('answers slowly is waited for while it answers', async () => {
    const clock = new HastyClock();
    const server = await start();
    const slow = new Set(['SIZE', 'MDTM', 'REST']);
    server.script = (command, _argument, connection) => {
      if (!slow.delete(command)) return undefined;
      // A time-out is over here, in which there was another answer.
      clock.expire();
      setImmediate(() => setImmediate(() => { connection.say(command === 'SIZE' ? `213 ${SIZE}` : command === 'MDTM' ? '213 20260101000000' : '350 yes'); }));
      return '';
    };
    await expectRight(await open(server, {}, clock));
    expect(slow.size).toBe(0);
  });

  it('begins at the front whatever it is told is found out, and read from there', async () => {
    const server = await start();
    server.script = (command, _argument, connection) => {
      if (command === 'RETR') connection.restart = 0;
      return undefined;
    };
    const node = await open(server);
    await expectRight(node);
    await expectRight(node, SIZE - 10, 10);
    await expectRight(node, 0, SIZE);
    expect(server.commands.filter((line) => line.startsWith('RETR')).length).toBe(2);
    await expect(open(server, { spool: 0 })).rejects.toThrow('The server sends files as a whole only (no REST)');
  });

  it('talks without end instead of sending is not taken for alive', async () => {
    const server = await start();
    const node = await open(server);
    server.script = (command) => (command === 'RETR' ? `150 here\r\n${'200 still here\r\n'.repeat(1000)}200 and here` : undefined);
    await expect(node.read(0, new Uint8Array(10), 0, 10)).rejects.toThrow('The server says more than it is asked: 200 still here');
    server.script = () => undefined;
    await expectRight(node);
  });

  it('is too busy to say of when the file is has not another file', async () => {
    const server = await start();
    const node = await open(server);
    let busy = 1;
    server.script = (command) => (command === 'MDTM' && busy-- > 0 ? '450 later' : undefined);
    await expectRight(node);
    busy = Infinity;
    await expect(node.read(0, new Uint8Array(10), 0, 10)).rejects.toMatchObject({ kind: 'io', message: 'The server no longer says of when the file is' });
  });

  it('says what a terminal would obey is quoted without it', async () => {
    const server = await start();
    server.script = (command) => (command === 'SIZE' ? '504 \u001b[2Jgone' : undefined);
    await expect(open(server)).rejects.toThrow('The server refuses to say how large the file is: 504 ?[2Jgone');
  });

  it.each(['500 \'PASS geheim\': command not understood', '421-geheim?\r\n421 no: geheim'])('says the password back is quoted without it (%s)', async (said) => {
    const server = await start();
    server.script = (command) => (command === 'PASS' ? said : undefined);
    const error = await open({ url: server.url.replace('//', '//me:geheim@') }).catch(String);
    expect(error).toContain('The server refuses the user: ');
    expect(error).not.toContain('geheim');
  });
});
