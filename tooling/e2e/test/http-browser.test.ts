// The http driver in a browser: what a page of another origin gets to see, and what it is told where that is not enough.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { prng, skipUnless } from '@blk/oracle';
import { ROOT, runInBrowser } from '../src/index.js';

const SIZE = 700_003;
const BYTES = prng(31).bytes(SIZE);
const USER = `Basic ${Buffer.from('me:geheim').toString('base64')}`;

/** What the script in the page reads: a short range, one over the end of the first window, and the last byte. */
const RANGES = [[5, 4], [262_140, 8], [SIZE - 1, 1]] as const;
const RIGHT = RANGES.map(([at, length]) => BYTES.subarray(at, at + length).join(' ')).join('|');

/** Places on the server, and what reading them comes to. */
const PLACES: Readonly<Record<string, string | RegExp>> = {
  open: RIGHT,
  'no-etag': RIGHT,
  moved: RIGHT,
  cut: RIGHT,
  whole: RIGHT,
  private: RIGHT,
  'Größe%20%25': RIGHT,
  hidden: /^io: CURL: Error opening file: The server sent a part of the file without saying which \(no Content-Range; a page of another origin sees it only where the server exposes it\)$/,
  closed: /^io: CURL: Error opening file: Could not fetch from http:\/\/127\.0\.0\.1:\d+: Failed to fetch \(it cannot be reached, or does not allow pages of other origins\)$/,
  changing: 'corrupt: The file on the server has changed since it was opened: its ETag is "2" instead of "1"',
  dated: 'corrupt: The file on the server has changed since it was opened: it is of Fri, 02 Jan 2026 00:00:00 GMT instead of Thu, 01 Jan 2026 00:00:00 GMT',
  packed: /^io: CURL: Error opening file: /,
  forbidden: 'permission: CURL: Error opening file: The requested URL returned error: 403',
};

/** Requests by place so far. */
const asked = new Map<string, number>();
const methods: string[] = [];

function answer(request: IncomingMessage, response: ServerResponse): void {
  const place = (request.url ?? '').slice(1);
  const name = decodeURIComponent(place).startsWith('Größe') ? 'open' : place;
  const times = (asked.get(place) ?? 0) + 1;
  asked.set(place, times);
  methods.push(`${request.method} ${place}`);
  if (name !== 'closed') response.setHeader('access-control-allow-origin', '*');
  if (request.method === 'OPTIONS') {
    response.writeHead(204, { 'access-control-allow-headers': 'authorization, range' }).end();
    return;
  }
  if (name === 'forbidden' || (name === 'private' && request.headers.authorization !== USER)) {
    response.writeHead(name === 'forbidden' ? 403 : 401, { 'www-authenticate': 'Basic realm="x"' }).end();
    return;
  }
  if (name === 'moved') {
    response.writeHead(302, { location: '/open' }).end();
    return;
  }
  if (name !== 'hidden') response.setHeader('access-control-expose-headers', name === 'no-etag' || name === 'dated' ? 'content-range' : 'content-range, etag');
  response.setHeader('last-modified', name === 'dated' && times > 1 ? 'Fri, 02 Jan 2026 00:00:00 GMT' : 'Thu, 01 Jan 2026 00:00:00 GMT');
  response.setHeader('etag', name === 'changing' && times > 1 ? '"2"' : '"1"');
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  if (first === undefined || name === 'whole') {
    response.writeHead(200, { 'content-length': SIZE }).end(BYTES);
    return;
  }
  const [start, end] = [Number(first), Math.min(Number(last) + 1, SIZE)];
  const part = Buffer.from(BYTES.subarray(start, end));
  response.setHeader('content-range', `bytes ${start}-${end - 1}/${SIZE}`);
  if (name === 'packed') {
    const packed = gzipSync(part);
    response.writeHead(206, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
    return;
  }
  response.writeHead(206, { 'content-length': part.length });
  if (name === 'cut' && times === 2) response.write(part.subarray(0, 1000), () => response.destroy());
  else response.end(part);
}

const needs = skipUnless('chromium-headless-shell');
test.skipIf(needs.skip)(needs.title('http in Chromium reads what it may see, and says what it may not'), { timeout: 180_000 }, async () => {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const script = `import { openImage } from '@blk/core-graph';
import { http } from '@blk/drivers-http';
async function read(url: string): Promise<string> {
  try {
    await using image = await openImage(url, { drivers: [http], format: 'http' });
    const parts: string[] = [];
    for (const [at, length] of ${JSON.stringify(RANGES)}) parts.push((await image.read(at, length)).join(' '));
    return parts.join('|');
  } catch (error) {
    return \`\${(error as { kind?: string }).kind}: \${(error as Error).message}\`;
  }
}
async function main(): Promise<void> {
  const found: Record<string, string> = {};
  for (const place of ${JSON.stringify(Object.keys(PLACES))}) {
    found[place] = await read(\`http://\${place === 'private' ? 'me:geheim@' : ''}127.0.0.1:${port}/\${place}\`);
  }
  (globalThis as unknown as { done: (value: unknown) => void }).done(found);
}
void main();`;
    const bundle = await build({
      stdin: { contents: script, resolveDir: join(ROOT, 'packages/drivers-http'), loader: 'ts' }, conditions: ['@blk/source'], write: false, bundle: true, platform: 'browser', format: 'iife', target: 'es2022', metafile: true, logLevel: 'silent',
    });
    expect(Object.keys(bundle.metafile.inputs).filter((input) => input.startsWith('node:') || /platform\/.*-node\./.test(input))).toEqual([]);
    const found = await runInBrowser(bundle.outputFiles[0].text, new Map());
    expect(found).toEqual(Object.fromEntries(Object.entries(PLACES).map(([place, right]) => [place, typeof right === 'string' ? right : (expect.stringMatching(right) as string)])));
    // Ranges need no leave of the server's; what says who asks does.
    expect(methods.filter((line) => line.startsWith('OPTIONS'))).toEqual(expect.arrayContaining(['OPTIONS private']));
    expect(methods.filter((line) => line.startsWith('OPTIONS') && !line.endsWith('private'))).toEqual([]);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
