// Servers that encrypt, directly and through proxies that do so too: whom is believed, and what goes which way.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { BlockGraph, type BlockNode, type Definition } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng } from '@blk/driver-conformance';
import { skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';
import { httpDrivers, type HttpDriverOptions } from '../src/index.js';
import { content, makeCertificate, readAt, serve, type Handler, type Served } from './support.js';

const BYTES = prng(23).bytes(200_000);

const needs = skipUnless('openssl');
describe.skipIf(needs.skip)(needs.title('a server that encrypts'), () => {
  let dir: TempDir;
  let authorities: string;
  let tls: { readonly cert: string; readonly key: string };
  const cleanup: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    dir = tempDir();
    const { certificate, key } = await makeCertificate(dir, 'DNS:localhost,IP:127.0.0.1');
    authorities = readFileSync(certificate, 'utf8');
    tls = { cert: authorities, key: readFileSync(key, 'utf8') };
  });
  afterEach(async () => {
    for (const done of cleanup.splice(0).reverse()) await done();
  });
  afterAll(() => { dir[Symbol.dispose](); });

  async function start(handler: Handler, server: Server = createServer()): Promise<Served> {
    const served = await serve(handler, server);
    cleanup.push(async () => served[Symbol.asyncDispose]());
    return served;
  }

  async function startSecure(handler: Handler): Promise<string> {
    return (await start(handler, createSecureServer(tls))).url.replace('http:', 'https:');
  }

  /** Opens ways to where it is asked to, and says which. */
  async function startProxy({ secure = false, opens = true } = {}): Promise<{ readonly url: string; readonly asked: string[]; readonly server: Server }> {
    const asked: string[] = [];
    const server = secure ? createSecureServer(tls) : createServer();
    const served = await start((_request, response) => { response.writeHead(500).end(); }, server);
    server.on('connect', (request: IncomingMessage, socket: Socket) => {
      asked.push(`${request.url}`);
      socket.on('error', () => undefined);
      if (!opens) return void socket.resume();
      const target = new URL(`http://${request.url}`);
      const onward = connect(Number(target.port), target.hostname, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      onward.on('error', () => socket.destroy());
      cleanup.push(async () => { onward.destroy(); socket.destroy(); });
    });
    return { url: new URL(served.url.replace('http:', secure ? 'https:' : 'http:')).origin, asked, server };
  }

  async function open(url: string, options: HttpDriverOptions, more: Definition = {}, signal?: AbortSignal): Promise<BlockNode> {
    const { http, https } = httpDrivers(options);
    const graph = new BlockGraph({ drivers: [http, https], host: new HastyClock().host });
    cleanup.push(() => graph.close());
    return graph.open({ driver: url.startsWith('https:') ? 'https' : 'http', url, 'read-only': true, ...more }, signal === undefined ? {} : { signal });
  }

  async function expectRight(node: BlockNode): Promise<void> {
    expectSameBytes(await readAt(node, 50_000, 90_000), BYTES.subarray(50_000, 140_000));
  }

  it.each([false, true])('is reached through a proxy (one that encrypts: %s)', async (secure) => {
    const url = await startSecure(content(BYTES));
    const proxy = await startProxy({ secure });
    await expectRight(await open(url, { authorities, proxy: () => proxy.url }, { readahead: 0 }));
    expect(proxy.asked).toEqual([new URL(url).host]);
  });

  it('sends long files, in parts and as a whole, though they are taken slowly', async () => {
    const long = prng(24).bytes(3_000_000);
    for (const status of [206, 200]) {
      const node = await open(await startSecure(content(long, () => ({ status }))), { authorities }, { readahead: 0 });
      expectSameBytes(await readAt(node, 100_000, 2_800_000), long.subarray(100_000, 2_900_000));
    }
  });

  it('has to prove its name through a proxy as well', async () => {
    const url = await startSecure(content(BYTES));
    const proxy = await startProxy();
    await expect(open(url, { proxy: () => proxy.url })).rejects.toMatchObject({ kind: 'permission', message: expect.stringContaining('SSL certificate problem: self-signed certificate') as string });
    const secure = await startProxy({ secure: true });
    await expect(open(url, { proxy: () => secure.url })).rejects.toThrow('SSL certificate problem');
    expect(secure.asked).toEqual([]);
    await expectRight(await open(url, { proxy: () => secure.url }, { sslverify: false }));
  });

  it('is asked through the proxy of its own URL when a redirect leads there', async () => {
    const url = await startSecure(content(BYTES));
    const proxy = await startProxy();
    const begin = await start((_request, response) => { response.writeHead(302, { location: url, 'content-length': 0 }).end(); });
    await expectRight(await open(begin.url, { authorities, proxy: ({ protocol }) => (protocol === 'https:' ? proxy.url : undefined) }));
    expect(proxy.asked.length).toBeGreaterThan(0);
  });

  it('does not send on to one that does not', async () => {
    const plain = await start(content(BYTES));
    const url = await startSecure((_request, response) => { response.writeHead(302, { location: plain.url, 'content-length': 0 }).end(); });
    await expect(open(url, { authorities })).rejects.toMatchObject({ kind: 'policy', message: expect.stringContaining('A redirect leads from https to http') as string });
    expect(plain.connections).toBe(0);
  });

  it('is not blamed for a proxy that is not there', async () => {
    const gone = await start(content(BYTES));
    const { port } = new URL(gone.url);
    await gone[Symbol.asyncDispose]();
    for (const url of ['https://server.example/x', 'http://server.example/x']) {
      await expect(open(url, { proxy: () => `http://127.0.0.1:${port}` })).rejects.toThrow(`Failed to connect to 127.0.0.1 port ${port}: Connection refused`);
    }
  });

  it('is not waited for once opening was called off, though its proxy says nothing', async () => {
    const proxy = await startProxy({ opens: false });
    const abort = new AbortController();
    const connected = once(proxy.server, 'connect') as Promise<[IncomingMessage]>;
    const opening = open('https://server.example/x', { proxy: () => proxy.url }, { timeout: 0 }, abort.signal).then(() => 'opened', (error: { kind?: string }) => error.kind);
    const [request] = await connected;
    const ended = once(request.socket, 'end');
    abort.abort();
    expect(await opening).toBe('aborted');
    await ended;
  });
});
