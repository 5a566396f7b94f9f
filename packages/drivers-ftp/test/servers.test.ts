// Beside real servers: the contract's reading part, encryption of both kinds, few logins, and what the reference says.
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { createServer, TLSSocket } from 'node:tls';
import { BlockGraph, type BlockNode, type Definition } from '@blk/core-graph';
import { driverConformance, expectSameBytes, prng, type Provision } from '@blk/driver-conformance';
import { needTool, run, skipUnless, startPyftpdlib, startVsftpd, tempDir, type FtpServer, type FtpServerOptions, type TempDir } from '@blk/oracle';
import { afterEach, describe, expect, it } from 'vitest';
import { ftpDrivers } from '../src/index.js';
import { FakeServer } from './fake-server.js';

const SIZE = 700_123;
const BYTES = prng(5).bytes(SIZE);
const secrets = (): Uint8Array => new TextEncoder().encode('secret');
const ME = { username: 'me', 'password-secret': 'p' };

interface Setup extends AsyncDisposable {
  readonly dir: TempDir;
  readonly server: FtpServer;
}

async function setUp(begin: (options: FtpServerOptions) => Promise<FtpServer>, secure: boolean, bytes = BYTES): Promise<Setup> {
  const dir = tempDir();
  mkdirSync(dir.file('served/in side'), { recursive: true });
  writeFileSync(dir.file('served/disk.raw'), bytes);
  writeFileSync(dir.file('served/in side/ä.raw'), bytes.subarray(0, 1000));
  writeFileSync(dir.file('served/empty.raw'), '');
  const certificate = secure ? await makeCertificate(dir) : undefined;
  const server = await begin({ root: dir.file('served'), dir: dir.path, ...(certificate === undefined ? {} : { certificate }) });
  return {
    dir,
    server,
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      dir[Symbol.dispose]();
    },
  };
}

async function makeCertificate(dir: TempDir): Promise<{ certificate: string; key: string }> {
  const files = { certificate: dir.file('certificate.pem'), key: dir.file('key.pem') };
  const made = await run(needTool('openssl'), [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', files.key, '-out', files.certificate,
  ]);
  expect(made, made.stderr).toMatchObject({ code: 0 });
  return files;
}

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

async function open(url: string, more: Definition = {}, authorities?: string): Promise<BlockNode> {
  const { ftp, ftps } = ftpDrivers(authorities === undefined ? {} : { authorities });
  const graph = new BlockGraph({ drivers: [ftp, ftps], secrets });
  cleanup.push(() => graph.close());
  return graph.open({ driver: url.startsWith('ftps:') ? 'ftps' : 'ftp', url, 'read-only': true, timeout: 20, ...more });
}

async function expectRight(node: BlockNode): Promise<void> {
  for (const [offset, length] of [[0, SIZE], [650_000, 50_123], [100, 1], [300_000, 200_000], [500_000, 100_000], [SIZE - 1, 1]]) {
    const buffer = new Uint8Array(length);
    await node.read(offset, buffer, 0, length);
    expectSameBytes(buffer, BYTES.subarray(offset, offset + length));
  }
}

const provision = (begin: typeof startVsftpd, more: Definition) => async ({ seed }: { seed: number }): Promise<Provision> => {
  const bytes = prng(seed).bytes(SIZE);
  const setup = await setUp(begin, false, bytes);
  const { ftp } = ftpDrivers();
  return {
    drivers: [ftp],
    definition: { driver: 'ftp', url: `ftp://127.0.0.1:${setup.server.port}/disk.raw`, 'auto-read-only': true, timeout: 20, ...more },
    content: bytes,
    secrets,
    dispose: async () => { await setup[Symbol.asyncDispose](); },
  };
};

const vsftpd = skipUnless('vsftpd', 'openssl');
describe.skipIf(vsftpd.skip)(vsftpd.title('vsftpd'), () => {
  driverConformance({ name: 'ftp from vsftpd', size: SIZE, histories: 1, steps: 20, provision: provision(startVsftpd, { readahead: 32768 }) });

  it('sends files in folders, with anything in their names, empty ones, and ones of more than 4 GiB', async () => {
    await using setup = await setUp(startVsftpd, false);
    const { port } = setup.server;
    const node = await open(`ftp://127.0.0.1:${port}/in%20side/%C3%A4.raw`);
    const buffer = new Uint8Array(1000);
    await node.read(0, buffer, 0, 1000);
    expectSameBytes(buffer, BYTES.subarray(0, 1000));
    expect((await open(`ftp://127.0.0.1:${port}/empty.raw`)).size).toBe(0);
    const size = 5 * 2 ** 30 + 3;
    const big = openSync(setup.dir.file('served/big.raw'), 'w');
    for (const at of [2 ** 32 - 500, size - 1000]) writeSync(big, BYTES, 0, 1000, at);
    closeSync(big);
    const bigNode = await open(`ftp://127.0.0.1:${port}/big.raw`, { readahead: 0 });
    expect(bigNode.size).toBe(size);
    for (const at of [2 ** 32 - 500, size - 1000]) {
      await bigNode.read(at, buffer.fill(0), 0, 1000);
      expectSameBytes(buffer, BYTES.subarray(0, 1000));
    }
    expect((await open(`ftp://127.0.0.1:${port}/%2F${encodeURIComponent(setup.dir.file('served/disk.raw').slice(1))}`)).size).toBe(SIZE);
  });

  it('sends them encrypted from the first byte on, by the session of the commands', async () => {
    await using setup = await setUp(startVsftpd, true);
    const url = `ftps://127.0.0.1:${setup.server.port}/disk.raw`;
    await expectRight(await open(url, { sslverify: 'off' }));
    await expect(open(url)).rejects.toMatchObject({ kind: 'permission', message: expect.stringContaining('SSL certificate problem') as string });
    // The certificate is of a name, and is trusted for that.
    const authority = readFileSync(setup.dir.file('certificate.pem'), 'utf8');
    await expectRight(await open(url.replace('127.0.0.1', 'localhost'), {}, authority));
    await expect(open(url, {}, authority)).rejects.toMatchObject({ kind: 'permission', message: expect.stringContaining("does not match certificate's altnames") as string });
  });

  it('is refused as qemu-img refuses it', async () => {
    const reference = skipUnless('qemu-img', 'block-curl.so');
    if (reference.skip) return;
    await using setup = await setUp(startVsftpd, false);
    for (const url of [`ftp://127.0.0.1:${setup.server.port}/none.raw`, `ftp://you:nobody@127.0.0.1:${setup.server.port}/disk.raw`]) {
      const { stderr } = await run(needTool('qemu-img'), ['info', url]);
      const error = await open(url).then(() => 'open', (thrown: Error) => thrown.message);
      expect(stderr.trim()).toBe(`qemu-img: Could not open '${url}': ${error}`);
    }
  });
});

const pyftpdlib = skipUnless('pyftpdlib/servers.py', 'openssl');
describe.skipIf(pyftpdlib.skip)(pyftpdlib.title('pyftpdlib'), () => {
  driverConformance({ name: 'ftp from pyftpdlib', size: SIZE, histories: 1, steps: 20, provision: provision(startPyftpdlib, ME) });

  it('wants the password', async () => {
    await using setup = await setUp(startPyftpdlib, false);
    const { port } = setup.server;
    await expectRight(await open(`ftp://me:secret@127.0.0.1:${port}/disk.raw`));
    await expect(open(`ftp://me:wrong@127.0.0.1:${port}/disk.raw`)).rejects.toThrow('CURL: Error opening file: Access denied: 530');
  });

  it('encrypts when asked to, and insists on that', async () => {
    await using setup = await setUp(startPyftpdlib, true);
    const url = `ftp://127.0.0.1:${setup.server.port}/disk.raw`;
    await expectRight(await open(url, { ...ME, 'auth-tls': 'on', sslverify: 'off' }));
    await expect(open(url, ME)).rejects.toThrow('CURL: Error opening file: The server refuses the user: 550');
  });

  it('notices what another file in the same place is', async () => {
    await using setup = await setUp(startPyftpdlib, false);
    const node = await open(`ftp://127.0.0.1:${setup.server.port}/disk.raw`, { ...ME, readahead: 0 });
    const buffer = new Uint8Array(10);
    await node.read(500_000, buffer, 0, 10);
    writeFileSync(setup.dir.file('served/disk.raw'), BYTES.subarray(1));
    await expect(node.read(10, buffer, 0, 10)).rejects.toMatchObject({ kind: 'corrupt', message: `The file on the server has changed since it was opened: it has ${SIZE - 1} bytes where there were ${SIZE}` });
    await expect(node.read(500_010, buffer, 0, 10)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

const openssl = skipUnless('openssl');
describe.skipIf(openssl.skip)(openssl.title('a server that ends data connections on which something comes too early'), () => {
  it('sees nothing before it has said that it sends', async () => {
    using dir = tempDir();
    const { certificate, key } = await makeCertificate(dir);
    const fake = await FakeServer.start(BYTES);
    cleanup.push(() => fake.close());
    const secrets = { cert: readFileSync(certificate), key: readFileSync(key) };
    const front = createServer(secrets, (socket) => {
      const { hostname, port } = new URL(fake.url);
      const behind = connect(Number(port), hostname);
      for (const [one, other] of [[socket, behind], [behind, socket]]) one.on('error', () => other.destroy()).pipe(other);
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    cleanup.push(() => new Promise((resolve) => front.close(resolve)));
    const order: string[] = [];
    fake.script = (command, _argument, connection) => {
      if (command === 'PBSZ' || command === 'PROT') return '200 yes';
      if (command !== 'RETR') return undefined;
      const { restart } = connection;
      connection.restart = 0;
      void connection.data?.then((plain) => {
        plain.once('readable', () => order.push('bytes'));
        // Turns enough for what was sent already to arrive.
        let turns = 50;
        const tell = (): void => {
          if (turns-- > 0) {
            setImmediate(tell);
            return;
          }
          order.push('told');
          connection.say('150 now');
          const data = new TLSSocket(plain, { ...secrets, isServer: true });
          data.on('error', () => undefined).end(BYTES.subarray(restart), () => { connection.say('226 done'); });
        };
        tell();
      });
      return '';
    };
    const port = (front.address() as AddressInfo).port;
    await expectRight(await open(`ftps://127.0.0.1:${port}/disk.raw`, { sslverify: 'off' }));
    expect(order[0]).toBe('told');
  });
});
