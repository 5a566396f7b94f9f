// What servers write into headers: whatever it is, it is read or left out, and nothing is thrown.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../src/challenge.js';
import { parseContentRange, parseLength, parseUnsatisfied } from '../src/content-range.js';
import { Credentials } from '../src/credentials.js';
import { openTransport as openBrowserTransport } from '../src/platform/transport.js';
import { openTransport } from '../src/platform/transport-node.js';
import { proxyFromEnvironment } from '../src/index.js';
import type { HashName } from '../src/transport.js';

const transport = openTransport({ driver: 'http', verify: true, authorities: undefined, proxyFor: () => undefined, connections: 1, timeout: 0 });
const hash = (name: HashName, text: string): Promise<string> => transport.hash(name, text);

describe('Content-Range', () => {
  it.each([
    ['bytes 0-99/1000', { start: 0, end: 100, total: 1000 }],
    ['Bytes 5-5/6', { start: 5, end: 6, total: 6 }],
    ['bytes 0-99/*', { start: 0, end: 100, total: undefined }],
  ])('%s', (text, range) => {
    expect(parseContentRange(text)).toEqual(range);
  });

  it.each([undefined, '', 'bytes */100', 'bytes 9-8/100', 'bytes 0-100/100', 'bytes -5/100', 'items 0-9/10', 'bytes 0-9/10, 20-29/30', 'bytes 0-9999999999999999/*', 'bytes 0x0-0x9/10'])('%s is none', (text) => {
    expect(parseContentRange(text)).toBeUndefined();
  });

  it('of a refusal says the size', () => {
    expect(parseUnsatisfied('bytes */47')).toBe(47);
    expect(parseUnsatisfied('bytes 0-1/47')).toBeUndefined();
    expect([parseLength('12'), parseLength('-1'), parseLength('1e3'), parseLength(undefined)]).toEqual([12, undefined, undefined, undefined]);
  });

  it('never gives a range that cannot be', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.tuple(fc.nat(), fc.nat(), fc.nat()).map(([a, b, c]) => `bytes ${a}-${b}/${c}`)), (text) => {
      const range = parseContentRange(text);
      if (range !== undefined) expect(range.start < range.end && range.end <= (range.total ?? Infinity)).toBe(true);
    }), { seed: 1 });
  });
});

describe('WWW-Authenticate', () => {
  it('is read with all that it asks for', () => {
    expect(parseChallenges('Digest realm="a, \\"b\\"", nonce=xyz, qop="auth, auth-int", Basic realm="c",Negotiate')).toEqual([
      { scheme: 'digest', parameters: { realm: 'a, "b"', nonce: 'xyz', qop: 'auth, auth-int' } },
      { scheme: 'basic', parameters: { realm: 'c' } },
      { scheme: 'negotiate', parameters: {} },
    ]);
  });

  it('may be anything', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => { parseChallenges(text); }), { seed: 2 });
  });
});

describe('credentials', () => {
  const challenge = (algorithm: string): string =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;

  it.each(['MD5', 'SHA-256', 'MD5-sess'])('are proved with %s, as RFC 7616 has it', async (algorithm) => {
    const credentials = new Credentials('Mufasa', 'Circle of Life', transport);
    expect(await credentials.header(new URL('http://example.org/dir/index.html'))).toBeUndefined();
    expect(credentials.challenge(challenge(algorithm))).toBe(true);
    const header = (await credentials.header(new URL('http://example.org/dir/index.html'))) ?? '';
    const part = (name: string): string => new RegExp(`${name}="?([^",]*)`).exec(header)?.[1] ?? '';
    const [nonce, cnonce] = [part('nonce'), part('cnonce')];
    const name = algorithm === 'SHA-256' ? 'SHA-256' : 'MD5';
    const h = async (...parts: string[]): Promise<string> => hash(name, parts.join(':'));
    const plain = await h('Mufasa', 'http-auth@example.org', 'Circle of Life');
    const secret = algorithm === 'MD5-sess' ? await h(plain, nonce, cnonce) : plain;
    expect(part('response')).toBe(await h(secret, nonce, '00000001', cnonce, 'auth', await h('GET', '/dir/index.html')));
    expect(header).toContain('nc=00000001');
    // The example of the RFC itself: the hash of user, realm and password.
    if (algorithm === 'MD5') expect(plain).toBe('3d78807defe7de2157e2b0b6573a855f');
    expect(await credentials.header(new URL('http://example.org/x'))).toContain('nc=00000002');
    expect(credentials.challenge(challenge(algorithm))).toBe(false);
    expect(credentials.challenge(`${challenge(algorithm)}, stale=TRUE`)).toBe(true);
  });

  it('are proved by what the platform can', async () => {
    const browser = openBrowserTransport({ driver: 'http', verify: true, authorities: undefined, proxyFor: () => undefined, connections: 1, timeout: 0 });
    const credentials = new Credentials('Mufasa', 'Circle of Life', browser);
    expect(credentials.challenge(challenge('MD5'))).toBe(false);
    expect(await credentials.header(new URL('http://h/'))).toBeUndefined();
    expect(credentials.challenge(`${challenge('MD5')}, ${challenge('SHA-256')}`)).toBe(true);
    expect(await credentials.header(new URL('http://h/'))).toMatch(/^Digest .*response="[0-9a-f]{64}"/);
    expect(await browser.hash('SHA-256', 'x')).toBe(await hash('SHA-256', 'x'));
    expect(new Credentials('u', 'p', browser).challenge(`${challenge('MD5')}, Basic realm="z"`)).toBe(true);
  });

  it('are told plainly where nothing better is asked for', async () => {
    const credentials = new Credentials('u', 'päss', transport);
    expect(credentials.challenge('Digest realm="x", nonce="y", algorithm=SHA-512-256, Basic realm="z"')).toBe(true);
    expect(await credentials.header(new URL('http://h/'))).toBe(`Basic ${Buffer.from('u:päss').toString('base64')}`);
    expect(credentials.challenge('Basic realm="z"')).toBe(false);
    expect(new Credentials('u', 'p', transport).challenge('Negotiate')).toBe(false);
  });
});

describe('proxies of the environment', () => {
  const find = (env: Record<string, string>, url: string): string | undefined => proxyFromEnvironment(env)(new URL(url));
  it('are those of curl', () => {
    expect(find({ http_proxy: 'proxy:3128' }, 'http://h/')).toBe('http://proxy:3128');
    expect(find({ http_proxy: 'proxy:3128' }, 'https://h/')).toBeUndefined();
    expect(find({ HTTP_PROXY: 'http://proxy' }, 'http://h/')).toBeUndefined();
    expect(find({ HTTPS_PROXY: 'http://proxy' }, 'https://h/')).toBe('http://proxy');
    expect(find({ all_proxy: 'https://p', http_proxy: '' }, 'http://h/')).toBe('https://p');
    expect(find({ all_proxy: 'p', no_proxy: 'a.b, .example.org' }, 'http://x.example.org/')).toBeUndefined();
    expect(find({ all_proxy: 'p', no_proxy: 'example.org' }, 'http://notexample.org/')).toBe('http://p');
    expect(find({ all_proxy: 'p', NO_PROXY: '*' }, 'http://h/')).toBeUndefined();
    expect(find({ all_proxy: 'p', no_proxy: '::1' }, 'http://[::1]:80/')).toBeUndefined();
  });
});
