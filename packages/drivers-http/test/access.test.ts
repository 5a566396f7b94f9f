// Who asks, by which way, and what is told to whom.
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { BlockGraph, openImage, type BlockNode, type Definition } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng, runReadmeExample } from '@blk/driver-conformance';
import { afterEach, describe, expect, it } from 'vitest';
import { http, httpDrivers } from '../src/index.js';
import { content, graphOf, openUrl, readAt, serve, type Handler, type Served } from './support.js';

const BYTES = prng(3).bytes(100_000);
const secrets = (id: string): Uint8Array => new TextEncoder().encode(`secret of ${id}`);

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function start(handler: Handler): Promise<Served> {
  const served = await serve(handler);
  cleanup.push(async () => served[Symbol.asyncDispose]());
  return served;
}

async function open(url: string, more: Definition = {}): Promise<BlockNode> {
  const graph = graphOf({ secrets, host: new HastyClock().host });
  cleanup.push(() => graph.close());
  return openUrl(graph, url, { readahead: 4096, ...more });
}

async function expectRight(node: BlockNode): Promise<void> {
  expectSameBytes(await readAt(node, 50_000, 40_000), BYTES.subarray(50_000, 90_000));
}

/** Hands out the content to those who have the right header. */
function guarded(header: 'authorization' | 'cookie', right: string, seen: unknown[] = []): Handler {
  const good = content(BYTES);
  return (request, response) => {
    seen.push(request.headers[header]);
    if (request.headers[header] === right) good(request, response);
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"', 'content-length': 0 }).end();
  };
}

describe('user and password', () => {
  const right = `Basic ${Buffer.from('me:secret of p').toString('base64')}`;

  it('come from the options, once the server asks', async () => {
    const seen: unknown[] = [];
    const served = await start(guarded('authorization', right, seen));
    await expectRight(await open(served.url, { username: 'me', 'password-secret': 'p' }));
    expect(seen).toEqual([undefined, right, right]);
  });

  it('come from the URL', async () => {
    const served = await start(guarded('authorization', `Basic ${Buffer.from('a b:c@d').toString('base64')}`));
    const node = await open(served.url.replace('http://', 'http://a%20b:c%40d@'));
    await expectRight(node);
    expect(node.filename).toBe(served.url.replace('http://', 'http://a%20b:c%40d@'));
  });

  it('that are wrong are told once', async () => {
    const served = await start(guarded('authorization', 'no'));
    await expect(open(served.url, { username: 'me', 'password-secret': 'p' })).rejects.toMatchObject({ kind: 'permission', message: 'CURL: Error opening file: The requested URL returned error: 401' });
    expect(served.ranges.length).toBe(2);
  });

  it('are proved by digest, with new nonces as the old ones grow old', async () => {
    let nonce = 0;
    const good = content(BYTES);
    const served = await start((request, response) => {
      if (nonce > 0 && request.headers.authorization?.includes(`nonce="n${nonce}"`) === true && !request.headers.authorization.includes('nc=00000002')) good(request, response);
      else response.writeHead(401, { 'www-authenticate': `Digest realm="x", nonce="n${++nonce}", qop="auth", stale=${nonce > 1}`, 'content-length': 0 }).end();
    });
    const node = await open(served.url, { username: 'me', 'password-secret': 'p', readahead: 0 });
    await expectRight(node);
    await expectRight(node);
    expect(nonce).toBeGreaterThan(1);
  });
});

describe('cookies', () => {
  it('are sent as they are', async () => {
    const served = await start(guarded('cookie', 'a=b; c=d'));
    await expectRight(await open(served.url, { cookie: 'a=b; c=d' }));
    const secret = await start(guarded('cookie', 'secret of c'));
    await expectRight(await open(secret.url, { 'cookie-secret': 'c' }));
  });

  it('that would be headers of their own are refused', async () => {
    await expect(open('http://127.0.0.1:1/', { cookie: 'a=b\r\nX: y' })).rejects.toThrow('The cookie has characters that cannot be sent');
  });
});

describe('redirects', () => {
  const redirect = (to: (request: IncomingMessage) => string, status = 302): Handler => (request, response) => {
    response.writeHead(status, { location: to(request), 'content-length': 0 }).end();
  };

  it.each([301, 302, 303, 307, 308])('with %d are followed, and what they led to is asked from then on', async (status) => {
    const end = await start(content(BYTES));
    const begin = await start(redirect(() => end.url, status));
    await expectRight(await open(begin.url));
    expect(begin.ranges.length).toBe(1);
  });

  it('to another server take neither password nor cookie along', async () => {
    const seen: unknown[] = [];
    const good = content(BYTES);
    const end = await start((request, response) => {
      seen.push(request.headers.authorization, request.headers.cookie);
      good(request, response);
    });
    const asked: unknown[] = [];
    const begin = await start((request, response) => {
      asked.push(request.headers.authorization, request.headers.cookie);
      if (request.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic', 'content-length': 0 }).end();
      else redirect(() => end.url)(request, response);
    });
    await expectRight(await open(begin.url, { username: 'me', 'password-secret': 'p', cookie: 'a=b' }));
    expect(asked).toEqual([undefined, 'a=b', expect.stringContaining('Basic '), 'a=b']);
    expect(seen.every((value) => value === undefined)).toBe(true);
  });

  it('without end are left', async () => {
    const served = await start(redirect(() => '/again'));
    await expect(open(served.url)).rejects.toThrow('CURL: Error opening file: Maximum (10) redirects followed');
    expect(served.ranges.length).toBe(11);
  });

  it.each([
    ['file:///etc/passwd', "A redirect leads to another protocol: 'file'"],
    ['http://', "A redirect leads to no URL: 'http://'"],
    ['', "A redirect leads to no URL: ''"],
  ])('to %s are refused', async (to, message) => {
    const served = await start((_request, response) => { response.writeHead(302, { ...(to === '' ? {} : { location: to }), 'content-length': 0 }).end(); });
    await expect(open(served.url)).rejects.toThrow(message);
  });

  it('to a place that goes are asked for again', async () => {
    const good = content(BYTES);
    let gone = false;
    const served = await start((request, response) => {
      if (request.url === '/disk.raw') redirect(() => (gone ? '/second' : '/first'))(request, response);
      else if (request.url === '/first' && gone) response.writeHead(403, { 'content-length': 0 }).end();
      else good(request, response);
    });
    const node = await open(served.url);
    gone = true;
    await expectRight(node);
  });
});

describe('proxies', () => {
  /** Forwards what it is asked for, and counts. */
  async function startProxy(password?: string): Promise<{ url: string; readonly asked: string[] }> {
    const asked: string[] = [];
    const server = createServer();
    const allowed = (request: IncomingMessage): boolean => password === undefined || request.headers['proxy-authorization'] === `Basic ${Buffer.from(password).toString('base64')}`;
    const served = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (!allowed(request)) {
        response.writeHead(407, { 'content-length': 0 }).end();
        return;
      }
      delete request.headers['proxy-authorization'];
      httpRequest(request.url ?? '', { headers: request.headers, method: request.method }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      }).end();
    }, server);
    server.on('connect', (request: IncomingMessage, socket) => {
      asked.push(`CONNECT ${request.url}`);
      if (!allowed(request)) {
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
        return;
      }
      const target = new URL(`http://${request.url}`);
      const onward = connect(Number(target.port), target.hostname, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
      cleanup.push(async () => { onward.destroy(); socket.destroy(); });
    });
    cleanup.push(async () => served[Symbol.asyncDispose]());
    return { url: served.url.replace('/disk.raw', ''), asked };
  }

  async function openBy(proxy: string, url: string, more: Definition = {}): Promise<BlockNode> {
    const { http, https } = httpDrivers({ proxy: () => proxy });
    const graph = new BlockGraph({ drivers: [http, https], secrets, host: new HastyClock().host });
    cleanup.push(() => graph.close());
    return graph.open({ driver: url.startsWith('https:') ? 'https' : 'http', url, 'read-only': true, ...more });
  }

  it('are asked for whole URLs', async () => {
    const served = await start(content(BYTES));
    const proxy = await startProxy();
    await expectRight(await openBy(proxy.url, served.url));
    expect(proxy.asked[0]).toBe(`GET ${served.url}`);
  });

  it('are told who asks', async () => {
    const served = await start(content(BYTES));
    const proxy = await startProxy('me:secret of p');
    await expectRight(await openBy(proxy.url, served.url, { 'proxy-username': 'me', 'proxy-password-secret': 'p' }));
    await expect(openBy(proxy.url, served.url)).rejects.toThrow('The requested URL returned error: 407');
    await expectRight(await openBy(proxy.url.replace('http://', 'http://me:secret%20of%20p@'), served.url));
  });

  it('open ways to servers that encrypt', async () => {
    const proxy = await startProxy('x:y');
    await expect(openBy(proxy.url, 'https://127.0.0.1:9/x')).rejects.toThrow('opens no way to 127.0.0.1:9 (error: 407)');
    expect(proxy.asked).toEqual(['CONNECT 127.0.0.1:9']);
  });

  it('of other kinds are refused', async () => {
    await expect(openBy('socks5://127.0.0.1:1', 'http://127.0.0.1:1/')).rejects.toThrow("Proxies of the kind 'socks5' are not supported");
    await expect(openBy('http://', 'http://127.0.0.1:1/')).rejects.toThrow('The URL of the proxy cannot be read');
  });
});

describe('options', () => {
  it.each<readonly [Definition, string]>([
    [{}, "curl block driver requires an 'url' option"],
    [{ url: 'https://h/' }, "http curl driver cannot handle the URL 'https://h/' (does not start with 'http://')"],
    [{ url: 'http://' }, "The URL 'http://' cannot be read"],
    [{ url: 'http://h/', filename: 'http://h/' }, 'url and filename may not be used at the same time'],
    [{ url: 'http://h/', readahead: 100 }, 'HTTP_READAHEAD_SIZE 100 is not a multiple of 512'],
    [{ url: 'http://h/', readahead: '1G' }, 'readahead=1073741824: at most 67108864 bytes are possible'],
    [{ url: 'http://h/', timeout: 100_000 }, 'timeout parameter is too large or negative'],
    [{ url: 'http://h/', cookie: 'a', 'cookie-secret': 'b' }, 'curl driver cannot handle both cookie and cookie secret'],
    [{ url: 'http://h/', foo: 1 }, "Block protocol 'http' doesn't support the option 'foo'"],
    [{ url: 'http://h/', 'password-secret': 'x' }, "No secret with id 'x'"],
  ])('%j are refused', async (options, message) => {
    await expect(graphOf().open({ driver: 'http', 'read-only': true, ...options })).rejects.toThrow(message);
  });

  it('may call the place a file name, as the first schema did', async () => {
    const served = await start(content(BYTES));
    const graph = graphOf();
    await expectRight(await graph.open({ driver: 'http', filename: served.url, 'read-only': true }));
    await graph.close();
  });
});

it('does what the README shows', async () => {
  const logged = await runReadmeExample(join(import.meta.dirname, '..'), { createServer, openImage, http });
  expect(logged).toEqual([[1024 * 1024, new Uint8Array([7, 7, 7])]]);
});
