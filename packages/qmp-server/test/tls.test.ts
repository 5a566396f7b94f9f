// Monitors over TLS.
import { connect, type Socket } from 'node:net';
import { connect as secure, type TLSSocket } from 'node:tls';
import { writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import type { TlsCredentials } from '@blk/nbd';
import { tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { runDaemon } from '../src/index.js';
import { drivers, sink, TestClient, testServer } from './support.js';

const KEY = Buffer.alloc(32, 7);
const credentials: TlsCredentials = { kind: 'psk', keys: new Map([['admin', KEY]]) };

function handshake(socket: Socket, psk: Buffer): TLSSocket {
  return secure({ socket, ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined, pskCallback: () => ({ psk, identity: 'admin' }) });
}

const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.once('close', () => { resolve(); });
    socket.resume();
  });

describe('a listener with TLS', () => {
  test('serves whoever has the key, and nobody else', async () => {
    using dir = tempDir();
    const server = await testServer();
    await server.listen({ path: dir.file('qmp') }, { tls: credentials, name: 'admin monitor' });
    const client = await new TestClient(handshake(connect(dir.file('qmp')), KEY)).negotiate();
    expect(await client.execute('query-block')).toEqual([]);
    await ended(handshake(connect(dir.file('qmp')), Buffer.alloc(32)));
    const plain = connect(dir.file('qmp'));
    plain.write('{"execute": "qmp_capabilities"}\n');
    await ended(plain);
    expect(server.lines).toEqual([expect.stringContaining('admin monitor: TLS handshake failed: '), expect.stringContaining('admin monitor: TLS handshake failed: ')]);
    expect([...server.monitors]).toHaveLength(1);
    await server.close();
    await client.end();
  });

  test('counts those that do not get there as clients, and keeps none of them beyond its end', async () => {
    using dir = tempDir();
    const server = await testServer();
    await server.listen({ path: dir.file('qmp') }, { tls: credentials, maxClients: 1 });
    const silent = connect(dir.file('qmp'));
    await new Promise((resolve) => silent.once('connect', resolve));
    const second = connect(dir.file('qmp'));
    await ended(second);
    await server.close();
    await ended(silent);
    expect(silent.destroyed).toBe(true);
  });
});

describe('a character device with TLS', () => {
  async function refusal(chardev: string): Promise<string> {
    using dir = tempDir();
    writeFileSync(dir.file('keys.psk'), 'admin:00112233\n');
    const stderr = sink();
    const objects = ['server', 'client'].flatMap((endpoint) => ['--object', `tls-creds-psk,id=${endpoint},endpoint=${endpoint},dir=${dir.path}`]);
    const code = await runDaemon([...objects, '--chardev', chardev], { program: 'd', drivers, stdin: new PassThrough(), stdout: sink(), stderr, signal: new AbortController().signal });
    expect(code).toBe(1);
    return stderr.written.replace(/^.*: (?=[^:]*$)/s, '').trimEnd();
  }

  // But for the last, in QEMU's words.
  test.each([
    ['socket,id=m,path=/nowhere/x,server=on,wait=off,tls-creds=server', "'tls_creds' option is incompatible with 'unix' address type"],
    ['socket,id=m,host=127.0.0.1,port=0,server=on,wait=off,tls-creds=client', 'Expected TLS credentials for a server endpoint'],
    ['socket,id=m,host=127.0.0.1,port=0,server=on,wait=off,tls-creds=nope', "No TLS credentials with id 'nope'"],
    ['socket,id=m,host=127.0.0.1,port=1,tls-creds=client', "Parameter 'tls-creds' is not supported for a monitor's socket that connects"],
  ])('%s is refused', async (chardev, text) => {
    expect(await refusal(chardev)).toBe(text);
  });
});
