// Files on a web server, by the words of the contract and by today's.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { httpDrivers } from '@blk/drivers-http';
import { attach, drivers, testServer } from './support.js';

test('http: a file name, as the contract has it, or a URL and a login by a secret', async () => {
  const content = Buffer.alloc(65536, 7);
  const asked: (string | undefined)[] = [];
  const web = createServer((request, response) => {
    if (request.url === '/locked' && request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return;
    }
    asked.push(request.headers.authorization);
    const [, first = '0', end = '65535'] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const last = Math.min(Number(end), content.length - 1);
    const part = content.subarray(Number(first), last + 1);
    response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${content.length}`, 'content-length': part.length, etag: '"1"' });
    response.end(request.method === 'HEAD' ? undefined : part);
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  try {
    let printed = '';
    await using server = await testServer({ drivers: [...drivers, httpDrivers().http], print: (text) => (printed += text) });
    const client = await attach(server).negotiate();
    await client.execute('object-add', { 'qom-type': 'secret', id: 's', data: 'pass' });
    await client.execute('blockdev-add', { options: { driver: 'raw', id: 'old', 'read-only': true, file: { driver: 'http', filename: `${base}/open` } } });
    await client.execute('blockdev-add', {
      driver: 'http', 'node-name': 'new', 'read-only': true, url: `${base}/locked`, username: 'u', 'password-secret': 's', readahead: 4096, timeout: 7,
    });
    for (const name of ['old', 'new']) await client.execute('human-monitor-command', { 'command-line': `qemu-io ${name} "read -P 7 8k 16k"` });
    expect(printed.match(/read 16384\/16384 bytes at offset 8192/g)).toHaveLength(2);
    expect(printed).not.toContain('failed');
    expect(asked).toContain(`Basic ${Buffer.from('u:pass').toString('base64')}`);
    await expect(client.execute('blockdev-add', { driver: 'http', 'node-name': 'x', 'read-only': true })).rejects.toThrow(/url|filename/);
  } finally {
    web.closeAllConnections();
    web.close();
  }
});
