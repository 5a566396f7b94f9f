// Servers that lie, stumble and dawdle: the right bytes or an error in words, after a bounded number of attempts.
import { createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { BlockError, BlockGraph, openImage, type BlockNode, type Definition } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng, runReadmeExample } from '@blk/driver-conformance';
import { until } from '@blk/oracle';
import { afterEach, describe, expect, it } from 'vitest';
import { ftp, ftps } from '../src/index.js';
import { parseEpsv, parsePasv, ReplyParser } from '../src/reply.js';
import { FakeServer } from './fake-server.js';

const SIZE = 1_000_003;
const BYTES = prng(9).bytes(SIZE);

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function start(bytes = BYTES, greeting?: string): Promise<FakeServer> {
  const server = await FakeServer.start(bytes, greeting);
  cleanup.push(() => server.close());
  return server;
}

async function open(server: { readonly url: string; readonly forget?: () => void }, more: Definition = {}, clock = new HastyClock()): Promise<BlockNode> {
  const graph = new BlockGraph({ drivers: [ftp, ftps], host: clock.host });
  cleanup.push(() => graph.close());
  const node = await graph.open({ driver: 'ftp', url: server.url, 'read-only': true, readahead: 0, ...more });
  server.forget?.();
  return node;
}

async function readAt(node: BlockNode, offset: number, length: number): Promise<void> {
  const buffer = new Uint8Array(length);
  await node.read(offset, buffer, 0, length);
  expectSameBytes(buffer, BYTES.subarray(offset, offset + length));
}

describe('a reader', () => {
  it('is content with a reset behind the last byte, where the server says that it sent everything', async () => {
    const server = await start();
    server.transfer = () => ({ end: 'reset-behind' });
    const node = await open(server);
    await readAt(node, SIZE - 50_000, 50_000);
    await readAt(node, SIZE - 1, 1);
    server.transfer = () => ({ end: 'reset-behind', say: '451 no, not everything' });
    await expect(readAt(node, SIZE - 10, 10)).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining('451 no, not everything') as string });
  });

  it('that goes on has one transfer, and one that jumps has it begun anew', async () => {
    const server = await start();
    const node = await open(server);
    for (let at = 0; at < SIZE; at += 100_000) await readAt(node, at, Math.min(100_000, SIZE - at));
    expect(server.count('RETR')).toBe(1);
    await readAt(node, 500_000, 10);
    await readAt(node, 600_000, 10);
    expect(server.count('RETR')).toBe(2);
    await readAt(node, 100, 10);
    expect(server.count('RETR')).toBe(3);
    expect(server.logins).toBe(1);
  });

  it('with several reads under way gets them in the order of the file', async () => {
    const server = await start();
    const node = await open(server);
    await Promise.all([0, 4, 1, 3, 2].map((i) => readAt(node, i * 200_000, 200_000)));
    expect(server.count('RETR')).toBeLessThanOrEqual(2);
  });

  it('finds another way to the data where the server knows the old one only, and goes where the commands go', async () => {
    const server = await start();
    const node = await open(server);
    server.script = (command) => (command === 'EPSV' ? '500 what?' : undefined);
    await readAt(node, 10, 500_000);
    await readAt(node, 0, 10);
    expect(server.count('EPSV')).toBe(1);
    expect(server.count('PASV')).toBe(2);
  });

  it('is told of a file that has changed, for good', async () => {
    for (const [script, message] of [
      [(command: string) => (command === 'MDTM' ? '213 20260102000000' : undefined), 'it is of 20260102000000 instead of 20260101000000'],
      [(command: string) => (command === 'SIZE' ? '213 5' : undefined), `it has 5 bytes where there were ${SIZE}`],
    ] as const) {
      const server = await start();
      const node = await open(server);
      await readAt(node, 0, 100);
      server.script = script;
      await expect(readAt(node, 900_000, 100)).rejects.toMatchObject({ kind: 'corrupt', message: `The file on the server has changed since it was opened: ${message}` });
      server.script = () => undefined;
      await expect(readAt(node, 100, 100)).rejects.toMatchObject({ kind: 'corrupt' });
    }
  });
});

describe('a transfer that', () => {
  it.each([
    ['is too short', { sent: 100_000 }],
    ['is cut', { sent: 100_000, end: 'reset' as const }],
    ['is called incomplete', { say: '451 a disk broke' }],
  ])('%s goes on where it was', async (_name, fault) => {
    const server = await start();
    const node = await open(server);
    server.transfer = (_start, number) => (number < 2 ? fault : {});
    await readAt(node, 0, SIZE);
    expect(server.count('RETR')).toBeGreaterThan(1);
  });

  it.each([
    ['is too short', { sent: 1000 }, /data ended at \d+ of 1000003 bytes/],
    ['brings nothing', { sent: 0 }, /data ended at 0 of 1000003 bytes/],
    ['is cut', { sent: 1000, end: 'reset' as const }, /broke|closed the connection|reset by peer/],
    ['brings more than there is', { more: Buffer.alloc(9) }, /The server sends more than the file had/],
  ])('always %s is given up', async (_name, fault, message) => {
    const server = await start();
    const node = await open(server);
    server.transfer = () => fault;
    await expect(readAt(node, 0, SIZE)).rejects.toThrow(message);
    expect(server.count('RETR')).toBeLessThanOrEqual(6);
    server.transfer = () => ({});
    await readAt(node, 0, SIZE);
  });

  it('stops is given up when time is up', async () => {
    const server = await start();
    const clock = new HastyClock();
    const node = await open(server, {}, clock);
    server.transfer = () => ({ sent: 10, end: 'never' });
    const reading = readAt(node, 0, SIZE).then(() => 'read', (error: Error) => error.message);
    for (let attempt = 1; attempt <= 5; attempt++) {
      await until(() => server.count('RETR') === attempt && clock.running === 1);
      // Once for the replies, which are signs of life.
      clock.expire();
      await until(() => clock.running === 1);
      clock.expire();
    }
    expect(await reading).toMatch(/^The server is too slow: only \d+ bytes within 5 s$/);
    server.transfer = () => ({});
    await readAt(node, 0, SIZE);
  });
});

describe('a connection for commands that', () => {
  it('lets its replies drip is given up', async () => {
    const server = await start();
    const clock = new HastyClock();
    const node = await open(server, {}, clock);
    server.script = (command, _argument, connection) => {
      if (command !== 'SIZE') return undefined;
      connection.socket.write('213-1');
      return '';
    };
    const reading = readAt(node, 0, SIZE).then(() => 'read', (error: Error) => error.message);
    // The first session was quiet so far; each further one has logged in, which is a sign of life.
    for (let attempt = 1; attempt <= 5; attempt++) {
      for (let period = 1; period <= (attempt === 1 ? 1 : 2); period++) {
        await until(() => server.count('SIZE') === attempt && clock.running === 1);
        clock.expire();
      }
    }
    expect(await reading).toMatch(/^The server is too slow: (only 0 bytes|no answer) within 5 s$/);
    server.script = () => undefined;
    await readAt(node, 0, SIZE);
  });

  it('is lost comes back, with another login', async () => {
    const server = await start();
    const node = await open(server);
    await readAt(node, 0, 1000);
    server.cut();
    await readAt(node, 500_000, 1000);
    expect(server.logins).toBe(2);
  });

  it('was told goodbye comes back', async () => {
    const server = await start();
    let said: (text: string) => void = () => undefined;
    server.script = (_command, _argument, connection) => { said = (text) => { connection.say(text); }; return undefined; };
    const node = await open(server);
    said('421 you were silent for too long');
    await readAt(node, 5, 1000);
    expect(server.logins).toBe(2);
  });

  it('is closed does not keep the image open', async () => {
    const server = await start();
    const node = await open(server);
    server.script = (command) => (command === 'RETR' ? '' : undefined);
    const reading = readAt(node, 0, 1000).then(() => 'read', (error: Error) => error.message);
    await until(() => server.count('RETR') === 1);
    await node.driver.close();
    expect(await reading).toBe('The image was closed');
  });
});

describe('a server without REST', () => {
  const refusing = async (): Promise<FakeServer> => {
    const server = await start();
    server.script = (command) => (command === 'REST' ? '502 what?' : undefined);
    return server;
  };

  it('sends the file once, and again where it broke off', async () => {
    const server = await refusing();
    server.transfer = (_start, number) => (number === 0 ? { sent: 300_000 } : {});
    const node = await open(server);
    await readAt(node, 700_000, 1000);
    await readAt(node, 0, SIZE);
    expect(server.count('RETR')).toBe(2);
  });

  it('is refused where nothing may be kept', async () => {
    await expect(open(await refusing(), { spool: 0 })).rejects.toThrow('CURL: Error opening file: The server sends files as a whole only (no REST)');
    await expect(open(await refusing(), { spool: SIZE - 1 })).rejects.toMatchObject({ kind: 'too-large' });
  });

  it('that sends something else the second time is found out', async () => {
    const server = await refusing();
    server.transfer = (_start, number) => {
      if (number === 1) server.bytes = BYTES.map((byte, at) => (at === 1234 ? byte ^ 1 : byte));
      return number === 0 ? { sent: 300_000 } : {};
    };
    server.transfer(0, 5);
    const node = await open(server);
    await expect(readAt(node, 700_000, 1000)).rejects.toThrow('The file has changed while it was fetched: byte 1234 is another one');
  });
});

describe('opening', () => {
  it.each<readonly [string, string, string]>([
    ['USER', '530 no', 'Access denied: 530'],
    ['PASS', '332 account?', 'Access denied: 332'],
    ['SIZE', '550 no such file', 'The file does not exist'],
    ['SIZE', '502 what?', 'The server refuses to say how large the file is: 502 what?'],
    ['SIZE', '213 many', "The server gives no size of the file: 'many'"],
    ['TYPE', '504 never', 'The server refuses to send files byte for byte: 504 never'],
    ['USER', 'SSH-2.0-OpenSSH', "What the server says is no FTP: 'SSH-2.0-OpenSSH'"],
    ['USER', `331-${'x'.repeat(100_000)}`, 'The server sends a reply of more than 65536 characters'],
  ])('is refused where %s gives %.20s', async (wanted, reply, message) => {
    const server = await start();
    server.script = (command) => (command === wanted ? reply : undefined);
    await expect(open(server)).rejects.toThrow(`CURL: Error opening file: ${message}`);
  });

  it('is refused by a greeting that says no, and where there is nobody', async () => {
    await expect(open(await start(BYTES, '421 too many users'))).rejects.toThrow('CURL: Error opening file: The server refuses to be used: 421 too many users');
    const gone = await FakeServer.start(BYTES);
    const { url } = gone;
    await gone.close();
    await expect(open({ url })).rejects.toThrow(/CURL: Error opening file: Failed to connect to 127\.0\.0\.1 port \d+: Connection refused/);
  });

  it('does not wait for ever', async () => {
    const clock = new HastyClock();
    const server = await start(BYTES, '');
    const opening = open(server, {}, clock).then(() => 'open', (error: Error) => error.message);
    await until(() => clock.running === 1);
    clock.expire();
    expect(await opening).toBe('CURL: Error opening file: The server is too slow: no answer within 5 s');
  });

  it('is not kept waiting by a greeting that drips', async () => {
    const clock = new HastyClock();
    const server = await start(BYTES, '');
    server.drip = '220-welcome, and wait';
    const opening = open(server, {}, clock).then(() => 'open', (error: Error) => error.message);
    await until(() => server.dripped > 5 && clock.running === 1);
    clock.expire();
    expect(await opening).toBe('CURL: Error opening file: The server is too slow: no answer within 5 s');
  });

  it('does not take what was said before encryption began for what was said under it', async () => {
    const server = await start();
    server.script = (command) => (command === 'AUTH' ? '234 go on\r\n230 you are in' : undefined);
    await expect(open(server, { 'auth-tls': true })).rejects.toThrow('The server sent more than it was asked for before the encryption began');
    expect(server.commands).toEqual(['AUTH TLS']);
  });

  it('never goes on without encryption that was asked for', async () => {
    const server = await start();
    await expect(open(server, { 'auth-tls': true })).rejects.toThrow('The server refuses encryption: 502 what?');
    expect(server.commands).toEqual(['AUTH TLS']);
  });

  it.each<readonly [Definition, string]>([
    [{}, "curl block driver requires an 'url' option"],
    [{ url: 'http://h/x' }, "ftp curl driver cannot handle the URL 'http://h/x' (does not start with 'ftp://')"],
    [{ url: 'ftp://h/' }, "The URL names no file: 'ftp://h/'"],
    [{ url: 'ftp://h/x;type=a' }, "An image is read byte for byte, not as type 'a'"],
    [{ url: 'ftp://h/x%0d%0aDELE%20y' }, 'The URL, the user or the password has characters that cannot be sent'],
    [{ url: 'ftp://h/x', readahead: 100 }, 'HTTP_READAHEAD_SIZE 100 is not a multiple of 512'],
    [{ url: 'ftp://h/x', cookie: 'x' }, "Block protocol 'ftp' doesn't support the option 'cookie'"],
    [{ url: 'ftp://h/x', 'read-only': false }, 'curl driver does not support writes'],
  ])('with %j is refused', async (options, message) => {
    await expect(new BlockGraph({ drivers: [ftp] }).open({ driver: 'ftp', 'read-only': true, ...options })).rejects.toThrow(message);
  });

  it('does what the README shows', async () => {
    const logged = await runReadmeExample(join(import.meta.dirname, '..'), { createServer, openImage, ftp });
    expect(logged).toEqual([[1024 * 1024, new Uint8Array([7, 7, 7])]]);
  });
});

describe('replies', () => {
  it('are the same however they are cut, and may be anything', () => {
    const text = '220-a\r\n 220 b\r\n220-c\r\n220 d\r\n331 e\r\n213 5\r\n';
    fc.assert(fc.property(fc.array(fc.nat({ max: text.length })), (cuts) => {
      const parser = new ReplyParser();
      const at = [0, ...cuts.sort((a, b) => a - b), text.length];
      const replies = at.slice(1).flatMap((end, i) => parser.push(text.slice(at[i], end)));
      expect(replies).toEqual([{ code: 220, text: 'a' }, { code: 331, text: 'e' }, { code: 213, text: '5' }]);
    }), { seed: 1 });
    fc.assert(fc.property(fc.array(fc.string()), (pieces) => {
      const parser = new ReplyParser();
      try {
        for (const piece of pieces) parser.push(piece);
      } catch (error) {
        expect(error).toBeInstanceOf(BlockError);
      }
    }), { seed: 2 });
  });

  it('give ports that can be', () => {
    expect(parseEpsv({ code: 229, text: 'ok (|||6446|)' })).toBe(6446);
    expect(parseEpsv({ code: 229, text: 'ok (!!!6446!)' })).toBe(6446);
    for (const text of ['(|||0|)', '(|||99999|)', '(|1|h|5|)', '6446']) expect(parseEpsv({ code: 229, text })).toBeUndefined();
    expect(parsePasv({ code: 227, text: 'ok (127,0,0,1,4,1)' })).toBe(1025);
    for (const text of ['(1,2,3,4,0,0)', '(1,2,3,4,256,1)', '(1,2,3,4,5)']) expect(parsePasv({ code: 227, text })).toBeUndefined();
  });
});
