// What goes over one connection, and over several: pieces of any size, bytes that nobody asked for, and ends in the middle.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, TLSSocket } from 'node:tls';
import { expectSameBytes, prng, type Prng } from '@blk/driver-conformance';
import { makeCertificates, skipUnless, tempDir, until } from '@blk/oracle';
import { afterEach, describe, expect, it } from 'vitest';
import { openTransport } from '../src/platform/transport-node.js';
import type { HttpResponse, Transport } from '../src/transport.js';

const BODY = Buffer.from(prng(31).bytes(300_000));

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

interface Raw {
  readonly url: URL;
  readonly sockets: Set<Socket>;
  /** Connections so far, and the most at a time. */
  made: number;
  most: number;
}

/** A server that is told of each request, all of whose head has come. */
async function startRaw(answer: (socket: Socket, request: string, count: number) => unknown): Promise<Raw> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    raw.made++;
    raw.most = Math.max(raw.most, sockets.size);
    socket.setNoDelay(true);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.endsWith('\r\n\r\n')) return;
      const request = text;
      text = '';
      answer(socket, request, ++count);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const raw: Raw = { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`), sockets, made: 0, most: 0 };
  return raw;
}

function transportOf(connections = 8): Transport {
  const transport = openTransport({ driver: 'http', verify: true, authorities: undefined, proxyFor: () => undefined, connections, timeout: 0 });
  cleanup.push(async () => { transport.close(); });
  return transport;
}

function send(transport: Transport, { url }: Raw, signal = new AbortController().signal): Promise<HttpResponse> {
  return transport.send({ url, headers: {}, signal });
}

/** The whole body, put where it belongs by whichever way it comes. */
async function bodyOf(response: HttpResponse, { direct = true, waits = false } = {}): Promise<Buffer> {
  const buffer = Buffer.alloc(BODY.length + 10, 1);
  let at = 0;
  await response.body((chunk) => {
    const there = chunk.buffer === buffer.buffer && chunk.byteOffset === buffer.byteOffset + at;
    if (!there) buffer.set(chunk, at);
    at += chunk.length;
    return waits ? new Promise((resolve) => { setImmediate(resolve); }) : undefined;
  }, direct ? () => buffer.subarray(at, BODY.length) : undefined);
  expect(buffer.subarray(at).every((byte) => byte === 1)).toBe(true);
  return buffer.subarray(0, at);
}

const answered = (body: Uint8Array, more = ''): Buffer => Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${more}\r\n`), body]);

function chunked(body: Uint8Array, random: Prng, longest: number): Buffer {
  const parts: Uint8Array[] = [Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')];
  for (let at = 0; at < body.length; ) {
    const part = body.subarray(at, at + 1 + random.below(longest));
    at += part.length;
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** Writes `bytes` in pieces, each after the one before has left. */
async function dribble(socket: Socket, bytes: Buffer, next: () => number): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed; ) {
    const piece = bytes.subarray(at, at + next());
    at += piece.length;
    await new Promise<void>((resolve) => { socket.write(piece, () => { setImmediate(resolve); }); });
  }
}

describe('a body', () => {
  it.each([
    { how: 'in pieces of any size', longest: 50_000, options: {} },
    { how: 'in small pieces', longest: 3000, options: { direct: false } },
    { how: 'to somebody who takes time', longest: 20_000, options: { waits: true } },
    { how: 'to somebody who takes time and has no place', longest: 90_000, options: { waits: true, direct: false } },
  ])('comes $how', async ({ longest, options }) => {
    const random = prng(longest);
    const raw = await startRaw((socket, _request, count) => {
      const bytes = count % 2 === 0 ? answered(BODY) : chunked(BODY, random, count === 1 ? 100_000 : 5000);
      void dribble(socket, bytes, () => 1 + random.below(longest));
    });
    const transport = transportOf();
    for (let i = 0; i < 4; i++) expectSameBytes(await bodyOf(await send(transport, raw), options), BODY);
    expect(raw.made).toBe(1);
  });

  it('may last until the connection ends', async () => {
    const raw = await startRaw((socket) => {
      socket.write('HTTP/1.0 200 OK\r\n\r\n');
      socket.end(BODY);
    });
    const response = await send(transportOf(), raw);
    expect(response.delimited).toBe(false);
    expectSameBytes(await bodyOf(response), BODY);
  });

  it('that breaks off says so, and leaves the connection', async () => {
    const raw = await startRaw((socket) => { socket.end(answered(BODY).subarray(0, 200_000)); });
    const response = await send(transportOf(), raw);
    await expect(bodyOf(response)).rejects.toThrow('The server closed the connection in the middle of the file');
  });

  it('is not written any more once it was called off', async () => {
    let more: () => void = () => undefined;
    const raw = await startRaw((socket) => {
      socket.write(answered(BODY).subarray(0, 100_000));
      more = () => { socket.write(BODY); };
    });
    const abort = new AbortController();
    const response = await send(transportOf(), raw, abort.signal);
    const buffer = Buffer.alloc(BODY.length);
    let at = 0;
    const read = response.body((chunk) => {
      at += chunk.length;
      if (at > 50_000) setImmediate(() => { abort.abort(new Error('called off')); });
    }, () => buffer.subarray(at));
    await expect(read).rejects.toThrow('called off');
    const before = Buffer.from(buffer);
    more();
    await until(() => raw.sockets.size === 0);
    expectSameBytes(buffer, before);
  });

  it('ends with the error of whoever takes it, after what that has begun', async () => {
    const raw = await startRaw((socket) => { socket.write(answered(BODY)); });
    const transport = transportOf();
    await expect((await send(transport, raw)).body(() => { throw new Error('full'); })).rejects.toThrow('full');
    let kept = false;
    let begun = (): void => undefined;
    const started = new Promise<void>((resolve) => { begun = resolve; });
    const abort = new AbortController();
    const read = (await send(transport, raw, abort.signal)).body(async () => {
      begun();
      await new Promise((resolve) => { setImmediate(() => { setImmediate(resolve); }); });
      kept = true;
    });
    await started;
    abort.abort(new Error('called off'));
    await expect(read).rejects.toThrow('called off');
    expect(kept).toBe(true);
    await until(() => raw.sockets.size === 0);
  });
});

const needs = skipUnless('openssl');
describe.skipIf(needs.skip)(needs.title('a server that resets after it has sent'), () => {
  it.each(['http', 'https'] as const)('has sent all of it, though nobody took it then: %s', async (scheme) => {
    using dir = tempDir();
    const sent = 100_000;
    let reset = (): void => undefined;
    const respond = (socket: Socket, raw: Socket): void => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write(answered(BODY).subarray(0, sent)));
      reset = () => { raw.resetAndDestroy(); };
    };
    const plain = createServer((socket) => { if (scheme === 'http') respond(socket, socket); });
    if (scheme === 'https') {
      const { server } = await makeCertificates(dir.path);
      const context = createSecureContext({ cert: readFileSync(join(server, 'server-cert.pem')), key: readFileSync(join(server, 'server-key.pem')) });
      plain.on('connection', (socket: Socket) => { respond(new TLSSocket(socket, { isServer: true, secureContext: context }), socket); });
    }
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    cleanup.push(() => new Promise((resolve) => plain.close(resolve)));
    const transport = openTransport({ driver: scheme, verify: false, authorities: undefined, proxyFor: () => undefined, connections: 1, timeout: 0 });
    cleanup.push(async () => { transport.close(); });
    const response = await transport.send({ url: new URL(`${scheme}://127.0.0.1:${(plain.address() as AddressInfo).port}/x`), headers: {}, signal: new AbortController().signal });
    const taken: Uint8Array[] = [];
    const read = response.body(async (chunk) => {
      taken.push(Uint8Array.from(chunk));
      // Long enough for the rest to have come, and the end after it.
      if (taken.length === 1) await new Promise((resolve) => { setTimeout(resolve, 100); });
      if (taken.length === 1) reset();
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    });
    await expect(read).rejects.toThrow();
    const head = answered(BODY).length - BODY.length;
    expectSameBytes(Buffer.concat(taken), BODY.subarray(0, sent - head));
  });
});

describe('a connection', () => {
  const connectionsFor = async (answer: Buffer): Promise<number> => {
    const raw = await startRaw((socket) => { socket.write(answer); });
    const transport = transportOf();
    for (let i = 0; i < 3; i++) expectSameBytes(await bodyOf(await send(transport, raw)), BODY);
    return raw.made;
  };

  it.each([
    { what: 'is used again', answer: answered(BODY), made: 1 },
    { what: 'of an older server is used again where it says so', answer: Buffer.from(answered(BODY, 'Connection: Keep-Alive\r\n').toString('latin1').replace('HTTP/1.1', 'HTTP/1.0'), 'latin1'), made: 1 },
    { what: 'of an older server is not, where it does not', answer: Buffer.from(answered(BODY).toString('latin1').replace('HTTP/1.1', 'HTTP/1.0'), 'latin1'), made: 3 },
    { what: 'that the server closes is not', answer: answered(BODY, 'connection: x, Close\r\n'), made: 3 },
    { what: 'that the server is about to close is not', answer: answered(BODY, 'keep-alive: timeout=1\r\n'), made: 3 },
    { what: 'that says more than it was asked is not', answer: Buffer.concat([answered(BODY), Buffer.from('H')]), made: 3 },
    { what: 'that answers twice is not', answer: Buffer.concat([answered(BODY), answered(BODY.toReversed())]), made: 3 },
  ])('$what', async ({ answer, made }) => {
    expect(await connectionsFor(answer)).toBe(made);
  });

  it('that speaks unasked is left', async () => {
    const raw = await startRaw((socket) => { socket.write(answered(BODY)); });
    const transport = transportOf();
    await bodyOf(await send(transport, raw));
    const [socket] = raw.sockets;
    const closed = once(socket, 'close');
    socket.write(answered(Buffer.from('poison')));
    await closed;
    expectSameBytes(await bodyOf(await send(transport, raw)), BODY);
    expect(raw.made).toBe(2);
  });

  it('that ended while nobody used it is replaced', async () => {
    const raw = await startRaw((socket) => { socket.write(answered(BODY)); });
    const transport = transportOf();
    await bodyOf(await send(transport, raw));
    const [socket] = raw.sockets;
    const closed = once(socket, 'close');
    socket.end();
    await closed;
    expectSameBytes(await bodyOf(await send(transport, raw)), BODY);
    expect(raw.made).toBe(2);
  });

  it('that is given up as soon as it is asked again is replaced, as often as that happens', async () => {
    const asked = new Set<Socket>();
    const raw = await startRaw((socket) => {
      if (asked.has(socket)) socket.destroy();
      else socket.write(answered(BODY));
      asked.add(socket);
    });
    const transport = transportOf();
    for (let i = 0; i < 5; i++) expectSameBytes(await bodyOf(await send(transport, raw)), BODY);
    expect(raw.made).toBe(5);
  });

  it('that never gives an answer, or begins one, is not', async () => {
    let word = '';
    const raw = await startRaw((socket, _request, count) => {
      if (count % 2 === 0) socket.end(word);
      else if (word === '') socket.end();
      else socket.write(answered(BODY));
    });
    const transport = transportOf();
    await expect(send(transport, raw)).rejects.toThrow('The server closed the connection without an answer');
    expect(raw.made).toBe(1);
    await expect(send(transport, raw)).rejects.toThrow('The server closed the connection without an answer');
    word = 'HTT';
    await bodyOf(await send(transport, raw));
    await expect(send(transport, raw)).rejects.toThrow('is no HTTP: it ends in the middle of its head');
    expect(raw.made).toBe(3);
  });

  it('goes on after a short body that nobody wants, and ends with a long one', async () => {
    let body: Uint8Array = new Uint8Array(1000);
    const raw = await startRaw((socket) => { socket.write(answered(body)); });
    const transport = transportOf(1);
    (await send(transport, raw)).cancel();
    (await send(transport, raw)).cancel();
    expect(raw.made).toBe(1);
    body = BODY;
    (await send(transport, raw)).cancel();
    expectSameBytes(await bodyOf(await send(transport, raw)), BODY);
    expect(raw.made).toBe(2);
  });

  it('is one of a few: requests beyond them wait, and may be called off', async () => {
    const held: Socket[] = [];
    const raw = await startRaw((socket) => { held.push(socket); });
    const transport = transportOf(2);
    const read = async (): Promise<Buffer> => bodyOf(await send(transport, raw));
    const reads = [read(), read()];
    await until(() => held.length === 2);
    const abort = new AbortController();
    const called = send(transport, raw, abort.signal);
    reads.push(read(), read(), read());
    abort.abort(new Error('called off'));
    await expect(called).rejects.toThrow('called off');
    for (let i = 0; i < 5; i++) {
      await until(() => held.length > 0);
      held.shift()?.write(answered(BODY));
    }
    for (const body of await Promise.all(reads)) expectSameBytes(body, BODY);
    expect(raw.most).toBe(2);
  });
});
