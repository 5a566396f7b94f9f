import { once } from 'node:events';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { findTool, makeCertificates, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  encodeOption, loadAnonymous, loadClientX509, loadPsk, loadTlsObject, loadX509, NbdClient, NbdServer, Option, OptionReply, type ClientCredentials, type Connection,
  type NbdTls, type NbdServerOptions, type TlsCredentials,
} from '../src/index.js';
import { infoRequest, TestClient } from './client.js';
import { MemorySource } from './source.js';
import { pattern, same } from './support.js';

const MiB = 1024 * 1024;
const tools = skipUnless('openssl');
const oracles = skipUnless('openssl', 'nbdinfo', 'nbdcopy', 'qemu-img');

const noSecret = (id: string): never => {
  throw new Error(id);
};

interface TlsServer extends AsyncDisposable {
  readonly server: NbdServer;
  readonly source: MemorySource;
  readonly port: number;
}

async function serve(tls: NbdTls, options: NbdServerOptions = {}): Promise<TlsServer> {
  const server = new NbdServer({ tls, ...options });
  const source = new MemorySource(4 * MiB);
  source.bytes.set(pattern(MiB));
  server.addExport({ name: '', source, writable: true });
  const { port } = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  return { server, source, port, [Symbol.asyncDispose]: () => server.close({ force: true }) };
}

/** Says hello, asks for TLS and goes through its handshake. */
async function secure(port: number, options: ConnectionOptions): Promise<TestClient> {
  const client = await TestClient.open({ host: '127.0.0.1', port });
  await client.hello();
  const [answer] = await client.option(Option.StartTls);
  expect(answer?.type).toBe(OptionReply.Ack);
  const { socket } = client;
  socket.removeAllListeners('data');
  const safe = connect({ socket, servername: 'localhost', ...options });
  client.watch(safe);
  await once(safe, 'secureConnect');
  return client;
}

describe.skipIf(tools.skip)(tools.title('TLS'), () => {
  let dir: TempDir;
  let folders: { server: string; client: string; stranger: string };
  beforeAll(async () => {
    dir = tempDir();
    folders = await makeCertificates(dir.path);
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });
  const identity = (folder: string): ConnectionOptions => ({
    ca: readFileSync(join(folder, 'ca-cert.pem')),
    cert: readFileSync(join(folder, 'client-cert.pem')),
    key: readFileSync(join(folder, 'client-key.pem')),
  });

  it('asks for TLS before anything else', async () => {
    await using test = await serve({ credentials: await loadX509(folders.server) });
    const client = await TestClient.open({ host: '127.0.0.1', port: test.port });
    await client.hello();
    for (const option of [Option.List, Option.Go, Option.StructuredReply, 77]) {
      expect((await client.option(option))[0]?.type).toBe(OptionReply.TlsRequired);
    }
    client.send(encodeOption(Option.ExportName));
    expect(await client.ended()).toHaveLength(0);
  });

  it('serves a client with a certificate, and starts options anew', async () => {
    await using test = await serve({ credentials: await loadX509(folders.server) });
    const client = await secure(test.port, identity(folders.client));
    expect((await client.option(Option.StartTls))[0]?.type).toBe(OptionReply.Invalid);
    expect((await client.option(Option.StructuredReply))[0]?.type).toBe(OptionReply.Ack);
    expect((await client.option(Option.Go, infoRequest(''))).at(-1)?.type).toBe(OptionReply.Ack);
    expect(same(await client.read(0, 3 * MiB), test.source.bytes.subarray(0, 3 * MiB))).toBe(true);
    expect(await client.write(MiB, pattern(2 * MiB, 7))).toBe(0);
    expect(same(test.source.bytes.subarray(MiB, 3 * MiB), pattern(2 * MiB, 7))).toBe(true);
    client.close();
  });

  it('turns away strangers, and lets them in where peers are not verified', async () => {
    await using strict = await serve({ credentials: await loadX509(folders.server) });
    const gone = once(strict.server, 'clientDisconnected') as Promise<[Connection]>;
    const client = await secure(strict.port, identity(folders.stranger)).catch(() => undefined);
    await client?.ended();
    expect((await gone)[0].reason).toMatch(/^TLS: /);
    await using loose = await serve({ credentials: await loadX509(folders.server, { verifyPeer: false }) });
    const guest = await secure(loose.port, { ca: readFileSync(join(folders.client, 'ca-cert.pem')) });
    await guest.option(Option.StructuredReply);
    await guest.option(Option.Go, infoRequest(''));
    expect(await guest.read(0, 512)).toHaveLength(512);
    guest.close();
  });

  it('is optional where it is said to be', async () => {
    await using test = await serve({ credentials: await loadX509(folders.server), required: false });
    const plain = await TestClient.open({ host: '127.0.0.1', port: test.port });
    await plain.go();
    expect(await plain.read(0, 512)).toHaveLength(512);
    plain.close();
    const client = await secure(test.port, identity(folders.client));
    await client.option(Option.StructuredReply);
    await client.option(Option.Go, infoRequest(''));
    expect(await client.read(0, 512)).toHaveLength(512);
    client.close();
  });

  it('cuts a client that speaks before TLS, that never does, and that talks nonsense', async () => {
    await using test = await serve({ credentials: await loadX509(folders.server) }, { limits: { handshakeTimeout: 300 } });
    const eager = await TestClient.open({ host: '127.0.0.1', port: test.port });
    await eager.hello();
    const gone = once(test.server, 'clientDisconnected') as Promise<[Connection]>;
    eager.send(Buffer.concat([encodeOption(Option.StartTls), encodeOption(Option.List)]));
    await eager.ended();
    expect((await gone)[0].reason).toMatch(/between the request for TLS/);
    const silent = await TestClient.open({ host: '127.0.0.1', port: test.port });
    await silent.hello();
    await silent.option(Option.StartTls);
    await silent.ended();
    const noise = await TestClient.open({ host: '127.0.0.1', port: test.port });
    await noise.hello();
    await noise.option(Option.StartTls);
    noise.send(pattern(1000));
    await noise.ended();
  });

  it('reports what is missing', async () => {
    await expect(loadX509(dir.path)).rejects.toThrow(/^Unable to access credentials .*server-cert.pem: No such file/);
    await expect(loadPsk(dir.path)).rejects.toThrow(/^Unable to access credentials .*keys.psk: No such file/);
    writeFileSync(dir.file('keys.psk'), 'user:xyz\n');
    await expect(loadPsk(dir.path)).rejects.toThrow(/Line 1 of .*USER:HEXKEY/);
  });

  it('says of each file why it is no good', async () => {
    const bad = dir.file('bad');
    const put = (name: string, content: string): void => {
      cpSync(folders.client, bad, { recursive: true });
      writeFileSync(join(bad, name), content);
    };
    const pair = `certificate '${bad}/client-cert.pem' & key '${bad}/client-key.pem'`;
    put('client-cert.pem', 'junk');
    await expect(loadClientX509(bad)).rejects.toThrow(`Cannot load ${pair}: no start line`);
    put('client-key.pem', readFileSync(join(folders.stranger, 'client-key.pem'), 'utf8'));
    await expect(loadClientX509(bad)).rejects.toThrow(`Cannot load ${pair}: key values mismatch`);
    put('ca-cert.pem', 'junk');
    await expect(loadClientX509(bad)).rejects.toThrow(`Unable to import CA certificate list ${bad}/ca-cert.pem`);
    put('ca-crl.pem', 'junk');
    await expect(loadClientX509(bad)).rejects.toThrow(`Cannot load certificates in '${bad}': Failed to parse CRL`);
    await expect(loadX509(bad)).rejects.toThrow(`Unable to access credentials ${bad}/server-cert.pem: No such file`);
  });

  it('needs no certificates where nobody has to prove anything', async () => {
    await using test = await serve((await loadTlsObject({ 'qom-type': 'tls-creds-anon', endpoint: 'server' }, noSecret)) as { credentials: TlsCredentials });
    const { credentials } = (await loadTlsObject({ 'qom-type': 'tls-creds-anon' }, noSecret)) as { credentials: ClientCredentials };
    const client = await NbdClient.connect({ host: '127.0.0.1', port: test.port }, { tls: { credentials } });
    const bytes = new Uint8Array(MiB);
    await client.read(0, bytes, 0, MiB);
    expect(same(bytes, test.source.bytes.subarray(0, MiB))).toBe(true);
    client.close();
    // A certificate is asked for: what cannot be checked is not taken.
    const strict = NbdClient.connect({ host: '127.0.0.1', port: test.port }, { tls: { credentials: await loadClientX509(folders.client) } });
    await expect(strict).rejects.toThrow(/^TLS handshake failed: /);
  });

  it('takes parameters for the exchange of keys from a file', async () => {
    const { code } = await run(findTool('openssl') ?? '', ['genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe2048', '-out', dir.file('dh-params.pem')]);
    expect(code).toBe(0);
    const credentials = await loadAnonymous(dir.path);
    expect(credentials.parameters).toContain('BEGIN DH PARAMETERS');
    await using test = await serve({ credentials });
    const client = await NbdClient.connect({ host: '127.0.0.1', port: test.port }, { tls: { credentials: { kind: 'anonymous' } } });
    client.close();
  });

  it.skipIf(oracles.skip)(oracles.title('serves libnbd and QEMU'), async () => {
    await using test = await serve({ credentials: await loadX509(folders.server) });
    const uri = `nbds://localhost:${test.port}/?tls-certificates=${folders.client}`;
    const info = await run(findTool('nbdinfo') ?? '', ['--json', uri]);
    expect(info.stderr).toBe('');
    expect((JSON.parse(info.stdout) as { TLS: boolean }).TLS).toBe(true);
    const copy = await run(findTool('nbdcopy') ?? '', [uri, dir.file('copy')]);
    expect(copy.stderr).toBe('');
    expect(same(readFileSync(dir.file('copy')), test.source.bytes)).toBe(true);
    const image = `driver=nbd,host=localhost,port=${test.port},tls-creds=t`;
    const creds = `tls-creds-x509,id=t,endpoint=client,dir=${folders.client}`;
    writeFileSync(dir.file('same'), test.source.bytes);
    const compare = await run(findTool('qemu-img') ?? '', [
      'compare', '--object', creds, '--image-opts', image, `driver=raw,file.driver=file,file.filename=${dir.file('same')}`,
    ]);
    expect(compare).toMatchObject({ code: 0, stderr: '' });
  });

  it.skipIf(oracles.skip)(oracles.title('serves libnbd and QEMU with a shared key'), async () => {
    writeFileSync(dir.file('keys.psk'), `alice:${'5a'.repeat(32)}\n`);
    await using test = await serve({ credentials: await loadPsk(dir.path) });
    const uri = `nbds://alice@127.0.0.1:${test.port}/?tls-psk-file=${dir.file('keys.psk')}`;
    const info = await run(findTool('nbdinfo') ?? '', ['--size', uri]);
    expect(info).toMatchObject({ code: 0, stderr: '', stdout: `${4 * MiB}\n` });
    const qemu = await run(findTool('qemu-img') ?? '', [
      'info', '--object', `tls-creds-psk,id=t,endpoint=client,username=alice,dir=${dir.path}`,
      '--image-opts', `driver=nbd,host=localhost,port=${test.port},tls-creds=t`,
    ]);
    expect(qemu).toMatchObject({ code: 0, stderr: '' });
  });
});
