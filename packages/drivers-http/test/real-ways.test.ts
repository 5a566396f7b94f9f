// Cookies, passwords, redirects and proxies, between nginx, lighttpd and tinyproxy; and the reference's client on the same ways.
import { readFileSync, writeFileSync } from 'node:fs';
import { BlockGraph, type Definition } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng } from '@blk/driver-conformance';
import { needTool, run, skipUnless, startLighttpd, startNginx, startTinyproxy, tempDir, until, type Nginx, type TempDir, type Tinyproxy, type TinyproxyOptions } from '@blk/oracle';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { httpDrivers, proxyFromEnvironment, type HttpDriverOptions } from '../src/index.js';
import { makeCertificate, readAt } from './support.js';

const SIZE = 1_000_000;
const BYTES = prng(61).bytes(SIZE);
/** Of one request: with several, the reference waits for ever now and then. */
const SHORT = 9_000;

const needs = skipUnless('nginx', 'lighttpd', 'tinyproxy', 'openssl');
describe.skipIf(needs.skip)(needs.title('between servers of others'), () => {
  let dir: TempDir;
  let nginx: Nginx;
  let other: Nginx;
  let authorities: string;
  const cleanup: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    dir = tempDir();
    writeFileSync(dir.file('disk.raw'), BYTES);
    writeFileSync(dir.file('short.raw'), BYTES.subarray(0, SHORT));
    writeFileSync(dir.file('passwords'), 'me:{PLAIN}secret of p\n');
    const { certificate, key } = await makeCertificate(dir, 'DNS:localhost,IP:127.0.0.1');
    authorities = readFileSync(certificate, 'utf8');
    // Another origin: whoever tells it a secret gets no file.
    other = await startNginx({
      root: dir.path,
      config: `
        location /stranger/ { alias ${dir.path}/; if ($http_cookie) { return 418; } if ($http_authorization) { return 418; } }
        location /loop { return 302 /loop; }`,
    });
    nginx = await startNginx({
      root: dir.path,
      certificate: { certificate, key },
      config: `
        location /cookie/ { alias ${dir.path}/; if ($http_cookie != "ticket=a b; kind=disk") { return 403; } }
        location /private/ { alias ${dir.path}/; auth_basic x; auth_basic_user_file ${dir.file('passwords')}; }
        location /both/ { alias ${dir.path}/; auth_basic x; auth_basic_user_file ${dir.file('passwords')}; if ($http_cookie != "a=b") { return 403; } }
        ${[301, 302, 303, 307, 308].map((status) => `location /by${status}/ { return ${status} /disk.raw; }`).join(' ')}
        location /relative/ { absolute_redirect off; return 302 ../disk.raw?x=1; }
        location /inside/ { return 302 /private/disk.raw; }
        location /away/ { auth_basic x; auth_basic_user_file ${dir.file('passwords')}; try_files /none @away; }
        location @away { return 302 ${other.url}/stranger/disk.raw; }
        location /round/ { return 302 ${other.url}/loop; }
        location /down/ { return 302 ${other.url}/disk.raw; }`,
    });
  });

  afterEach(async () => {
    for (const done of cleanup.splice(0).reverse()) await done();
  });

  afterAll(async () => {
    await nginx?.stop();
    await other?.stop();
    dir?.[Symbol.dispose]();
  });

  async function readWhole(url: string, more: Definition = {}, options: HttpDriverOptions = {}): Promise<Uint8Array> {
    const { http, https } = httpDrivers({ authorities, ...options });
    const graph = new BlockGraph({ drivers: [http, https], secrets: (id) => new TextEncoder().encode(`secret of ${id}`), host: new HastyClock().host });
    try {
      const node = await graph.open({ driver: url.startsWith('https:') ? 'https' : 'http', url, 'read-only': true, readahead: 65_536, ...more });
      return await readAt(node, 0, node.size);
    } finally {
      await graph.close();
    }
  }

  async function proxy(options: Omit<TinyproxyOptions, 'dir'> = {}): Promise<Tinyproxy & { readonly url: string }> {
    const own = tempDir();
    const started = await startTinyproxy({ dir: own.path, ...options });
    cleanup.push(async () => {
      await started.stop();
      own[Symbol.dispose]();
    });
    return { ...started, url: `http://127.0.0.1:${started.port}` };
  }

  /** As the variables of the environment name it. */
  const throughIt = (url: string): HttpDriverOptions => ({ proxy: proxyFromEnvironment({ http_proxy: url, https_proxy: url }) });

  describe('cookies', () => {
    const url = (): string => `${nginx.url}/cookie/disk.raw`;

    it('open the way', async () => {
      expectSameBytes(await readWhole(url(), { cookie: 'ticket=a b; kind=disk' }), BYTES);
      await expect(readWhole(url(), { cookie: 'ticket=a' })).rejects.toMatchObject({ kind: 'permission', message: 'CURL: Error opening file: The requested URL returned error: 403' });
      await expect(readWhole(url())).rejects.toThrow('403');
    });

    it('and a password go together', async () => {
      expectSameBytes(await readWhole(`${nginx.url}/both/disk.raw`, { cookie: 'a=b', username: 'me', 'password-secret': 'p' }), BYTES);
      await expect(readWhole(`${nginx.url}/both/disk.raw`, { cookie: 'a=b' })).rejects.toThrow('401');
    });
  });

  describe('user and password', () => {
    it('are told to nginx', async () => {
      const url = `${nginx.url}/private/disk.raw`;
      expectSameBytes(await readWhole(url, { username: 'me', 'password-secret': 'p' }), BYTES);
      expectSameBytes(await readWhole(url.replace('http://', 'http://me:secret%20of%20p@')), BYTES);
      await expect(readWhole(url, { username: 'me', 'password-secret': 'q' })).rejects.toMatchObject({ kind: 'permission', message: expect.stringContaining('401') as string });
    });

    it.each(['MD5', 'SHA-256'] as const)('are proved to lighttpd with %s', async (algorithm) => {
      using own = tempDir();
      await using lighttpd = await startLighttpd({ root: dir.path, dir: own.path, user: { name: 'me', password: 'secret of p', algorithm } });
      expectSameBytes(await readWhole(`${lighttpd.url}/disk.raw`, { username: 'me', 'password-secret': 'p' }), BYTES);
      await expect(readWhole(`${lighttpd.url}/disk.raw`, { username: 'me', 'password-secret': 'q' })).rejects.toMatchObject({ kind: 'permission' });
      await expect(readWhole(`${lighttpd.url}/disk.raw`)).rejects.toThrow('401');
    });
  });

  describe('redirects', () => {
    it.each(['by301/x', 'by302/x', 'by303/x', 'by307/x', 'by308/x', 'relative/x', 'down/x'])('of nginx are followed: %s', async (path) => {
      expectSameBytes(await readWhole(`${nginx.url}/${path}`), BYTES);
    });

    it('on the same server have cookie and password along, and none on another', async () => {
      expectSameBytes(await readWhole(`${nginx.url}/inside/x`, { username: 'me', 'password-secret': 'p' }), BYTES);
      expectSameBytes(await readWhole(`${nginx.url}/away/x`, { username: 'me', 'password-secret': 'p', cookie: 'a=b' }), BYTES);
    });

    it('without end, and to a place where nobody vouches for the content, are refused', async () => {
      await expect(readWhole(`${nginx.url}/round/x`)).rejects.toThrow('CURL: Error opening file: Maximum (10) redirects followed');
      await until(() => other.log().filter(({ uri }) => uri === '/loop').length === 10);
      await expect(readWhole(`${nginx.secureUrl}/down/x`)).rejects.toMatchObject({ kind: 'policy' });
    });
  });

  describe('proxies', () => {
    it('carry plain requests and encrypted connections', async () => {
      const between = await proxy();
      expectSameBytes(await readWhole(`${nginx.url}/disk.raw`, {}, throughIt(between.url)), BYTES);
      expect(new Set(between.asked())).toEqual(new Set([`GET ${nginx.url}/disk.raw HTTP/1.1`]));
      expectSameBytes(await readWhole(`${nginx.secureUrl}/disk.raw`, {}, throughIt(between.url)), BYTES);
      expect(between.asked().at(-1)).toBe(`CONNECT ${new URL(nginx.secureUrl).host} HTTP/1.1`);
      await expect(readWhole(`${nginx.secureUrl}/disk.raw`, {}, { ...throughIt(between.url), authorities: '' })).rejects.toThrow('SSL certificate problem');
    });

    it('want to know who asks', async () => {
      const between = await proxy({ user: { name: 'me', password: 'secretofp' } });
      const named = between.url.replace('http://', 'http://me:secretofp@');
      for (const url of [nginx.url, nginx.secureUrl]) {
        expectSameBytes(await readWhole(`${url}/disk.raw`, {}, throughIt(named)), BYTES);
        await expect(readWhole(`${url}/disk.raw`, {}, throughIt(between.url))).rejects.toMatchObject({ kind: 'permission', message: expect.stringContaining('error: 407') as string });
        const wrong = { 'proxy-username': 'me', 'proxy-password-secret': 'p' };
        await expect(readWhole(`${url}/disk.raw`, wrong, throughIt(between.url))).rejects.toMatchObject({ kind: 'permission', message: expect.stringContaining('error: 401') as string });
      }
    });

    it('carry what is told to the server, and keep what is told to them', async () => {
      const between = await proxy({ user: { name: 'who', password: 'knows' } });
      const named = between.url.replace('http://', 'http://who:knows@');
      for (const url of [nginx.url, nginx.secureUrl]) {
        expectSameBytes(await readWhole(`${url}/both/disk.raw`, { username: 'me', 'password-secret': 'p', cookie: 'a=b' }, throughIt(named)), BYTES);
      }
      expectSameBytes(await readWhole(`${nginx.url}/away/x`, { username: 'me', 'password-secret': 'p', cookie: 'a=b' }, throughIt(named)), BYTES);
    });

    it('that reach nobody, or let nobody through, say so', async () => {
      const gone = await startTinyproxy({ dir: dir.path });
      await gone.stop();
      const nowhere = `127.0.0.1:${gone.port}`;
      const between = await proxy({ config: `ConnectPort 1` });
      await expect(readWhole(`http://${nowhere}/x`, {}, throughIt(between.url))).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining('error: 500') as string });
      await expect(readWhole(`${nginx.secureUrl}/disk.raw`, {}, throughIt(between.url)))
        .rejects.toThrow(`The proxy 127.0.0.1:${between.port} opens no way to ${new URL(nginx.secureUrl).host} (error: 403)`);
      await expect(readWhole(`${nginx.url}/disk.raw`, {}, throughIt(`http://${nowhere}`))).rejects.toThrow(`Failed to connect to 127.0.0.1 port ${gone.port}: Connection refused`);
    });

    it('that went and came back are asked again', async () => {
      const first = await startTinyproxy({ dir: dir.path });
      const { http, https } = httpDrivers({ authorities, ...throughIt(`http://127.0.0.1:${first.port}`) });
      const graph = new BlockGraph({ drivers: [http, https], host: new HastyClock().host });
      cleanup.push(() => graph.close());
      const node = await graph.open({ driver: 'https', url: `${nginx.secureUrl}/disk.raw`, 'read-only': true, readahead: 0 });
      expectSameBytes(await readAt(node, 0, 100_000), BYTES.subarray(0, 100_000));
      await first.stop();
      await expect(readAt(node, 500_000, 100_000)).rejects.toMatchObject({ kind: 'io' });
      const second = await proxy({ port: first.port });
      expectSameBytes(await readAt(node, 500_000, 100_000), BYTES.subarray(500_000, 600_000));
      expect(second.asked().length).toBeGreaterThan(0);
    });
  });

  const reference = skipUnless('qemu-img', 'block-curl.so');
  describe.skipIf(reference.skip)(reference.title('as the reference goes them'), () => {
    /** What the reference read, or what it said. */
    async function byReference(url: string, more: Record<string, string>, env: Record<string, string> = {}): Promise<Uint8Array | string> {
      const copy = dir.file('copy.raw');
      const image = Object.entries({ driver: 'http', url, ...more }).map(([name, value]) => `${name}=${value.replaceAll(',', ',,')}`).join(',');
      const secrets = ['p', 'q'].flatMap((id) => ['--object', `secret,id=${id},data=secret of ${id}`]);
      const { code, stderr } = await run(needTool('qemu-img'), ['convert', ...secrets, '--image-opts', '-O', 'raw', image, copy], { env });
      return code === 0 ? new Uint8Array(readFileSync(copy).subarray(0, SHORT)) : stderr.trim().replace(/^.*?: Could not open '.*?': /, '');
    }

    it.each<readonly [string, Record<string, string>]>([
      ['cookie', { cookie: 'ticket=a b; kind=disk' }],
      ['cookie', { cookie: 'ticket=none' }],
      ['private', { username: 'me', 'password-secret': 'p' }],
      ['private', { username: 'me', 'password-secret': 'q' }],
      ['both', { cookie: 'a=b', username: 'me', 'password-secret': 'p' }],
      ['both', { cookie: 'a=c', username: 'me', 'password-secret': 'p' }],
    ])('to /%s with %j', async (path, more) => {
      const url = `${nginx.url}/${path}/short.raw`;
      const ours = await readWhole(url, more).catch((error: Error) => error.message);
      expect(ours).toEqual(await byReference(url, more));
    });

    it('through a proxy that wants to know who asks', async () => {
      const between = await proxy({ user: { name: 'me', password: 'secretofp' } });
      const url = `${nginx.url}/short.raw`;
      const secret = { 'proxy-username': 'me', 'proxy-password-secret': 'p' };
      const named = between.url.replace('http://', 'http://me:secretofp@');
      for (const [way, more] of [[named, {}], [between.url, {}], [between.url, secret]] as const) {
        const ours = await readWhole(url, more, throughIt(way)).catch((error: Error) => error.message);
        expect(ours).toEqual(await byReference(url, more, { http_proxy: way }));
      }
    });
  });
});
