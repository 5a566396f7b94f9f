// Credentials for TLS among the objects of a command line: the same commands by the reference's tools and by ours, with servers of both.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { isListening, makeCertificates, qemuImg, qemuIo, run, skipUnless, start, tempDir, until, waitForSocket, type Running, type TempDir } from '@blk/oracle';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ioMain } from '../src/io/main.js';
import { nbdMain } from '../src/nbd/main.js';
import { ours, reference } from './img-support.js';
import { runMain, withoutTimes, type Ran } from './support.js';

const needs = skipUnless('qemu-img', 'qemu-io', 'qemu-nbd', 'openssl');
const KINDS = ['x509', 'psk', 'anon'] as const;

let dir: TempDir;
beforeAll(async () => {
  dir = tempDir();
  if (needs.skip) return;
  await makeCertificates(dir.path);
  writeFileSync(dir.file('keys.psk'), `qemu:${'5a'.repeat(32)}\nalice:${'17'.repeat(32)}\n`, { mode: 0o600 });
  await qemuImg('create', '-q', '-f', 'raw', dir.file('disk.raw'), '1M');
  await qemuIo(dir.file('disk.raw'), ['write -q -P 9 64k 128k'], { format: 'raw' });
});
afterAll(() => {
  dir[Symbol.dispose]();
});

const folder = (kind: string, side: string): string => (kind === 'x509' ? dir.file(side) : dir.path);
const object = (kind: string, endpoint: string, more = ''): string => `tls-creds-${kind},id=t,endpoint=${endpoint},dir=${folder(kind, endpoint)}${more}`;
/** An image behind a socket. */
const remote = ({ socket }: Served, more = ',tls-creds=t,tls-hostname=localhost'): string => `driver=nbd,export=x,server.type=unix,server.path=${socket}${more}`;

interface Served extends AsyncDisposable {
  readonly socket: string;
}

/** Serves the disk under each kind of credentials; `by`: the reference, or our program in this process. */
async function serve(by: 'reference' | 'ours', kind: string): Promise<Served> {
  const socket = dir.file(`${by}-${kind}`);
  const words = ['--object', object(kind, 'server'), '--tls-creds', 't', '-t', '-e', '16', '-x', 'x', '-f', 'raw', '-k', socket, dir.file('disk.raw')];
  if (by === 'reference') {
    const server: Running = await start('qemu-nbd', words);
    await waitForSocket(socket, server);
    return { socket, [Symbol.asyncDispose]: async () => { await server.stop(); } };
  }
  const ran = runMain(nbdMain, 'qemu-nbd', words);
  await until(() => isListening(socket));
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      process.emit('SIGTERM');
      expect(await ran).toMatchObject({ code: 0 });
    },
  };
}

async function ioOf(words: readonly string[]): Promise<{ readonly mine: Ran; readonly theirs: Ran }> {
  const shown = ({ code, stdout, stderr }: Ran): Ran => ({ code, stdout: withoutTimes(stdout), stderr });
  return { mine: shown(await runMain(ioMain, 'qemu-io', words)), theirs: shown(await run('qemu-io', words)) };
}

/** The same words for both, with the same end. */
async function agreeing(words: readonly string[]): Promise<Ran> {
  const theirs = await reference(words, dir.path);
  expect(await ours(words)).toEqual(theirs);
  return theirs;
}

const SERVERS = (['reference', 'ours'] as const).flatMap((by) => KINDS.map((kind) => [by, kind] as const));

describe.skipIf(needs.skip)(needs.title('images behind TLS'), () => {
  test.each(SERVERS)('from a server of %s with tls-creds-%s are read and written as the reference does', async (by, kind) => {
    await using server = await serve(by, kind);
    const named = ['--object', object(kind, 'client'), '--image-opts', remote(server)];
    expect(await agreeing(['info', ...named])).toMatchObject({ code: 0, stderr: '' });
    expect(await agreeing(['info', '--object', object(kind, 'client'), `json:{"driver":"nbd","export":"x","tls-creds":"t","tls-hostname":"localhost","server":{"type":"unix","path":"${server.socket}"}}`])).toMatchObject({ code: 0 });
    expect(await agreeing(['map', '--output=json', ...named])).toMatchObject({ code: 0 });
    const { mine, theirs } = await ioOf([...named.slice(0, 2), '-c', 'write -P 3 512k 64k', '-c', 'read -P 3 512k 64k', '-c', 'read -P 9 64k 128k', ...named.slice(2)]);
    expect(mine).toEqual(theirs);
    expect(mine.code).toBe(0);
    expect(await ours(['convert', ...named.slice(0, 3), '-O', 'raw', remote(server), dir.file('copy')])).toEqual({ code: 0, stdout: '', stderr: '' });
    const copied = readFileSync(dir.file('copy'));
    expect(copied.equals(readFileSync(dir.file('disk.raw')))).toBe(true);
    copied.fill(4, 0, 4096);
    writeFileSync(dir.file('copy'), copied);
    expect(await ours(['convert', '-n', '-f', 'raw', ...named.slice(0, 2), '--target-image-opts', dir.file('copy'), remote(server)])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(copied.equals(readFileSync(dir.file('disk.raw')))).toBe(true);
    const list = ['-L', '-k', server.socket, ...named.slice(0, 2), '--tls-creds', 't', '--tls-hostname', 'localhost'];
    expect(await runMain(nbdMain, 'qemu-nbd', list)).toEqual(await run('qemu-nbd', list));
  });

  test('are refused in the same words where credentials are not the right ones', async () => {
    await using server = await serve('reference', 'x509');
    const to = remote(server);
    const x509 = object('x509', 'client');
    const refused: (readonly (readonly [string[], string])[]) = [
      [[x509], remote(server, ',tls-creds=t')],
      [[x509], remote(server, ',tls-creds=t,tls-hostname=elsewhere')],
      [[x509], remote(server, '')],
      [[x509], remote(server, ',tls-creds=other')],
      [['secret,id=t,data=x'], to],
      [['throttle-group,id=t'], to],
      [[object('x509', 'server')], to],
      [[object('psk', 'server')], to],
    ];
    for (const [objects, image] of refused) {
      const words = ['info', ...objects.flatMap((text) => ['--object', text]), '--image-opts', image];
      expect(await agreeing(words)).toMatchObject({ code: 1, stdout: '' });
      const { mine, theirs } = await ioOf([...words.slice(1, -2), '-c', 'length', ...words.slice(-2)]);
      expect(mine).toEqual(theirs);
    }
    const stranger = await ours(['info', '--object', `tls-creds-x509,id=t,dir=${dir.file('stranger')}`, '--image-opts', to]);
    expect(stranger).toMatchObject({ code: 1, stdout: '' });
    expect(stranger.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect((await ours(['info', '--object', object('anon', 'client'), '--image-opts', to])).stderr).toMatch(/: TLS handshake failed: .*\n$/);
  });

  test('are read with a key that a secret opens', async () => {
    await using server = await serve('reference', 'x509');
    const locked = dir.file('locked');
    cpSync(dir.file('client'), locked, { recursive: true });
    expect((await run('openssl', ['pkcs8', '-topk8', '-in', dir.file('client/client-key.pem'), '-out', `${locked}/client-key.pem`, '-passout', 'pass:hidden', '-v2', 'aes-256-cbc'])).code).toBe(0);
    const credentials = `tls-creds-x509,id=t,dir=${locked}`;
    const info = (...objects: string[]): string[] => ['info', ...objects.flatMap((text) => ['--object', text]), '--image-opts', remote(server)];
    expect(await agreeing(info('secret,id=pw,data=hidden', `${credentials},passwordid=pw`))).toMatchObject({ code: 0 });
    expect(await agreeing(info('secret,id=k,format=base64,data=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=', 'secret,id=pw,keyid=k,iv=MDEyMzQ1Njc4OWFiY2RlZg==,format=base64,data=1D95yugP+YMAwMw2Pv3bEQ==', `${credentials},passwordid=pw`))).toMatchObject({ code: 0 });
    // In the order in which they are given.
    expect(await agreeing(info(`${credentials},passwordid=pw`, 'secret,id=pw,data=hidden'))).toMatchObject({ code: 1 });
    for (const objects of [['secret,id=pw,data=wrong', `${credentials},passwordid=pw`], [credentials]]) {
      const refused = await ours(info(...objects));
      expect(refused.stderr).toBe(`qemu-img: Cannot load certificate '${locked}/client-cert.pem' & key '${locked}/client-key.pem': bad decrypt\n`);
      // The reason is in the words of another library.
      expect((await reference(info(...objects), dir.path)).stderr.replace('Decryption has failed.', 'bad decrypt')).toBe(refused.stderr);
    }
  });
});
