// Encrypted data, from a server that is as hasty as real ones: what was sent counts, however the connection ended.
import { readFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, createServer as createSecureServer, TLSSocket, type SecureContext } from 'node:tls';
import { BlockGraph, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng } from '@blk/driver-conformance';
import { makeCertificates, skipUnless, tempDir } from '@blk/oracle';
import { afterEach, describe, expect, it } from 'vitest';
import { ftpDrivers } from '../src/index.js';
import { FakeServer, type Connection } from './fake-server.js';

const SIZE = 300_007;
const BYTES = prng(77).bytes(SIZE);
const TAIL = 10_000;

const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const done of cleanup.splice(0).reverse()) await done();
});

/** A fake server behind encryption from the first byte on, whose data connections are encrypted when the file is asked for. */
class Encrypting {
  readonly #raw = new WeakMap<Connection, Socket>();

  private constructor(
    readonly plain: FakeServer,
    private readonly context: SecureContext,
    readonly authority: string,
    readonly url: string,
  ) {}

  static async start(): Promise<Encrypting> {
    const dir = tempDir();
    cleanup.push(() => { dir[Symbol.dispose](); });
    const { server: folder } = await makeCertificates(dir.path);
    const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
    const pair = { key: read('server-key.pem'), cert: read('server-cert.pem') };
    const plain = await FakeServer.start(BYTES);
    cleanup.push(() => plain.close());
    const front = createSecureServer(pair, (socket) => {
      const behind = connect(Number(new URL(plain.url).port), '127.0.0.1');
      socket.pipe(behind).pipe(socket);
      socket.on('error', () => behind.destroy()).on('close', () => behind.destroy());
      behind.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    cleanup.push(() => { front.close(); });
    const server = new Encrypting(plain, createSecureContext(pair), read('ca-cert.pem'), `ftps://127.0.0.1:${(front.address() as AddressInfo).port}/disk.raw`);
    plain.script = (command, _argument, connection) => server.answer(command, connection);
    return server;
  }

  async open(): Promise<BlockNode> {
    const { ftps } = ftpDrivers({ authorities: this.authority });
    const graph = new BlockGraph({ drivers: [ftps], host: new HastyClock().host });
    cleanup.push(() => graph.close());
    const node = await graph.open({ driver: 'ftps', url: this.url, 'read-only': true, readahead: 0 });
    this.plain.forget();
    return node;
  }

  answer(command: string, connection: Connection): string | undefined {
    if (command === 'PBSZ' || command === 'PROT') return '200 ok';
    if (command === 'EPSV') return void this.#listen(connection), '';
    if (command !== 'RETR') return undefined;
    connection.data = this.#secured(connection);
    return undefined;
  }

  /** All of it, and a reset at once; `gone` is told of that. */
  sendAndReset(connection: Connection, gone: () => void): string {
    void this.#secured(connection).then((data) => {
      const raw = this.#raw.get(connection);
      connection.say('150 here it comes');
      data.write(BYTES.subarray(connection.restart), () => setTimeout(() => {
        raw?.resetAndDestroy();
        connection.say('226 done');
        setTimeout(gone, 50);
      }, 50));
    });
    return '';
  }

  async #listen(connection: Connection): Promise<void> {
    const server = createServer();
    connection.data = new Promise((resolve) => {
      server.once('connection', (socket) => {
        server.close();
        this.#raw.set(connection, socket);
        socket.on('error', () => undefined);
        resolve(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    connection.say(`229 ok (|||${(server.address() as AddressInfo).port}|)`);
  }

  async #secured(connection: Connection): Promise<Socket> {
    await connection.data;
    const raw = this.#raw.get(connection);
    if (raw === undefined) throw new Error('no data connection');
    return new TLSSocket(raw, { isServer: true, secureContext: this.context }).on('error', () => undefined);
  }
}

async function readAt(node: BlockNode, offset: number, length: number): Promise<void> {
  const buffer = new Uint8Array(length);
  await node.read(offset, buffer, 0, length);
  expectSameBytes(buffer, BYTES.subarray(offset, offset + length));
}

const openssl = skipUnless('openssl');
describe.skipIf(openssl.skip)(openssl.title('encrypted data'), () => {
  it('that came before a reset counts, read or not, where the server says that it sent everything', async () => {
    const server = await Encrypting.start();
    const node = await server.open();
    const gone = new Promise<void>((resolve) => {
      server.plain.script = (command, _argument, connection) => (command === 'RETR' ? server.sendAndReset(connection, resolve) : server.answer(command, connection));
    });
    await readAt(node, SIZE - 2 * TAIL, TAIL);
    await gone;
    await readAt(node, SIZE - TAIL, TAIL);
    expect(server.plain.count('RETR')).toBe(1);
  });
});
