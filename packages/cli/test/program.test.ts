// The built program as a user starts it: by its name, by a link with another name, on hostile images, and its server.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import Module from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import { prng, run, skipUnless, startQemuNbd, tempDir, until } from '@blk/oracle';
import { buildProgram } from '../bundle.mjs';
import { COMMANDS } from '../src/img/all.js';
import { ours } from './img-support.js';

const packageDir = join(import.meta.dirname, '..');
const program = join(packageDir, 'dist/blk.cjs');

const needs = skipUnless('qemu-nbd');

beforeAll(async () => {
  if (!isFresh()) await buildProgram();
});

/** Whether the program is younger than the sources of every package that it is made of. */
function isFresh(): boolean {
  if (!existsSync(program)) return false;
  const built = statSync(program).mtimeMs;
  return readdirSync(join(packageDir, '..')).every((name) => {
    const src = join(packageDir, '..', name, 'src');
    return !existsSync(src) || readdirSync(src, { recursive: true }).every((file) => statSync(join(src, String(file))).mtimeMs < built);
  });
}

const blk = (...words: string[]): ReturnType<typeof run> => run(process.execPath, [program, ...words]);

describe('the program', () => {
  test('says what it is, and helps with every command', async () => {
    expect(await blk('--version')).toEqual({ code: 0, stdout: 'blk version 0.1.0\n', stderr: '' });
    const help = await blk('--help');
    for (const name of [...COMMANDS.map((command) => command.name), 'io', 'nbd', 'serve']) {
      expect(help.stdout).toContain(`  ${name} `);
      const own = await blk(name, '--help');
      expect(own).toMatchObject({ code: 0, stderr: '' });
      expect(own.stdout).toMatch(/usage/i);
    }
    expect(await blk()).toEqual({ code: 1, stdout: '', stderr: "blk: Not enough arguments\nTry 'blk --help' for more information\n" });
    expect(await blk('nonsense')).toMatchObject({ code: 1, stderr: expect.stringContaining('blk: Command not found: nonsense') as string });
  });

  test('makes no other file where a name is no text', async () => {
    using dir = tempDir();
    const inShell = (name: string): ReturnType<typeof run> => run('bash', ['-c', `exec "$0" "$1" create -q -f raw $'${name}' 1M`, process.execPath, program], { cwd: dir.path });
    expect(await inShell('\\xff')).toEqual({ code: 1, stdout: '', stderr: 'blk: File names that are not UTF-8 are not supported\n' });
    expect(readdirSync(dir.path)).toEqual([]);
    // The character that stands for what is none is one itself.
    expect(await inShell('\\xef\\xbf\\xbd')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readdirSync(dir.path)).toEqual(['\ufffd']);
  });

  test('makes links that are the reference tools, and leaves what is not its own', async () => {
    using dir = tempDir();
    const folder = dir.file('bin');
    expect(await blk('link', folder)).toMatchObject({ code: 0, stdout: expect.stringContaining('qemu-img -> ') as string });
    const linked = await run(join(folder, 'qemu-img'), ['--help']);
    expect(linked).toMatchObject({ code: 0, stderr: '' });
    expect(linked.stdout).toMatch(/^qemu-img version [^]*\n\nSupported formats: [a-z0-9_ -]+\n$/);
    expect(linked.stdout).not.toContain('checksum');
    expect(await blk('link', '-q', folder)).toEqual({ code: 0, stdout: '', stderr: '' });
    rmSync(join(folder, 'qemu-io'));
    rmSync(join(folder, 'qemu-img'));
    writeFileSync(join(folder, 'qemu-io'), 'somebody else');
    expect(await blk('link', folder)).toMatchObject({ code: 1, stderr: expect.stringContaining('qemu-io') as string });
    expect(existsSync(join(folder, 'qemu-img'))).toBe(false);
    expect(await blk('link', '--force', folder)).toMatchObject({ code: 0 });
  });

  test.skipIf(needs.skip)(needs.title('refuses an image that another program writes to, and looks at it where it is told to'), async () => {
    using dir = tempDir();
    const image = dir.file('disk');
    await blk('create', '-f', 'qcow2', image, '1M');
    const server = await startQemuNbd({ file: image, format: 'qcow2', socket: dir.file('socket') });
    try {
      const said = `Failed to get shared "write" lock\nIs another process using the image [${image}]?\n`;
      expect(await blk('info', image)).toEqual({ code: 1, stdout: '', stderr: `blk: Could not open '${image}': ${said}` });
      expect(await blk('info', '-U', image)).toMatchObject({ code: 0, stderr: '' });
      expect(await blk('create', '-q', image, '1M')).toMatchObject({ code: 1, stderr: expect.stringContaining('Failed to get "write" lock') as string });
    } finally {
      await server.stop();
    }
  });

  test('starts from what V8 compiled when it was built, and does without', async () => {
    const dist = join(packageDir, 'dist');
    const caches = readdirSync(dist).filter((name) => name.endsWith('.cache')).sort();
    expect(caches).toEqual(['img', 'short'].map((name) => `${name}-${process.versions.v8}-${process.arch}.cache`));
    for (const cache of caches) {
      const source = readFileSync(join(dist, `${cache.split('-')[0]}.cjs`), 'latin1');
      const script = new Script(Module.wrap(source), { cachedData: readFileSync(join(dist, cache)) });
      // The length of the source is part of it; flags are too, and those of the runner of tests may be others.
      if (process.execArgv.length === 0) expect(script.cachedDataRejected).toBe(false);
    }
    using dir = tempDir();
    for (const name of ['blk.cjs', 'short.cjs']) copyFileSync(join(dist, name), dir.file(name));
    const copy = (): ReturnType<typeof run> => run(process.execPath, [dir.file('blk.cjs'), 'info', 'missing']);
    const expected = { code: 1, stdout: '', stderr: "blk: Could not open 'missing': Could not open 'missing': No such file or directory\n" };
    expect(await copy()).toEqual(expected);
    for (const cache of caches) writeFileSync(dir.file(cache), 'of another build');
    expect(await copy()).toEqual(expected);
  });

  test('what the short commands’ bundle does not have is found in the other, and nothing is told twice', async () => {
    using dir = tempDir();
    const of = (name: string): string => dir.file(name);
    await blk('create', '-q', '-f', 'qcow2', of('qcow2'), '1M');
    for (const format of ['raw', 'qcow', 'qed', 'vdi', 'vhdx', 'vpc', 'parallels']) await blk('convert', '-f', 'qcow2', '-O', format, of('qcow2'), of(format));
    for (const format of ['raw', 'qcow2', 'qcow', 'qed', 'vdi', 'vhdx', 'vpc', 'parallels']) {
      const { code, stdout, stderr } = await blk('info', of(format));
      expect({ format, code, stderr, formats: stdout.match(/^file format: .*$/gm) }).toEqual({ format, code: 0, stderr: '', formats: [`file format: ${format}`] });
    }
    // The bundle alone has only what it is for.
    copyFileSync(join(packageDir, 'dist/blk.cjs'), of('blk.cjs'));
    copyFileSync(join(packageDir, 'dist/short.cjs'), of('short.cjs'));
    const alone = (...words: string[]): ReturnType<typeof run> => run(process.execPath, [of('blk.cjs'), ...words]);
    for (const words of [['info', of('raw')], ['info', of('qcow2')], ['create', of('new'), '1M'], ['create', '-q', '-f', 'qcow2', of('new2'), '1M']]) {
      expect(await alone(...words)).toMatchObject({ code: 0, stderr: '' });
    }
    expect(await alone('info', of('vdi'))).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('img.cjs') as string });
  });

  test('short commands load nothing of Node that they do not need', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('list.cjs'), "process.on('exit', () => { require('node:fs').writeSync(2, process.moduleLoadList.join('\\n')); });");
    await blk('create', '-q', '-f', 'qcow2', dir.file('image'), '1M');
    for (const words of [['info', dir.file('image')], ['create', '-q', dir.file('new'), '1M']]) {
      const { stderr } = await run(process.execPath, ['--require', dir.file('list.cjs'), program, ...words]);
      // Each of them takes milliseconds.
      expect(stderr.match(/^NativeModule (crypto|tls|https?|dgram|child_process|worker_threads|zlib|dns)$/gm)).toBeNull();
      expect(stderr).toContain('NativeModule fs');
    }
  });

  test('is the reference tool under that tool\'s name', async () => {
    using dir = tempDir();
    for (const [name, words, said] of [
      ['qemu-img', ['info', 'missing'], "qemu-img: Could not open 'missing': Could not open 'missing': No such file or directory\n"],
      ['qemu-io', ['missing'], "qemu-io: can't open device missing: Could not open 'missing': No such file or directory\n"],
      ['qemu-nbd', ['-k', '/tmp/unused', 'missing'], "qemu-nbd: Failed to blk_new_open 'missing': Could not open 'missing': No such file or directory\n"],
    ] as const) {
      symlinkSync(program, dir.file(name));
      expect(await run(dir.file(name), words, { cwd: dir.path })).toEqual({ code: 1, stdout: '', stderr: said });
      expect((await run(dir.file(name), ['--version'])).stdout).toMatch(new RegExp(`^${name}.* 7\\.2\\.0`));
    }
  });

  test('what the README shows: create, write, look, convert, compare', async () => {
    using dir = tempDir();
    const at = (name: string): string => dir.file(name);
    expect((await blk('create', '-f', 'qcow2', at('disk.qcow2'), '1G')).stdout).toContain('fmt=qcow2 cluster_size=65536');
    expect((await blk('io', '-c', 'write -P 7 1M 64k', at('disk.qcow2'))).stdout).toContain('wrote 65536/65536 bytes at offset 1048576');
    expect(JSON.parse((await blk('info', '--output=json', at('disk.qcow2'))).stdout)).toMatchObject({ format: 'qcow2', 'virtual-size': 1024 ** 3 });
    expect(await blk('convert', '-p', '-O', 'raw', at('disk.qcow2'), at('disk.raw'))).toMatchObject({ code: 0, stderr: '' });
    expect((await blk('map', '-f', 'raw', at('disk.raw'))).stdout).toContain('0x100000        0x10000         0x100000');
    expect((await blk('compare', '-F', 'raw', at('disk.qcow2'), at('disk.raw'))).stdout).toBe('Images are identical.\n');
  });

  test('progress for programs is a line of JSON each', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), Buffer.alloc(3 * 1024 * 1024, 1));
    const { stdout } = await blk('convert', '--progress=json', '-f', 'raw', dir.file('a'), dir.file('b'));
    const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as { event: string; done: number; total: number });
    expect(lines[0]).toEqual({ event: 'progress', done: 0, total: 3 * 1024 * 1024 });
    expect(lines[lines.length - 1]).toEqual({ event: 'progress', done: 3 * 1024 * 1024, total: 3 * 1024 * 1024 });
  });

  test.each([
    ['blk', 'SIGINT', 'raw'],
    ['blk', 'SIGTERM', 'qcow2'],
    ['qemu-img', 'SIGINT', 'qcow2'],
  ] as const)('%s: a conversion ends by the signal (%s); what is half made is named, and is an image (%s)', async (name, signal, format) => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), Buffer.alloc(8 * 1024 * 1024, 1));
    symlinkSync(program, dir.file(name));
    const child = spawn(dir.file(name), ['convert', '--progress=json', '-r', '1M', '-f', 'raw', '-O', format, dir.file('a'), dir.file('b')]);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    let sent = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!sent && /"done":[1-9]/.test(text)) sent = child.kill(signal);
    });
    const ended = await new Promise((resolve) => child.once('close', (code, by) => { resolve({ code, by }); }));
    const said = name === 'blk' ? `blk: interrupted: the target '${dir.file('b')}' is incomplete\n` : '';
    expect({ ended, stderr }).toEqual({ ended: { code: null, by: signal }, stderr: said });
    if (format === 'qcow2') expect((await blk('check', dir.file('b'))).stdout).toContain('No errors were found on the image.');
  });

  test('ends by a signal also in the middle of a wait that takes no notice of it', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), 'a');
    const child = spawn(process.execPath, [program, 'io', '-f', 'raw', '-c', 'length', '-c', 'sleep 60000', dir.file('a')]);
    const ended = new Promise((resolve) => child.once('close', (code, by) => { resolve({ code, by }); }));
    child.stdout.once('data', () => child.kill('SIGTERM'));
    expect(await ended).toEqual({ code: null, by: 'SIGTERM' });
  });

  test('a reader that goes away is no success', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), Buffer.alloc(8 * 1024 * 1024, 1));
    const child = spawn(process.execPath, [program, 'convert', '-f', 'raw', dir.file('a'), '-']);
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(141);
  });

  test('SIGUSR1: how far it is', async () => {
    using dir = tempDir();
    const half = Buffer.alloc(2 * 1024 * 1024, 1);
    writeFileSync(dir.file('a'), half);
    truncateSync(dir.file('a'), 2 * half.length);
    const child = spawn(process.execPath, [program, 'convert', '-r', '256k', '-f', 'raw', dir.file('a'), dir.file('b')]);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      child.kill('SIGINT');
    });
    // Before the program listens, the signal would start Node's debugger: what it copied shows that it does.
    for (let tries = 0; tries < 400 && !(existsSync(dir.file('b')) && statSync(dir.file('b')).blocks > 0); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    child.kill('SIGUSR1');
    await new Promise((resolve) => child.once('close', resolve));
    expect(stderr).toMatch(/^ {4}\(\d+\.\d\d\/100%\)\nblk: interrupted: /);
  });

  test('a demo is set up, tells what to try, and ends by a signal', async () => {
    using dir = tempDir();
    for (let round = 0; round < 2; round++) {
      const child = spawn(process.execPath, [program, 'serve', '--demo'], { cwd: dir.path });
      let stdout = '';
      const ended = new Promise((resolve) => child.once('close', resolve));
      await new Promise<void>((resolve) => {
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          stdout += text;
          if (stdout.includes('Ctrl-C')) resolve();
        });
        void ended.then(() => { resolve(); });
      });
      expect(stdout).toContain('nbd+unix:///disk?socket=blk-demo/nbd.sock');
      expect(existsSync(dir.file('blk-demo/qmp.sock'))).toBe(true);
      const own = stdout.split('\n').filter((line) => line.startsWith('  node '));
      expect(own).toHaveLength(3);
      for (const line of own) expect(await run('sh', ['-c', line], { cwd: dir.path })).toMatchObject({ code: 0, stderr: '' });
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    }
    expect((await blk('info', dir.file('blk-demo/disk.qcow2'))).stdout).toContain('virtual size: 64 MiB');
  });

  test('a server goes on when nobody reads its words any more', async () => {
    using dir = tempDir();
    const child = spawn(process.execPath, [program, 'serve', '--demo', '--chardev', 'stdio,id=s', '--monitor', 's'], { cwd: dir.path });
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.stdout.destroy();
    child.stderr.destroy();
    child.stdin.write('{}'.repeat(10));
    child.stdin.on('error', () => undefined);
    // The file is there a moment before connections are accepted.
    await until(() => child.exitCode !== null || accepts(dir.file('blk-demo/qmp.sock')));
    const monitor = connect(dir.file('blk-demo/qmp.sock'));
    const heard = new Promise<string>((resolve, reject) => {
      let text = '';
      monitor.on('error', reject).on('close', () => { resolve(text); });
      monitor.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
    });
    monitor.write('{"execute":"qmp_capabilities"}{"execute":"quit"}');
    expect(await heard).toContain('SHUTDOWN');
    expect(await ended).toBe(0);
  });
});

describe('hostile images', () => {
  test('end in one line, whatever their headers say', async () => {
    using dir = tempDir();
    const image = dir.file('image.qcow2');
    expect((await ours(['create', '-q', '-f', 'qcow2', image, '4M'])).code).toBe(0);
    const good = readFileSync(image);
    const random = prng(5);
    for (let round = 0; round < 150; round++) {
      const bad = Buffer.from(good.subarray(0, random.pick([good.length, 104, 72, 1000, 70_000])));
      for (let i = 0; i < 1 + random.below(6); i++) bad[4 + random.below(100)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
      writeFileSync(image, bad);
      for (const words of [['info', '-f', 'qcow2', image], ['map', '-f', 'qcow2', image], ['convert', '-f', 'qcow2', '-n', '-O', 'null-co', image, 'null-co://']]) {
        // Our own processor time, in microseconds: how busy the machine is does not count.
        const before = process.cpuUsage();
        const ran = await ours(words);
        const { user, system } = process.cpuUsage(before);
        expect(user + system).toBeLessThan(3_000_000);
        expect([0, 1]).toContain(ran.code);
        if (ran.code === 1) {
          expect(ran.stderr).toMatch(/^qemu-img: [^\n]+\n$/);
          expect(ran.stderr).not.toMatch(/unexpected failure|at .*:\d+:\d+/);
        }
      }
    }
  });
});

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path).on('error', () => { resolve(false); }).on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
