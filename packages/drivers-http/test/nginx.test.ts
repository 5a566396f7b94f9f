// Beside a real server, and beside the reference's own client for it.
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { BlockGraph, type Definition } from '@blk/core-graph';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { needTool, qemuImg, run, skipUnless, startNginx, tempDir, type Nginx, type TempDir } from '@blk/oracle';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { httpDrivers } from '../src/index.js';
import { graphOf, makeCertificate, openUrl, readAt } from './support.js';

const SIZE = 3_000_000;
const BYTES = prng(11).bytes(SIZE);

const needs = skipUnless('nginx', 'openssl');
describe.skipIf(needs.skip)(needs.title('nginx'), () => {
  let dir: TempDir;
  let nginx: Nginx;

  beforeAll(async () => {
    dir = tempDir();
    writeFileSync(dir.file('disk.raw'), BYTES);
    writeFileSync(dir.file('empty.raw'), '');
    mkdirSync(dir.file('odd'));
    writeFileSync(dir.file('odd/a b+c%.raw'), BYTES.subarray(0, 5000));
    writeFileSync(dir.file('passwords'), 'me:{PLAIN}secret of p\n');
    const { certificate, key } = await makeCertificate(dir, 'DNS:localhost');
    nginx = await startNginx({
      root: dir.path,
      certificate: { certificate, key },
      config: `
        location /whole/ { alias ${dir.path}/; max_ranges 0; }
        location /moved/ { return 302 /disk.raw; }
        location /private/ { alias ${dir.path}/; auth_basic x; auth_basic_user_file ${dir.file('passwords')}; }`,
    });
  });

  afterAll(async () => {
    await nginx?.stop();
    dir?.[Symbol.dispose]();
  });

  async function readWhole(url: string, more: Definition = {}): Promise<Uint8Array> {
    const graph = graphOf({ secrets: (id) => new TextEncoder().encode(`secret of ${id}`) });
    try {
      const node = await openUrl(graph, url, more);
      return await readAt(node, 0, node.size);
    } finally {
      await graph.close();
    }
  }

  it.each(['/disk.raw', '/whole/disk.raw', '/moved/x'])('sends %s as it is', async (path) => {
    expectSameBytes(await readWhole(nginx.url + path), BYTES);
  });

  it('sends it to those who have the password', async () => {
    expectSameBytes(await readWhole(`${nginx.url}/private/disk.raw`, { username: 'me', 'password-secret': 'p' }), BYTES);
    await expect(readWhole(`${nginx.url}/private/disk.raw`)).rejects.toThrow('401');
  });

  it('has names with anything in them, and files with nothing', async () => {
    expectSameBytes(await readWhole(`${nginx.url}/odd/a%20b+c%25.raw`), BYTES.subarray(0, 5000));
    expect((await readWhole(`${nginx.url}/empty.raw`)).length).toBe(0);
  });

  it('is read by few connections and few requests', async () => {
    const before = nginx.log().length;
    const graph = graphOf();
    const node = await openUrl(graph, `${nginx.url}/disk.raw`);
    for (let at = 0; at < SIZE; at += 4096) expectSameBytes(await readAt(node, at, Math.min(4096, SIZE - at)), BYTES.subarray(at, at + 4096));
    await graph.close();
    const requests = nginx.log().slice(before);
    expect(requests.length).toBe(Math.ceil(SIZE / 262_144));
    expect(requests.every(({ status }) => status === 206)).toBe(true);
    expect(new Set(requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(4);
  });

  it('is asked for eight ranges at a time', async () => {
    const before = nginx.log().length;
    const graph = graphOf();
    const node = await openUrl(graph, `${nginx.url}/disk.raw`, { readahead: 0 });
    await Promise.all(Array.from({ length: 24 }, (_, i) => readAt(node, i * 100_000, 100_000).then((bytes) => { expectSameBytes(bytes, BYTES.subarray(i * 100_000, (i + 1) * 100_000)); })));
    await graph.close();
    const connections = new Set(nginx.log().slice(before).map(({ connection }) => connection));
    expect(connections.size).toBeGreaterThan(1);
    expect(connections.size).toBeLessThanOrEqual(8);
  });

  it('serves another file in the same place: no bytes of both', async () => {
    writeFileSync(dir.file('changing.raw'), BYTES);
    const graph = graphOf();
    const node = await openUrl(graph, `${nginx.url}/changing.raw`);
    expectSameBytes(await readAt(node, 0, 4096), BYTES.subarray(0, 4096));
    writeFileSync(dir.file('changing.raw'), BYTES.subarray(0, SIZE).toReversed());
    utimesSync(dir.file('changing.raw'), 1e9, 1e9);
    await expect(readAt(node, 1_000_000, 4096)).rejects.toThrow('The file on the server has changed since it was opened: its ETag is');
    await graph.close();
  });

  it('has to have a certificate that is trusted, for its name, unless it is told otherwise', async () => {
    const localhost = nginx.secureUrl.replace('127.0.0.1', 'localhost');
    const open = async (url: string, authorities?: string, more: object = {}): Promise<number> => {
      const { https } = httpDrivers(authorities === undefined ? {} : { authorities });
      const graph = new BlockGraph({ drivers: [https] });
      try {
        return (await graph.open({ driver: 'https', url: `${url}/disk.raw`, 'read-only': true, ...more })).size;
      } finally {
        await graph.close();
      }
    };
    const authority = readFileSync(dir.file('certificate.pem'), 'utf8');
    expect(await open(localhost, authority)).toBe(SIZE);
    await expect(open(localhost)).rejects.toMatchObject({ kind: 'permission', message: expect.stringContaining('CURL: Error opening file: SSL certificate problem: self-signed certificate') as string });
    await expect(open(nginx.secureUrl, authority)).rejects.toThrow("SSL certificate problem: Hostname/IP does not match certificate's altnames");
    expect(await open(nginx.secureUrl, undefined, { sslverify: false })).toBe(SIZE);
    expect(await open(localhost, undefined, { sslverify: 'off' })).toBe(SIZE);
  });

  const reference = skipUnless('qemu-img', 'block-curl.so');
  describe.skipIf(reference.skip)(reference.title('and qemu-img'), () => {
    it('agree on the content', async () => {
      // A file of one request: with several, the reference waits for ever now and then.
      const url = `${nginx.url}/odd/a%20b+c%25.raw`;
      await qemuImg('convert', '-f', 'raw', '-O', 'raw', url, dir.file('copy.raw'));
      expectSameBytes(await readWhole(url), readFileSync(dir.file('copy.raw')).subarray(0, 5000));
    });

    it.each(['none.raw', 'private/disk.raw', ''])('agree on what is wrong with /%s', async (path) => {
      const { code, stderr } = await run(needTool('qemu-img'), ['info', `${nginx.url}/${path}`]);
      expect(code).toBe(1);
      const error = await readWhole(`${nginx.url}/${path}`).catch((thrown: Error) => thrown.message);
      expect(stderr.trim()).toBe(`qemu-img: Could not open '${nginx.url}/${path}': ${error as string}`);
    });
  });
});
