// blk nbd beside qemu-nbd: refusals in the same words, and an export that real clients use.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { nbdcopy, nbdinfo, nbdUri, qemuImg, qemuIo, run, skipUnless, startQemuNbd, tempDir, type TempDir } from '@blk/oracle';
import { ioMain } from '../src/io/main.js';
import { nbdMain } from '../src/nbd/main.js';
import { runMain, withoutTimes, type Ran } from './support.js';

const needs = skipUnless('qemu-img', 'qemu-io', 'qemu-nbd', 'nbdinfo', 'nbdcopy');

const REFUSED: readonly (readonly string[])[] = [
  [],
  ['a', 'b'],
  ['missing'],
  ['-k', 'relative.sock', 'disk.raw'],
  ['-f', 'qcow2', '-k', '/tmp/unused', 'disk.raw'],
  ['-f', 'nonsense', '-k', '/tmp/unused', 'disk.raw'],
  ['--nonsense'],
  ['-e', 'abc', '-k', '/tmp/unused', 'disk.raw'],
  ['--cache=nonsense', '-k', '/tmp/unused', 'disk.raw'],
  ['-n', '--cache=none', '-k', '/tmp/unused', 'disk.raw'],
  ['--aio=nonsense', '-k', '/tmp/unused', 'disk.raw'],
  ['--discard=nonsense', '-k', '/tmp/unused', 'disk.raw'],
  ['--detect-zeroes=nonsense', '-k', '/tmp/unused', 'disk.raw'],
  ['--detect-zeroes=unmap', '-f', 'raw', '-k', '/tmp/unused', 'disk.raw'],
  ['-o', 'abc', '-k', '/tmp/unused', 'disk.raw'],
  ['-o', '1000000000000', '-f', 'raw', '-k', '/tmp/unused', 'disk.raw'],
  ['--pid-file'],
  ['-o', '1M', '-f', 'raw', '-k', '/tmp/unused', 'disk.raw'],
  ['-p', 'zz', '-f', 'raw', 'disk.raw'],
  ['-P', '1', 'disk.raw'],
  ['-B', 'missing', '-f', 'raw', '-k', '/tmp/unused', 'disk.raw'],
  ['-k', '/nonexistent/socket', '-f', 'raw', 'disk.raw'],
  ['-s', '-k', '/nonexistent/socket', '-f', 'raw', 'disk.raw'],
  ['-b', '192.0.2.1', '-f', 'raw', 'disk.raw'],
  ['--tls-creds', 'x', '-f', 'raw', 'disk.raw'],
  ['--tls-creds', 'x', '--object', 'secret,id=x,data=abc', '-f', 'raw', 'disk.raw'],
  ['--tls-hostname', 'x', '-k', '/tmp/unused', 'disk.raw'],
  ['--tls-authz', 'x', '-k', '/tmp/unused', 'disk.raw'],
  ['-L', 'disk.raw'],
  ['-L', '-x', 'a'],
  ['-L', '--fork', '-k', '/tmp/unused'],
  ['-L', '-k', '/nonexistent/socket'],
  ['-L', '-b', '127.0.0.1', '-p', '1'],
  ['-x', 'n'.repeat(5000), '-f', 'raw', '-k', '/tmp/unused', 'disk.raw'],
];

describe.skipIf(needs.skip)(needs.title('blk nbd'), () => {
  test.each(REFUSED.map((words) => [words.join(' ').slice(0, 60), words] as const))('refuses as qemu-nbd does: %s', async (_title, words) => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-f', 'raw', dir.file('disk.raw'), '1M');
    const placed = words.map((word) => (word === 'disk.raw' || word === 'missing' ? dir.file(word) : word));
    const mine = await runMain(nbdMain, 'qemu-nbd', placed);
    const reference = await run('qemu-nbd', placed);
    expect(mine).toEqual({ code: reference.code, stdout: reference.stdout, stderr: reference.stderr });
  });

  test('leaves no socket behind where its pid file cannot be written', async () => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-f', 'raw', dir.file('disk.raw'), '1M');
    const words = ['-k', dir.file('s'), '-f', 'raw', '--pid-file', dir.file('none/pid'), dir.file('disk.raw')];
    const mine = await runMain(nbdMain, 'qemu-nbd', words);
    expect(existsSync(dir.file('s'))).toBe(false);
    expect(mine).toEqual(await run('qemu-nbd', words));
  });

  test('serves until its last client has left', async () => {
    using dir = tempDir();
    await image(dir);
    const served = runMain(nbdMain, 'qemu-nbd', ['-k', dir.file('s'), '-f', 'qcow2', '-x', 'disk', '-D', 'a disk', dir.file('disk.qcow2')]);
    await listening(dir.file('s'), served);
    const info = await nbdinfo(nbdUri(dir.file('s'), 'disk'));
    expect(info.exports[0]).toMatchObject({ 'export-name': 'disk', 'export-size': 64 * 1024 * 1024, description: 'a disk', is_read_only: false });
    expect(await served).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('stays with -t, serves a part with -o and read-only with -r, and ends by a signal', async () => {
    using dir = tempDir();
    await image(dir);
    await qemuImg('convert', '-O', 'raw', dir.file('disk.qcow2'), dir.file('disk.raw'));
    const served = runMain(nbdMain, 'qemu-nbd', ['-t', '-r', '-e', '4', '-o', '65536', '-k', dir.file('s'), '-f', 'raw', dir.file('disk.raw')]);
    await listening(dir.file('s'), served);
    const uri = nbdUri(dir.file('s'));
    expect((await nbdinfo(uri)).exports[0]).toMatchObject({ 'export-size': 64 * 1024 * 1024 - 65536, is_read_only: true });
    expect((await nbdcopy([uri, dir.file('copy')])).code).toBe(0);
    expect((await qemuIo(dir.file('copy'), ['read -q -P 9 983040 64k'], { format: 'raw' })).stdout).toBe('');
    process.emit('SIGTERM');
    expect((await served).code).toBe(0);
  });
});

describe.skipIf(needs.skip)(needs.title('blk nbd -L'), () => {
  test.each<readonly [string, readonly string[]]>([
    ['an export with all that can be told', ['-x', 'one', '-D', 'the first', '-A']],
    ['a read-only one', ['-r']],
    ['one for several clients', ['-e', '3']],
  ])('tells the same as qemu-nbd -L: %s', async (_title, words) => {
    using dir = tempDir();
    await image(dir);
    await using server = await startQemuNbd({ file: dir.file('disk.qcow2'), format: 'qcow2', socket: dir.file('s'), args: words });
    const list = ['-L', '-k', dir.file('s')];
    expect(await runMain(nbdMain, 'qemu-nbd', list)).toEqual(await run('qemu-nbd', list));
    await server.stop();
  });

  test('shows nothing of a name that a terminal would obey', async () => {
    using dir = tempDir();
    await image(dir);
    await using server = await startQemuNbd({ file: dir.file('disk.qcow2'), format: 'qcow2', socket: dir.file('s'), args: ['-x', 'a\u001b[31mé', '-D', "x\n export: 'b'"] });
    const { stdout } = await runMain(nbdMain, 'qemu-nbd', ['-L', '-k', dir.file('s')]);
    expect(stdout.split('\n').slice(0, 3)).toEqual(['exports available: 1', " export: 'a?[31mé'", "  description: x? export: 'b'"]);
    await server.stop();
  });

  test('and of our server, as does qemu-nbd', async () => {
    using dir = tempDir();
    await image(dir);
    const served = runMain(nbdMain, 'qemu-nbd', ['-t', '-k', dir.file('s'), '-f', 'qcow2', '-x', 'disk', '-D', 'a disk', '-A', dir.file('disk.qcow2')]);
    await listening(dir.file('s'), served);
    const list = ['-L', '-k', dir.file('s')];
    const [ours, theirs] = [await runMain(nbdMain, 'qemu-nbd', list), await run('qemu-nbd', list)];
    expect(ours).toEqual(theirs);
    expect(ours.stdout).toContain(" export: 'disk'\n  description: a disk\n  size:  67108864\n");
    process.emit('SIGTERM');
    await served;
  });

  test('over TLS with a key, and not without', async () => {
    using dir = tempDir();
    await image(dir);
    writeFileSync(dir.file('keys.psk'), 'qemu:0123456789abcdef0123456789abcdef\n', { mode: 0o600 });
    const object = (endpoint: string): string[] => ['--object', `tls-creds-psk,id=t,dir=${dir.path},endpoint=${endpoint}`, '--tls-creds', 't'];
    await using server = await startQemuNbd({ file: dir.file('disk.qcow2'), format: 'qcow2', socket: dir.file('s'), args: object('server') });
    for (const words of [[], object('client'), object('server')]) {
      const list = ['-L', '-k', dir.file('s'), ...words];
      expect(await runMain(nbdMain, 'qemu-nbd', list)).toEqual(await run('qemu-nbd', list));
    }
    await server.stop();
  });
});

describe.skipIf(needs.skip)(needs.title('blk nbd and what lies over or in an image'), () => {
  test('-s keeps what is written out of the image', async () => {
    using dir = tempDir();
    await image(dir);
    const before = readFileSync(dir.file('disk.qcow2'));
    const served = runMain(nbdMain, 'qemu-nbd', ['-s', '-k', dir.file('s'), '-f', 'qcow2', dir.file('disk.qcow2')]);
    await listening(dir.file('s'), served);
    const commands = ['-c', 'write -P 5 0 64k', '-c', 'read -P 5 0 64k', '-c', 'read -P 9 1M 64k'];
    expect((await run('qemu-io', ['-f', 'raw', ...commands, nbdUri(dir.file('s'))])).code).toBe(0);
    expect((await served).code).toBe(0);
    expect(readFileSync(dir.file('disk.qcow2')).equals(before)).toBe(true);
  });

  test('-l serves a snapshot as it was, and refuses one that is not there', async () => {
    using dir = tempDir();
    await image(dir);
    await qemuImg('snapshot', '-c', 'before', dir.file('disk.qcow2'));
    await qemuIo(dir.file('disk.qcow2'), ['write -q -P 1 0 64k'], { format: 'qcow2' });
    for (const wish of ['missing', 'snapshot.id=7', 'snapshot.id=7,snapshot.name=before']) {
      const words = ['-l', wish, '-k', dir.file('refused'), '-f', 'qcow2', dir.file('disk.qcow2')];
      expect(await runMain(nbdMain, 'qemu-nbd', words)).toEqual(await run('qemu-nbd', words));
    }
    for (const wish of ['before', '1', 'snapshot.name=before']) {
      const served = runMain(nbdMain, 'qemu-nbd', ['-l', wish, '-k', dir.file('s'), '-f', 'qcow2', dir.file('disk.qcow2')]);
      await listening(dir.file('s'), served);
      expect((await run('qemu-io', ['-r', '-f', 'raw', '-c', 'read -P 7 0 64k', '-c', 'read -P 9 1M 64k', nbdUri(dir.file('s'))])).code).toBe(0);
      expect((await served).code).toBe(0);
    }
  });

  test('-B offers what a bitmap recorded, and leaves it in the image', async () => {
    using dir = tempDir();
    await image(dir);
    await qemuImg('bitmap', '--add', '-g', '64k', dir.file('disk.qcow2'), 'dirt');
    await qemuImg('bitmap', '--add', '--disable', dir.file('disk.qcow2'), 'still');
    await qemuIo(dir.file('disk.qcow2'), ['write -q -P 1 2M 128k'], { format: 'qcow2' });
    const words = ['-t', '-B', 'dirt', '-B', 'still', '-k', dir.file('s'), '-f', 'qcow2', dir.file('disk.qcow2')];
    const served = runMain(nbdMain, 'qemu-nbd', words);
    await listening(dir.file('s'), served);
    await run('qemu-io', ['-f', 'raw', '-c', 'write -P 1 4M 64k', nbdUri(dir.file('s'))]);
    const map = async (name: string): Promise<string> => (await run('nbdinfo', [`--map=qemu:dirty-bitmap:${name}`, nbdUri(dir.file('s'))])).stdout;
    const ours = [await map('dirt'), await map('still'), (await run('qemu-nbd', ['-L', '-k', dir.file('s')])).stdout];
    process.emit('SIGTERM');
    expect((await served).code).toBe(0);
    await using server = await startQemuNbd({ file: dir.file('disk.qcow2'), format: 'qcow2', socket: dir.file('s'), args: ['-B', 'dirt', '-B', 'still', '-e', '1'] });
    expect(ours).toEqual([await map('dirt'), await map('still'), (await run('qemu-nbd', ['-L', '-k', dir.file('s')])).stdout]);
    expect(ours[0]).toMatch(/2097152 +131072 +1 +dirty/);
    await server.stop();
  });

  test('images behind an export are read and written by name', async () => {
    using dir = tempDir();
    await image(dir);
    await using server = await startQemuNbd({ file: dir.file('disk.qcow2'), format: 'qcow2', socket: dir.file('s'), exportName: 'x' });
    const uri = nbdUri(dir.file('s'), 'x');
    const commands = ['-c', 'read -P 7 0 64k', '-c', 'write -P 3 2M 64k', '-c', 'read -P 3 2M 64k', '-c', 'length', '-c', 'map'];
    const ours = await runMain(ioMain, 'qemu-io', ['-f', 'raw', ...commands, uri]);
    const theirs = await run('qemu-io', ['-f', 'raw', ...commands, uri]);
    expect(withoutTimes(ours.stdout)).toBe(withoutTimes(theirs.stdout));
    expect([ours.code, ours.stderr]).toEqual([0, '']);
    await server.stop();
    expect((await qemuIo(dir.file('disk.qcow2'), ['read -q -P 3 2M 64k'], { format: 'qcow2' })).stdout).toBe('');
  });
});

async function image(dir: TempDir): Promise<void> {
  await qemuImg('create', '-q', '-f', 'qcow2', dir.file('disk.qcow2'), '64M');
  await qemuIo(dir.file('disk.qcow2'), ['write -q -P 7 0 64k', 'write -q -P 9 1M 64k'], { format: 'qcow2' });
}

/** Waits for the socket file, or for the end of a server that never came to listen. */
async function listening(path: string, served: Promise<Ran>): Promise<void> {
  const { existsSync } = await import('node:fs');
  let ended: Ran | undefined;
  void served.then((ran) => (ended = ran));
  while (!existsSync(path)) {
    if (ended !== undefined) throw new Error(`the server ended: ${ended.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
