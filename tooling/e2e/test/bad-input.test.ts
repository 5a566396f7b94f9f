// Bad input and bad luck: a clear error in the reference tool's words where it has any, nothing lost, and the server goes on.
import { connect } from 'node:net';
import { closeSync, copyFileSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { qemuImg, qemuIo, skipUnless, startQemuNbd, tempDir, type TempDir } from '@blk/oracle';
import { blk, canMount, NbdTestClient, smallDisk, startDaemon, type Daemon } from '../src/index.js';

const needs = skipUnless('qemu-img', 'qemu-io', 'qemu-nbd', 'mkfs.ext4');
const MIB = 1024 * 1024;

describe.skipIf(needs.skip)(needs.title('images that are not what they should be'), () => {
  test.each([
    ['a truncated header', (path: string) => { truncateSync(path, 50); }],
    ['an empty file', (path: string) => { truncateSync(path, 0); }],
    ['a wrong magic', (path: string) => { patch(path, 0, [0x51, 0x46, 0x49, 0xfa]); }],
    ['an unknown version', (path: string) => { patch(path, 4, [0, 0, 0, 9]); }],
    ['cluster bits out of range', (path: string) => { patch(path, 20, [0, 0, 0, 40]); }],
    ['an L1 table that is too large', (path: string) => { patch(path, 36, [0x7f, 0xff, 0xff, 0xff]); }],
    ['an L1 table at an odd place', (path: string) => { patch(path, 40, [0, 0, 0, 0, 0, 0, 0, 7]); }],
    ['a refcount table that is too large', (path: string) => { patch(path, 56, [0x7f, 0xff, 0xff, 0xff]); }],
    ['an unknown incompatible feature', (path: string) => { patch(path, 72, [0x40, 0, 0, 0, 0, 0, 0, 0]); }],
    ['a header length beyond the cluster', (path: string) => { patch(path, 100, [0x7f, 0xff, 0xff, 0xff]); }],
  ])('%s is refused as qemu-img refuses it', async (_what, damage) => {
    using dir = tempDir();
    const path = dir.file('x.qcow2');
    await create('qcow2', path, '8M');
    damage(path);
    const [ours, theirs] = await Promise.all([blk(['info', '-f', 'qcow2', path]), qemuImg('info', '-f', 'qcow2', path)]);
    // The same words; ours may go on to name the value and what is allowed.
    const [line, ...more] = sameTool(ours.stderr).trimEnd().split('\n');
    expect(line.slice(0, sameTool(theirs.stderr).trimEnd().length)).toBe(sameTool(theirs.stderr).trimEnd());
    expect(more).toEqual([]);
    expect(ours).toMatchObject({ code: 1, stdout: '' });
  });

  test('a size past 2^53 is refused by name', async () => {
    using dir = tempDir();
    const path = dir.file('huge.qcow2');
    await create('qcow2', path, '8M');
    patch(path, 24, [0x10, 0, 0, 0, 0, 0, 0, 0]);
    const result = await blk(['info', '-f', 'qcow2', path]);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
  });

  test.each(['missing.qcow2', 'folder'])('%s gets the same error from both', async (name) => {
    using dir = tempDir();
    mkdirSync(dir.file('folder'));
    const [ours, theirs] = await Promise.all([blk(['info', dir.file(name)]), qemuImg('info', dir.file(name))]);
    expect(sameTool(ours.stderr)).toBe(sameTool(theirs.stderr));
    expect(ours.code).toBe(theirs.code);
  });

  test('a missing backing file and a loop of backing files end in one line', async () => {
    using dir = tempDir();
    await create('qcow2', dir.file('gone.qcow2'), '4M');
    await create('qcow2', dir.file('top.qcow2'), '4M', dir.file('gone.qcow2'));
    rmSync(dir.file('gone.qcow2'));
    const [ours, theirs] = await Promise.all([
      blk(['io', '-r', '-f', 'qcow2', '-c', 'read 0 512', dir.file('top.qcow2')]),
      qemuIo(dir.file('top.qcow2'), ['read 0 512'], { format: 'qcow2', args: ['-r'] }),
    ]);
    expect(sameTool(ours.stderr + ours.stdout)).toBe(sameTool(theirs.stderr + theirs.stdout));
    await create('qcow2', dir.file('a.qcow2'), '4M');
    await create('qcow2', dir.file('b.qcow2'), '4M', dir.file('a.qcow2'));
    succeed(await qemuImg('rebase', '-u', '-b', dir.file('b.qcow2'), '-F', 'qcow2', dir.file('a.qcow2')));
    const loop = await blk(['io', '-r', '-f', 'qcow2', '-c', 'read 0 512', dir.file('a.qcow2')]);
    expect(loop.code).not.toBe(0);
    expect(loop.stderr).toMatch(/creates an infinite loop/);
    const [chain, theirChain] = await Promise.all([
      blk(['info', '--backing-chain', dir.file('a.qcow2')]),
      qemuImg('info', '--backing-chain', dir.file('a.qcow2')),
    ]);
    expect(sameTool(chain.stderr)).toBe(sameTool(theirChain.stderr));
  });
});

describe.skipIf(needs.skip)(needs.title('a server in trouble'), () => {
  test('goes on after a client that breaks off in the middle of a write', async () => {
    using dir = tempDir();
    const path = dir.file('x.qcow2');
    await create('qcow2', path, '64M');
    await using daemon = await serve(dir, path);
    const before = await NbdTestClient.connect(dir.file('nbd'), 'disk');
    await before.write(0, Buffer.alloc(65536, 1));
    await before.flush();
    for (let i = 0; i < 20; i++) await halfWrite(dir.file('nbd'), 1000 * i);
    expect((await before.read(0, 65536)).equals(Buffer.alloc(65536, 1))).toBe(true);
    before.destroy();
    await finish(daemon);
    expect((await qemuImg('check', path)).code).toBe(0);
  });

  test('answers malformed QMP with an error, and the next command as ever', async () => {
    using dir = tempDir();
    const path = dir.file('x.qcow2');
    await create('qcow2', path, '1M');
    await using daemon = await serve(dir, path);
    const replies = await sendRaw(dir.file('qmp'), [
      '{"execute":"qmp_capabilities"}\n',
      '['.repeat(MIB) + '\n',
      '\u00ff not json \n',
      '{"execute":"query-version"}\n',
    ]);
    expect(replies).toMatch(/"error"/);
    expect(replies.trim().split('\n').at(-1)).toMatch(/"return": \{.*"qemu"/);
    expect(replies.length).toBeLessThan(4 * MIB);
    await finish(daemon);
  });

  test('refuses a second writer, and is refused as one, in the words of the reference tools', async () => {
    using dir = tempDir();
    const path = dir.file('x.qcow2');
    await create('qcow2', path, '1M');
    const daemon = await serve(dir, path);
    const theirs = await qemuIo(path, ['write 0 512'], { format: 'qcow2' });
    expect(theirs.stderr).toMatch(/Failed to get .*lock/);
    await finish(daemon);
    await using holder = await startQemuNbd({ file: path, format: 'qcow2', socket: dir.file('holder') });
    expect(holder.pid).toBeGreaterThan(0);
    const [ours, reference] = await Promise.all([
      blk(['io', '-f', 'qcow2', '-c', 'write 0 512', path]),
      qemuIo(path, ['write 0 512'], { format: 'qcow2' }),
    ]);
    expect(sameTool(ours.stderr)).toBe(sameTool(reference.stderr));
    expect(ours.code).toBe(1);
  });

  test.skipIf(!canMount())('reports a full disk (needs root to mount one), loses nothing, and goes on when there is room again', async () => {
    using dir = tempDir();
    using disk = smallDisk(dir.file('backing'), dir.file('mnt'), 24 * MIB);
    const path = `${disk.path}/x.qcow2`;
    await create('qcow2', path, '256M');
    writeFileSync(`${disk.path}/ballast`, Buffer.alloc(6 * MIB, 1));
    await using daemon = await serve(dir, path);
    const client = await NbdTestClient.connect(dir.file('nbd'), 'disk');
    const data = Buffer.alloc(MIB, 0x5a);
    let written = 0;
    let failure = '';
    while (failure === '' && written < 64) {
      await client.write(written * MIB, data).then(
        () => { written++; },
        (error: unknown) => { failure = (error as Error).message; },
      );
    }
    expect(failure).toBe('NBD error 28');
    expect(written).toBeGreaterThan(4);
    for (let i = 0; i < written; i++) expect((await client.read(i * MIB, MIB)).equals(data)).toBe(true);
    rmSync(`${disk.path}/ballast`);
    await client.write(written * MIB, data);
    await client.flush();
    client.destroy();
    await finish(daemon);
    const check = await qemuImg('check', path);
    expect([0, 3], check.stdout + check.stderr).toContain(check.code);
    copyFileSync(path, dir.file('copy.qcow2'));
    const verified = await qemuIo(dir.file('copy.qcow2'), [`read -q -P 0x5a 0 ${written + 1}M`], { format: 'qcow2' });
    expect(verified).toMatchObject({ code: 0, stdout: '' });
  });
});

/** What the tool says, whatever it is called. */
function sameTool(text: string): string {
  return text.replaceAll(/^(qemu-img|qemu-io|blk( \w+)?): /gm, 'TOOL: ');
}

async function serve(dir: TempDir, path: string): Promise<Daemon> {
  const daemon = await startDaemon({
    args: [
      '--blockdev', `driver=qcow2,node-name=disk,file.driver=file,file.filename=${path}`,
      '--nbd-server', `addr.type=unix,addr.path=${dir.file('nbd')}`,
      '--export', 'type=nbd,id=e,node-name=disk,name=disk,writable=on',
    ],
    monitor: dir.file('qmp'),
  });
  return daemon;
}

async function finish(daemon: Daemon): Promise<void> {
  await daemon.qmp?.execute('quit');
  expect(await daemon.exited).toBe(0);
}

/** Negotiates, claims a write of 64 KiB, sends `bytes` of it and breaks off. */
async function halfWrite(path: string, bytes: number): Promise<void> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  const header = Buffer.alloc(28);
  header.writeUInt32BE(0x25609513, 0);
  header.writeUInt16BE(1, 6);
  header.writeUInt32BE(65536, 24);
  const name = Buffer.from('disk');
  const hello = Buffer.alloc(20);
  hello.writeUInt32BE(3, 0);
  hello.write('IHAVEOPT', 4);
  hello.writeUInt32BE(1, 12);
  hello.writeUInt32BE(name.length, 16);
  const request = Buffer.concat([hello, name, header, Buffer.alloc(bytes, 9)]);
  header.writeBigUInt64BE(BigInt(MIB), 16);
  await new Promise<void>((resolve) => {
    socket.write(request, () => {
      socket.destroy();
    });
    socket.on('close', () => { resolve(); });
  });
}

/** Writes the parts to a monitor, and gives what it said until a second of silence. */
async function sendRaw(path: string, parts: readonly string[]): Promise<string> {
  const socket = connect(path);
  let text = '';
  return new Promise((resolve) => {
    let quiet = setTimeout(() => undefined, 0);
    const wait = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        socket.destroy();
        resolve(text);
      }, 1000);
    };
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      wait();
    });
    for (const part of parts) socket.write(part, part.startsWith('\u00ff') ? 'latin1' : 'utf8');
    wait();
  });
}

async function create(format: string, path: string, size: string, backing?: string): Promise<void> {
  succeed(await qemuImg('create', '-q', '-f', format, ...(backing === undefined ? [] : ['-b', backing, '-F', 'qcow2']), path, size));
}

function patch(path: string, offset: number, bytes: readonly number[]): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from(bytes), 0, bytes.length, offset);
  closeSync(fd);
}

function succeed(result: { code: number; stderr: string }): void {
  expect(result, result.stderr).toMatchObject({ code: 0 });
}
