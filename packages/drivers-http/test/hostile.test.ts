// What lies outside the ordinary: odd servers and names, files longer than 4 GiB, and what failures must not leave behind or tell.
import { once } from 'node:events';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { BlockNode, Definition } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng } from '@blk/driver-conformance';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { httpDrivers } from '../src/index.js';
import { content, graphOf, openUrl, readAt, serve, type Handler, type Served } from './support.js';

const SIZE = 1_000_003;
const BYTES = prng(17).bytes(SIZE);

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function start(handler: Handler, address?: string): Promise<Served> {
  const served = await serve(handler, undefined, address);
  cleanup.push(async () => served[Symbol.asyncDispose]());
  return served;
}

async function open(url: string, more: Definition = {}, clock = new HastyClock()): Promise<BlockNode> {
  const graph = graphOf({ host: clock.host });
  cleanup.push(() => graph.close());
  return openUrl(graph, url, more);
}

async function expectRight(node: BlockNode, at = 500_000, length = 300_000): Promise<void> {
  expectSameBytes(await readAt(node, at, length), BYTES.subarray(at, at + length));
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => { server.getConnections((error, count) => { if (error === null) resolve(count); else reject(error); }); });
}

/** A server that says what it likes, byte for byte. */
async function startRaw(answer: (request: string, socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => { answer(chunk.toString('latin1'), socket); });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.raw`;
}

const rangeIn = (request: string): [number, number] => {
  const [, first, last] = /range: bytes=(\d+)-(\d+)/i.exec(request) ?? [];
  return [Number(first), Math.min(Number(last) + 1, SIZE)];
};

describe('a failure leaves behind', () => {
  it('no time-out, where a cache sent all of the file at first', async () => {
    const clock = new HastyClock();
    let requests = 0;
    const served = await start(content(BYTES, () => (++requests === 1 ? { status: 200, headers: { 'accept-ranges': 'bytes' } } : undefined)));
    const node = await open(served.url, {}, clock);
    expect(clock.running).toBe(0);
    await expectRight(node);
  });

  it('no connection, where the first answer was another part', async () => {
    let requests = 0;
    const served = await start(content(BYTES, (first, end) => (++requests === 1 ? { headers: { 'content-range': `bytes ${first + 1}-${end}/${SIZE}` } } : undefined)));
    await expectRight(await open(served.url));
    expect(served.connections).toBe(2);
    await vi.waitUntil(async () => (await connectionsOf(served.server)) === 1, { timeout: 10_000 });
  });

  it('no connection, where the words of a refusal never end', async () => {
    let requests = 0;
    const good = content(BYTES);
    let ended: Promise<unknown> = Promise.resolve();
    const served = await start((request, response) => {
      if (++requests > 1) {
        good(request, response);
        return;
      }
      ended = once(request.socket, 'close');
      response.writeHead(503, { 'content-length': 100 });
      response.write('wait');
    });
    const node = await open(served.url);
    await ended;
    await expectRight(node);
  });
});

describe('a server that', () => {
  it('sends more behind each answer gives none of it', async () => {
    const url = await startRaw((request, socket) => {
      const [first, end] = rangeIn(request);
      socket.write(`HTTP/1.1 206 Partial\r\ncontent-length: ${end - first}\r\netag: "1"\r\ncontent-range: bytes ${first}-${end - 1}/${SIZE}\r\n\r\n`);
      socket.write(Buffer.concat([BYTES.subarray(first, end), Buffer.from('HTTP/1.1 2')]));
    });
    const node = await open(url, { readahead: 0 });
    for (let at = 0; at < 5; at++) await expectRight(node, at * 1000, 1000);
  });

  it('speaks HTTP/1.0 does as well, with ranges and without', async () => {
    const withRanges = await startRaw((request, socket) => {
      const [first, end] = rangeIn(request);
      socket.write(`HTTP/1.0 206 Partial\r\ncontent-range: bytes ${first}-${end - 1}/${SIZE}\r\n\r\n`);
      socket.end(BYTES.subarray(first, end));
    });
    await expectRight(await open(withRanges));
    const whole = await startRaw((_request, socket) => {
      socket.write(`HTTP/1.0 200 OK\r\ncontent-length: ${SIZE}\r\n\r\n`);
      socket.end(BYTES);
    });
    await expectRight(await open(whole));
    const endless = await startRaw((_request, socket) => {
      socket.write('HTTP/1.0 200 OK\r\n\r\n');
      socket.end(BYTES);
    });
    await expect(open(endless)).rejects.toThrow('The server does not say how long the file is');
  });

  it.each([
    ['HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', /is no HTTP: it goes on in another protocol/],
    ['HTTP/1.1 204 No Content\r\n\r\n', 'The requested URL returned error: 204'],
    ['HTTP/1.1 206 Partial\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n', /is no HTTP: /],
    ['HTTP/1.1 206 Partial\r\ncontent-range: bytes 0-4/5\r\ncontent-range: bytes 0-4/6\r\ncontent-length: 5\r\n\r\nabcde', 'without saying which'],
    ['HTTP/1.1 304 Not Modified\r\n\r\n', 'The requested URL returned error: 304'],
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, /is no HTTP: /],
  ])('answers %.50j is refused', async (answer, message) => {
    const url = await startRaw((_request, socket) => { socket.write(answer); });
    await expect(open(url)).rejects.toThrow(message);
  });

  it('cuts its bytes into chunks of nonsense is given up', async () => {
    let requests = 0;
    const url = await startRaw((request, socket) => {
      const [first, end] = rangeIn(request);
      requests++;
      socket.write(`HTTP/1.1 206 Partial\r\ntransfer-encoding: chunked\r\ncontent-range: bytes ${first}-${end - 1}/${SIZE}\r\n\r\n`);
      socket.write('5\r\nabcdeXX\r\nzz\r\n');
    });
    await expect(open(url)).rejects.toThrow(/The answer of .* is no HTTP: /);
    expect(requests).toBe(3);
  });

  it('tells of a version in words without end is quoted shortly, and without what would disturb a terminal', async () => {
    const served = await start(content(BYTES));
    const node = await open(served.url);
    served.handler = content(BYTES, () => ({ headers: { etag: `"${'x'.repeat(5000)}"` } }));
    const error = await readAt(node, 500_000, 300_000).then(() => undefined, (thrown: Error) => thrown);
    expect(error?.message).toContain('its ETag is "xxx');
    expect(error?.message.length).toBeLessThan(500);
    const other = await open(served.url);
    served.handler = content(BYTES, () => ({ headers: { etag: '"\u0085\u009b31m"' } }));
    await expect(readAt(other, 500_000, 300_000)).rejects.toThrow('its ETag is "??31m" instead of');
  });
});

describe('a server that lets', () => {
  /** Writes a character at a time, and counts. */
  async function drip(socket: Socket, text: string, count: { sent: number }): Promise<void> {
    for (const character of text) {
      if (socket.destroyed) return;
      await new Promise<void>((resolve) => { socket.write(character, () => { setImmediate(resolve); }); });
      count.sent++;
    }
  }
  const HEAD = 'HTTP/1.1 206 Partial Content\r\ncontent-range: bytes ';

  it('its head drip is given up, when it is asked first and later', async () => {
    const count = { sent: 0 };
    let drips = true;
    const url = await startRaw((request, socket) => {
      const [first, end] = rangeIn(request);
      if (drips) void drip(socket, HEAD, count);
      else socket.write(Buffer.concat([Buffer.from(`${HEAD}${first}-${end - 1}/${SIZE}\r\netag: "1"\r\ncontent-length: ${end - first}\r\n\r\n`), BYTES.subarray(first, end)]));
    });
    const clock = new HastyClock();
    const expire = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        count.sent = 0;
        await vi.waitUntil(() => count.sent > 5 && clock.running === 1, { timeout: 10_000 });
        clock.expire();
      }
    };
    const opening = open(url, {}, clock).then(() => 'open', (error: Error) => error.message);
    await expire(1);
    expect(await opening).toBe('CURL: Error opening file: The server is too slow: no answer within 5 s');
    drips = false;
    const node = await open(url, { readahead: 0 }, clock);
    drips = true;
    const reading = readAt(node, 500_000, 300_000).then(() => 'read', (error: Error) => error.message);
    await expire(5);
    expect(await reading).toBe('The server is too slow: no answer within 5 s');
    drips = false;
    await expectRight(node);
  });

  it('chunks of nothing come without end is given up', async () => {
    const count = { sent: 0 };
    const url = await startRaw((request, socket) => {
      const [first, end] = rangeIn(request);
      // Each chunk has a byte, and words beside it that nobody reads.
      void drip(socket, `${HEAD}${first}-${end - 1}/${SIZE}\r\ntransfer-encoding: chunked\r\n\r\n${`1;${'x'.repeat(50)}\r\ny\r\n`.repeat(10_000)}`, count);
    });
    const clock = new HastyClock();
    const opening = open(url, {}, clock).then(() => 'open', (error: Error) => error.message);
    await vi.waitUntil(() => count.sent > 300 && clock.running === 1, { timeout: 10_000 });
    clock.expire();
    expect(await opening).toMatch(/^CURL: Error opening file: The server is too slow: only \d+ bytes within 5 s$/);
  });

  it.each(['its proxy', 'its encryption'])('%s drip is given up', async (what) => {
    const count = { sent: 0 };
    const url = await startRaw((_request, socket) => {
      // The first bytes of a handshake of TLS would be these.
      void drip(socket, what === 'its proxy' ? 'HTTP/1.1 200 OK\r\nx: '.padEnd(2000, 'y') : `\x16\x03\x03\x3f\xff${'\x02'.padEnd(2000, '\0')}`, count);
    });
    const clock = new HastyClock();
    const { https } = httpDrivers(what === 'its proxy' ? { proxy: () => url } : {});
    const graph = graphOf({ drivers: [https], host: clock.host });
    cleanup.push(() => graph.close());
    const place = what === 'its proxy' ? 'https://server.example/x' : url.replace('http:', 'https:');
    const opening = openUrl(graph, place, { driver: 'https' }).then(() => 'open', (error: Error) => error.message);
    await vi.waitUntil(() => count.sent > 5 && clock.running === 1, { timeout: 10_000 });
    clock.expire();
    expect(await opening).toBe('CURL: Error opening file: The server is too slow: no answer within 5 s');
  });
});

it('reads files of terabytes at their ends, and across 4 GiB', async () => {
  const size = 5 * 2 ** 40 + 77;
  const byteAt = (offset: number): number => (offset % 251) ^ (Math.floor(offset / 2 ** 32) & 255);
  const served = await start((request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const [from, end] = [Number(first), Math.min(Number(last) + 1, size)];
    response.writeHead(206, { 'content-range': `bytes ${from}-${end - 1}/${size}`, etag: '"big"' }).end(Uint8Array.from({ length: end - from }, (_, i) => byteAt(from + i)));
  });
  const node = await open(served.url, { readahead: 4096 });
  expect(node.size).toBe(size);
  for (const at of [2 ** 32 - 5000, 2 ** 31 - 7, size - 9000]) {
    expectSameBytes(await readAt(node, at, 9000), Uint8Array.from({ length: 9000 }, (_, i) => byteAt(at + i)));
  }
});

describe('names', () => {
  it.each([
    ['/a%2Fb%25%20c/d?x=%26&y=1#part', '/a%2Fb%25%20c/d?x=%26&y=1'],
    ['/Größe/日本.img', '/Gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC.img'],
    ['/%E4lter.img', '/%E4lter.img'],
    ['/a b', '/a%20b'],
  ])('%s is asked for as %s', async (name, asked) => {
    const seen: unknown[] = [];
    const good = content(BYTES);
    const served = await start((request, response) => {
      seen.push(request.url);
      good(request, response);
    });
    await open(served.url.replace('/disk.raw', name));
    expect(seen).toEqual([asked]);
  });

  const hasIPv6 = Object.values(networkInterfaces()).flat().some((address) => address?.address === '::1');
  it.skipIf(!hasIPv6)('may have addresses of IPv6', async () => {
    const served = await start(content(BYTES, (_start, _end, request) => {
      expect(request.headers.host).toBe(new URL(served.url).host);
      return undefined;
    }), '::1');
    expect(served.url).toContain('//[::1]:');
    await expectRight(await open(served.url));
    await served[Symbol.asyncDispose]();
    await expect(open(served.url)).rejects.toThrow(/Failed to connect to \[::1\] port \d+: Connection refused/);
  });

  it('show no password where they cannot be read', async () => {
    const { http } = httpDrivers({ proxy: () => 'http://me:geheim@[nowhere' });
    const graph = graphOf({ drivers: [http] });
    const message = async (definition: Definition): Promise<string> => graph.open({ driver: 'http', 'read-only': true, ...definition }).then(() => '', (error: Error) => error.message);
    expect(await message({ url: 'http://me:geheim@[bad/x' })).toBe("The URL 'http://me:***@[bad/x' cannot be read");
    expect(await message({ url: 'ftp://me:ge@heim@h/x' })).toContain("'ftp://me:***@h/x'");
    expect(await message({ url: 'http://127.0.0.1:1/' })).toBe("The URL of the proxy cannot be read: 'http://me:***@[nowhere'");
    await graph.close();
  });
});
