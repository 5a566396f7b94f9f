// Servers that lie, stumble and dawdle: the right bytes or an error in words, after a bounded number of attempts.
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import type { BlockNode, Definition } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng } from '@blk/driver-conformance';
import { until } from '@blk/oracle';
import { afterEach, describe, expect, it } from 'vitest';
import { content, graphOf, openUrl, readAt, serve, type Answer, type Handler, type Served } from './support.js';

const SIZE = 1_000_003;
const BYTES = prng(7).bytes(SIZE);
const AT = 300_000;
const LENGTH = 400_000;
/** How often one range is asked for at the most. */
const ATTEMPTS = 5;

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

interface Opened {
  readonly served: Served;
  readonly node: BlockNode;
  readonly clock: HastyClock;
}

/** Opens the file on a good server. */
async function opened(more: Definition = {}, handler: Handler = content(BYTES), warnings: string[] = []): Promise<Opened> {
  const clock = new HastyClock();
  const served = await serve(handler);
  cleanup.push(async () => served[Symbol.asyncDispose]());
  const graph = graphOf({ host: { ...clock.host, warn: (message) => { warnings.push(message); } } });
  cleanup.push(() => graph.close());
  const node = await openUrl(graph, served.url, { readahead: 65536, ...more });
  served.ranges.length = 0;
  return { served, node, clock };
}

async function expectRight(node: BlockNode): Promise<void> {
  expectSameBytes(await readAt(node, AT, LENGTH), BYTES.subarray(AT, AT + LENGTH));
}

/** Different for the first `times` requests, and good afterwards. */
function first(times: number, answer: (start: number, end: number) => Answer): Handler {
  let left = times;
  return content(BYTES, (start, end) => (left-- > 0 ? answer(start, end) : undefined));
}

const range = (start: number, end: number, total: number | string = SIZE): Record<string, string> => ({ 'content-range': `bytes ${start}-${end - 1}/${total}` });

/** Answers that cannot be right, and what is said about them. */
const LIES: readonly (readonly [string, (start: number, end: number) => Answer, string | RegExp])[] = [
  ['another range', (start, end) => ({ headers: range(start + 1, end + 1) }), 'The server sent bytes 300001-700000 instead of 300000-699999'],
  ['a longer range', (start, end) => ({ headers: range(start, end + 1) }), 'instead of 300000-699999'],
  ['a range without a header', () => ({ headers: { 'content-range': undefined } }), 'without saying which'],
  ['a range that is none', () => ({ headers: { 'content-range': 'bytes 9-3/1000003' } }), 'without saying which (Content-Range: bytes 9-3/1000003)'],
  ['several parts', () => ({ headers: { 'content-range': undefined, 'content-type': 'multipart/byteranges; boundary=x' } }), 'without saying which'],
  ['a length that does not fit', () => ({ headers: { 'content-length': '5' }, body: (right) => right.subarray(0, 5) }), 'The server sends 5 bytes and calls them 300000-699999'],
  ['too few bytes', () => ({ headers: { 'content-length': undefined }, body: (right) => right.subarray(0, 9) }), /The server sent 9 of 399964 bytes/],
  ['too many bytes', () => ({ headers: { 'content-length': undefined }, body: (right) => Buffer.concat([right, right]) }), 'The server sent more than the 400000 bytes that it had announced'],
  ['packed bytes', () => ({ headers: { 'content-encoding': 'gzip' } }), 'The server sent the file packed, which it had not been asked for (Content-Encoding: gzip)'],
  ['the whole file', () => ({ status: 200 }), 'The server ignored the range 300000-699999 and sent the whole file'],
  ['no version any more', () => ({ headers: { etag: undefined } }), 'no longer says which version'],
  ['an error of its own', () => ({ status: 500, body: () => Buffer.from('oops') }), 'The requested URL returned error: 500'],
  ['that it is busy', () => ({ status: 503, body: () => Buffer.alloc(0) }), 'The requested URL returned error: 503'],
  ['nothing', () => ({ cutAfter: 0 }), /closed the connection|connection to .* broke/],
  ['a half, and resets the connection', () => ({ cutAfter: 30_000, reset: true }), /reset by peer|closed the connection/],
  ['a half', () => ({ cutAfter: 30_000 }), /closed the connection|connection to .* broke/],
];

describe('a server that sends', () => {
  it.each(LIES)('%s once is asked again', async (_name, answer) => {
    const { served, node } = await opened();
    served.handler = first(1, answer);
    await expectRight(node);
    expect(served.ranges.length).toBe(2);
  });

  it.each(LIES)('%s always is given up', async (_name, answer, message) => {
    const { served, node, clock } = await opened();
    served.handler = first(Infinity, answer);
    await expect(readAt(node, AT, LENGTH)).rejects.toThrow(message);
    expect(served.ranges.length).toBe(ATTEMPTS);
    expect(clock.pauses).toEqual([100, 400, 1600]);
    served.handler = content(BYTES);
    await expectRight(node);
  });

  it.each<readonly [string, Answer, string]>([
    ['404', { status: 404, body: () => Buffer.alloc(0) }, 'The requested URL returned error: 404'],
    ['403', { status: 403, body: () => Buffer.alloc(0) }, 'The requested URL returned error: 403'],
    ['418', { status: 418, body: () => Buffer.alloc(0) }, 'The requested URL returned error: 418'],
  ])('%s is not asked again', async (_name, answer, message) => {
    const { served, node } = await opened();
    served.handler = first(Infinity, () => answer);
    await expect(readAt(node, AT, LENGTH)).rejects.toThrow(message);
    expect(served.ranges.length).toBe(1);
  });
});

describe('a file that changes', () => {
  it.each<readonly [string, Answer, string]>([
    ['by its tag', { headers: { etag: '"two"' } }, 'its ETag is "two" instead of "one"'],
    ['by its date', { headers: { 'last-modified': 'Fri, 02 Jan 2026 00:00:00 GMT' } }, 'it is of Fri, 02 Jan 2026 00:00:00 GMT instead of Thu, 01 Jan 2026 00:00:00 GMT'],
    ['by its size', { headers: range(AT, AT + LENGTH, SIZE + 1) }, `it has ${SIZE + 1} bytes where there were ${SIZE}`],
    ['and answers with all of the new one', { status: 200, headers: { etag: '"two"' } }, 'its ETag is "two"'],
    ['and is shorter than what is asked for', { status: 416, body: () => Buffer.alloc(0) }, 'the server has no such bytes any more'],
  ])('%s fails for good', async (_name, answer, message) => {
    const { served, node } = await opened();
    served.handler = first(Infinity, () => answer);
    const changed = { kind: 'corrupt', message: `The file on the server has changed since it was opened: ${message}` };
    await expect(readAt(node, AT, LENGTH)).rejects.toMatchObject({ ...changed, message: expect.stringContaining(message) as string });
    expect(served.ranges.length).toBe(1);
    served.handler = content(BYTES);
    await expect(readAt(node, 800_000, 1000)).rejects.toMatchObject({ kind: 'corrupt' });
    expect(served.ranges.length).toBe(1);
  });

  it('is told of, once, for those to whom a read has only failed', async () => {
    const warnings: string[] = [];
    const { served, node } = await opened({}, content(BYTES), warnings);
    served.handler = first(Infinity, () => ({ headers: { etag: '"two"' } }));
    for (let i = 0; i < 3; i++) await expect(readAt(node, AT, LENGTH)).rejects.toMatchObject({ kind: 'corrupt' });
    expect(warnings).toEqual([`warning: ${served.url}: The file on the server has changed since it was opened: its ETag is "two" instead of "one"`]);
  });

  it('in the middle of a range that broke off gives no bytes of both', async () => {
    const { served, node } = await opened();
    let requests = 0;
    served.handler = content(BYTES, () => (requests++ === 0 ? { cutAfter: 100_000 } : { headers: { etag: '"two"' } }));
    await expect(readAt(node, AT, LENGTH)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('is asked for under the condition that it has not', async () => {
    const seen: unknown[] = [];
    const { node } = await opened({}, content(BYTES, (_start, _end, request) => { seen.push(request.headers['if-range']); return undefined; }));
    await expectRight(node);
    expect(seen).toEqual([undefined, '"one"']);
    seen.length = 0;
    const dated = await opened({}, content(BYTES, (_start, _end, request) => { seen.push(request.headers['if-range']); return { headers: { etag: undefined } }; }));
    await expectRight(dated.node);
    expect(seen).toEqual([undefined, 'Thu, 01 Jan 2026 00:00:00 GMT']);
  });

  it.each<readonly [string, Record<string, string | undefined>]>([
    ['a tag that is weak', { etag: 'W/"weak"' }],
    ['a date of just now', { etag: undefined, 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT', date: 'Thu, 01 Jan 2026 00:00:59 GMT' }],
  ])('is asked for without a condition where there is but %s, which servers must not believe', async (_name, headers) => {
    const seen: unknown[] = [];
    const { node } = await opened({}, content(BYTES, (_start, _end, request) => { seen.push(request.headers['if-range']); return { headers }; }));
    await expectRight(node);
    expect(seen).toEqual([undefined, undefined]);
  });

  it('is the same when its weak tag becomes strong, and another one the other way round', async () => {
    let etag = 'W/"one"';
    const { served, node } = await opened({}, content(BYTES, () => ({ headers: { etag } })));
    etag = '"one"';
    await expectRight(node);
    const strong = await opened();
    strong.served.handler = content(BYTES, () => ({ headers: { etag: 'W/"one"' } }));
    await expect(readAt(strong.node, AT, LENGTH)).rejects.toThrow('its ETag is W/"one" instead of "one"');
    served.handler = content(BYTES, () => ({ headers: { etag: '"two"' } }));
    await expect(readAt(node, AT, LENGTH)).rejects.toThrow('its ETag is "two" instead of W/"one"');
  });
});

describe('what broke off', () => {
  it('goes on where it broke, as often as there is progress', async () => {
    const { served, node } = await opened();
    served.handler = content(BYTES, (start, end) => (end - start > 70_000 ? { cutAfter: 70_000 } : undefined));
    await expectRight(node);
    expect(served.ranges.length).toBeGreaterThan(ATTEMPTS);
    const starts = served.ranges.map((text) => Number(/\d+/.exec(text)?.[0]));
    // Never backwards, and never over again.
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
    expect(served.ranges.every((text) => text.endsWith(`-${AT + LENGTH - 1}`))).toBe(true);
  });

  it('is not asked for a byte at a time for ever', async () => {
    const { served, node } = await opened();
    served.handler = content(BYTES, (start) => ({ headers: { ...range(start, start + 1), 'content-length': '1' }, body: (right) => right.subarray(0, 1) }));
    await expect(readAt(node, AT, LENGTH)).rejects.toThrow('The server sent less than it was asked for');
    expect(served.ranges.length).toBe(ATTEMPTS);
  });

  it('is served again by connections that are used again', async () => {
    const { served, node } = await opened({ readahead: 0 });
    for (let i = 0; i < 20; i++) await readAt(node, i * 1000, 1000);
    expect(served.connections).toBe(1);
    expect(served.ranges.length).toBe(20);
  });

  it('comes back when the server was started anew', async () => {
    const { served, node } = await opened();
    served.server.closeAllConnections();
    await expectRight(node);
  });
});

describe('a server that dawdles', () => {
  it('is given up when nothing comes', async () => {
    const { served, node, clock } = await opened();
    served.handler = () => undefined;
    const read = readAt(node, AT, LENGTH).then(() => 'read', (error: Error) => error.message);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await until(() => served.ranges.length === attempt + 1 && clock.running === 1);
      clock.expire();
    }
    expect(await read).toBe('The server is too slow: no answer within 5 s');
    served.handler = content(BYTES);
    await expectRight(node);
  });

  it('is given up when it sends a trickle', async () => {
    const { served, node, clock } = await opened({ timeout: 9 });
    let sent: () => void = () => undefined;
    served.handler = (_request, response) => {
      response.writeHead(206, { ...range(AT, AT + LENGTH), etag: '"one"' });
      response.write(BYTES.subarray(AT, AT + 3), () => { sent(); });
    };
    const read = readAt(node, AT, LENGTH).then(() => 'read', (error: Error) => error.message);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await new Promise<void>((resolve) => { sent = resolve; });
      // What was written has to have arrived: the other end takes it before its next answer.
      await until(() => clock.running === 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      clock.expire();
      served.handler = (_request, response) => {
        const [, start = '0'] = /^bytes=(\d+)/.exec(_request.headers.range ?? '') ?? [];
        response.writeHead(206, { ...range(Number(start), AT + LENGTH), etag: '"one"' });
        response.write(BYTES.subarray(Number(start), Number(start) + 3), () => { sent(); });
      };
    }
    expect(await read).toMatch(/^The server is too slow: (only 3 bytes|no answer) within 9 s$/);
  });

  it('may take its time where there is no time-out', async () => {
    const { node, clock } = await opened({ timeout: 0 });
    const read = readAt(node, AT, LENGTH);
    expect(clock.running).toBe(0);
    await read;
  });

  it('does not keep an image from being closed', async () => {
    const { served, node } = await opened();
    served.handler = () => undefined;
    const read = readAt(node, AT, LENGTH).then(() => 'read', (error: Error) => error.message);
    await until(() => served.ranges.length === 1);
    await node.driver.close();
    expect(await read).toBe('The image was closed');
  });
});

describe('opening', () => {
  const open = async (handler: Handler, more: Definition = {}): Promise<BlockNode> => (await opened(more, handler)).node;
  const always = (answer: Answer): Handler => content(BYTES, () => answer);

  it.each<{ readonly what: string; readonly answer: Answer; readonly message: string; readonly more?: Definition }>([
    { what: 'a file that is not there', answer: { status: 404 }, message: 'CURL: Error opening file: The requested URL returned error: 404' },
    { what: 'a part without a size', answer: { headers: range(0, 65536, '*') }, message: 'CURL: Error opening file: The server does not say how large the file is' },
    { what: 'another part', answer: { headers: range(5, 65541) }, message: 'CURL: Error opening file: The server sent bytes 5-65540 instead of 0-65535' },
    { what: 'a size that no number holds', answer: { headers: range(0, 65536, '9999999999999999') }, message: 'without saying which' },
    { what: 'a packed file', answer: { status: 200, headers: { 'content-encoding': 'br' } }, message: 'The server sent the file packed' },
    { what: 'no ranges, where nothing may be spooled', answer: { status: 200 }, message: "CURL: Error opening file: Server does not support 'range' (byte ranges).", more: { spool: 0 } },
    { what: 'a whole file without an end', answer: { status: 200, headers: { 'content-length': undefined, connection: 'close', 'transfer-encoding': 'identity' } }, message: 'CURL: Error opening file: The server does not say how long the file is' },
  ])('$what is refused', async ({ answer, message, more }) => {
    await expect(open(always(answer), more)).rejects.toThrow(message);
  });

  it('an empty file works, however the server says so', async () => {
    const empty = new Uint8Array(0);
    expect((await open(content(empty, () => ({ status: 200 })))).size).toBe(0);
    expect((await open(content(empty, () => ({ status: 416, headers: { 'content-range': 'bytes */0' } })))).size).toBe(0);
    await expect(open(content(empty, () => ({ status: 416, headers: { 'content-range': 'bytes */9' } })))).rejects.toThrow('416');
  });

  it('a server that stumbles is asked three times', async () => {
    let requests = 0;
    const node = await open(content(BYTES, () => (++requests < 3 ? { status: 502 } : undefined)));
    await expectRight(node);
    requests = -100;
    await expect(open(content(BYTES, () => (++requests < 3 ? { status: 502 } : undefined)))).rejects.toThrow('502');
    expect(requests).toBe(-97);
  });

  it('a cache that sends all of it once, and parts later, is asked for parts', async () => {
    let requests = 0;
    const { served, node } = await opened({ spool: 0 }, content(BYTES, () => (++requests === 1 ? { status: 200, headers: { 'accept-ranges': 'bytes' } } : undefined)));
    await expectRight(node);
    expect(served.ranges).toEqual([`bytes=${AT}-${AT + LENGTH - 1}`]);
  });

  it('is refused for writing', async () => {
    const served = await serve(content(BYTES));
    cleanup.push(async () => served[Symbol.asyncDispose]());
    const graph = graphOf();
    await expect(graph.open({ driver: 'http', url: served.url })).rejects.toThrow('curl driver does not support writes');
    expect((await graph.open({ driver: 'http', url: served.url, 'auto-read-only': true })).readOnly).toBe(true);
    await graph.close();
  });

  it('ends when it is aborted', async () => {
    const served = await serve(() => undefined);
    cleanup.push(async () => served[Symbol.asyncDispose]());
    const abort = new AbortController();
    const opening = graphOf().open({ driver: 'http', url: served.url, 'read-only': true }, { signal: abort.signal });
    await until(() => served.ranges.length === 1);
    abort.abort();
    await expect(opening).rejects.toMatchObject({ kind: 'aborted' });
  });

  it('a server that does not encrypt is refused in a few words, on one line', async () => {
    const server = await serve(content(BYTES));
    const url = server.url.replace('http:', 'https:');
    await expect(openUrl(graphOf({ host: new HastyClock().host }), url, { driver: 'https' })).rejects.toThrow(/^CURL: Error opening file: The TLS connection to 127\.0\.0\.1 failed: [a-z ]+$/);
    await server[Symbol.asyncDispose]();
  });

  it('what is no HTTP at all is refused', async () => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.end('SSH-2.0-OpenSSH_9.2\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(openUrl(graphOf({ host: new HastyClock().host }), `http://127.0.0.1:${port}/x`)).rejects.toThrow(`CURL: Error opening file: The answer of 127.0.0.1:${port} is no HTTP`);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await expect(openUrl(graphOf(), `http://127.0.0.1:${port}/x`)).rejects.toThrow(`CURL: Error opening file: Failed to connect to 127.0.0.1 port ${port}: Connection refused`);
  });
});

describe('a server without ranges', () => {
  const whole = (answer: (request: number) => Answer = () => ({})): Handler => {
    let requests = 0;
    return content(BYTES, () => ({ status: 200, ...answer(requests++) }));
  };

  it('sends the file once', async () => {
    const { served, node } = await opened({}, whole());
    await expectRight(node);
    expectSameBytes(await readAt(node, 0, SIZE), BYTES);
    await expectRight(node);
    expect(served.ranges.length).toBe(0);
    expect(served.connections).toBe(1);
  });

  it('sends it again where it broke off; what was there already has to be the same', async () => {
    const { served, node } = await opened({}, whole((request) => (request < 3 ? { cutAfter: 200_000 * (request + 1) } : {})));
    expectSameBytes(await readAt(node, 0, SIZE), BYTES);
    expect(served.connections).toBeGreaterThan(1);
    const other = await opened({}, whole((request) => (request === 0 ? { cutAfter: 200_000 } : { body: (right) => Buffer.concat([right.subarray(0, 150_000), Buffer.of(right[150_000] ^ 1), right.subarray(150_001)]) })));
    await expect(readAt(other.node, AT, LENGTH)).rejects.toThrow('The file has changed while it was fetched: byte 150000 is another one');
    const tagged = await opened({}, whole((request) => (request === 0 ? { cutAfter: 200_000 } : { headers: { etag: '"two"' } })));
    await expect(readAt(tagged.node, AT, LENGTH)).rejects.toThrow('its ETag is "two"');
  });

  it('is given up where it breaks off again and again', async () => {
    const { node } = await opened({}, whole(() => ({ cutAfter: 200_000 })));
    await expect(readAt(node, AT, LENGTH)).rejects.toThrow(/closed the connection|connection to .* broke/);
    expectSameBytes(await readAt(node, 0, 100_000), BYTES.subarray(0, 100_000));
  });

  it('may leave its length open', async () => {
    const { node } = await opened({}, whole(() => ({ headers: { 'content-length': undefined } })));
    expect(node.size).toBe(SIZE);
    await expectRight(node);
  });

  it('is refused where its file is larger than allowed', async () => {
    await expect(opened({ spool: SIZE - 1 }, whole())).rejects.toThrow(`The file has ${SIZE} bytes; it has to be fetched as a whole, and 'spool' allows ${SIZE - 1}`);
    await expect(opened({ spool: SIZE - 1 }, whole(() => ({ headers: { 'content-length': undefined } })))).rejects.toThrow("and 'spool' allows");
    await opened({ spool: SIZE }, whole());
  });
});
