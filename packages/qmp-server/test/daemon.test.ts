// The program: options in the order given, sockets, signals, pid files, the background, and an end that loses nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createImage, nbdUri, qemuImg, qemuIo, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { bundleProgram, connectMonitor, connectSocket, type Program } from './daemon-process.js';
import { TestClient } from './support.js';

let program: Program;
beforeAll(async () => {
  program = await bundleProgram();
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
});

const chardev = (dir: TempDir, more = 'server=on,wait=off'): string => `socket,id=m,path=${dir.file('qmp')},${more}`;

async function failure(args: readonly string[]): Promise<string> {
  await using daemon = await program.start(args);
  expect(await daemon.exited, daemon.stderr()).toBe(1);
  return daemon.stderr();
}

describe('options', () => {
  test('help and version', async () => {
    for (const [option, text] of [['--help', /^Usage: blk-qmp-server \[options\]/], ['-h', /--nbd-server/], ['-V', /^blk-qmp-server version \d/]] as const) {
      const { code, stdout, stderr } = await run(process.execPath, [program.path, '--blockdev', 'null-co', option, 'x']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(text);
    }
  });

  test('are carried out in the order given', async () => {
    using dir = tempDir();
    const needsNode = ['--export', 'nbd,id=e,node-name=n'];
    expect(await failure([...needsNode, '--blockdev', 'null-co,node-name=n'])).toBe(
      "blk-qmp-server: --export nbd,id=e,node-name=n: Cannot find device='' nor node-name='n'\n",
    );
    expect(await failure(['--monitor', 'm', '--chardev', chardev(dir)])).toBe('blk-qmp-server: --monitor m: chardev "m" not found\n');
  });

  test('the old shape: -drive and -qmp', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('a,b.raw'), Buffer.alloc(1 << 20));
    await using daemon = await program.start([
      '-drive', `file=${dir.file('a,b.raw').replace(',', ',,')},format=raw,if=none,id=d0,cache=none,readonly=on,detect-zeroes=on,werror=stop`,
      '-drive', `if=none,driver=raw,file.driver=file,file.filename=${dir.file('a,b.raw').replace(',', ',,')},cache=writethrough,read-only=on`,
      '-qmp', `unix:${dir.file('qmp')},server,nowait`,
      '-qmp', 'tcp:127.0.0.1:0,server=on,wait=off',
    ]);
    const client = await connectMonitor(dir.file('qmp'), daemon);
    expect(await client.execute('query-block')).toMatchObject([
      { device: 'd0', 'io-status': 'ok', inserted: { drv: 'raw', ro: true, detect_zeroes: 'on', cache: { writeback: true, direct: true } } },
      { device: 'none1', inserted: { drv: 'raw', ro: true, cache: { writeback: false, direct: false } } },
    ]);
    await client.execute('quit');
    expect(await daemon.exited).toBe(0);
  });

  test.each([
    [['--blockdev'], "option '--blockdev' requires an argument"],
    [['--bogus'], "unrecognized option '--bogus'"],
    [['x'], 'x: Unexpected argument'],
    [['--chardev', 'foo,id=m'], "--chardev foo,id=m: 'foo' is not a valid char driver name"],
    [['--chardev', 'pty,id=m'], "--chardev pty,id=m: chardev 'pty' is not supported; use socket, stdio or null"],
    [['--chardev', 'stdio'], '--chardev stdio: chardev: no id specified'],
    [['--chardev', 'socket,id=m,fd=99'], "--chardev socket,id=m,fd=99: File descriptor '99' is not a socket"],
    [['--chardev', 'socket,id=m,path=/x,fd=1'], "--chardev socket,id=m,path=/x,fd=1: None or one of 'path', 'fd' or 'host' option required."],
    [['--chardev', 'socket,id=m,path=/nonexistent'], "--chardev socket,id=m,path=/nonexistent: Failed to connect to '/nonexistent': No such file or directory"],
    [['--chardev', 'socket,id=m,path=/x,bogus=1'], "--chardev socket,id=m,path=/x,bogus=1: Invalid parameter 'bogus'"],
    [['--chardev', 'null,id=m', '--monitor', 'm,mode=readline'], '--monitor m,mode=readline: Only QMP is supported'],
    [['--chardev', 'null,id=m', '--monitor', 'm', '--monitor', 'm'], "--monitor m: Device 'm' is in use"],
    [['--daemonize', '--chardev', 'stdio,id=m'], '--chardev stdio,id=m: cannot use stdio with -daemonize'],
    [['--drive', 'file=/x,if=ide'], '-drive file=/x,if=ide: if=ide needs a machine; use if=none'],
    [['--drive', 'file=/x,cache=fast'], '-drive file=/x,cache=fast: invalid cache option'],
    [['--object', 'secret,id=s'], "--object secret,id=s: Either 'file' or 'data' must be provided"],
    [['--pidfile', '/'], "cannot create PID file: Could not create '/': Is a directory"],
    [['--pidfile', '/nonexistent/p'], "cannot create PID file: Could not create '/nonexistent/p': No such file or directory"],
    [['--nbd-server', 'addr.type=inet,addr.host=127.0.0.1,addr.port=0,tls-creds=t'], "--nbd-server addr.type=inet,addr.host=127.0.0.1,addr.port=0,tls-creds=t: No TLS credentials with id 't'"],
  ])('%j is refused: %s', async (args, text) => {
    expect(await failure(args)).toBe(`blk-qmp-server: ${text}\n`);
  });
});

describe('monitors', () => {
  test('on standard input and output, pretty, until quit', async () => {
    await using daemon = await program.start(['--chardev', 'stdio,id=m', '--monitor', 'chardev=m,pretty']);
    let text = '';
    daemon.process.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    daemon.process.stdin.write('{"execute":"qmp_capabilities"}{"execute":"quit"}');
    expect(await daemon.exited).toBe(0);
    expect(text).toMatch(/^\{\n {4}"QMP": \{\n/);
    expect(text).toMatch(/\{\n {4}"return": \{\n {4}\}\n\}\r\n/);
    expect(text).toContain('"event": "SHUTDOWN"');
  });

  test('on a listening descriptor that was inherited', async () => {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as AddressInfo;
    const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
    const child = spawn(process.execPath, [program.path, '--chardev', 'socket,id=m,fd=3,server=on,wait=off', '--monitor', 'm'], {
      stdio: ['ignore', 'ignore', 'inherit', fd],
    });
    // The child has a copy: what connects from here on is for it.
    listener.close();
    const exited = new Promise((resolve) => child.once('exit', resolve));
    try {
      const client = await connectMonitor(port);
      expect(await client.execute('query-block')).toEqual([]);
      await client.execute('quit');
      expect(await exited).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('on a connected descriptor that was inherited', async () => {
    const child = spawn(process.execPath, [program.path, '--chardev', 'socket,id=m,fd=3', '--monitor', 'm'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    try {
      const client = await new TestClient(child.stdio[3] as Socket).negotiate();
      await client.execute('quit');
      expect(await exited).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('connect as a client', async () => {
    using dir = tempDir();
    const arrived = new Promise<Socket>((resolve) => {
      const listener = createServer((socket) => {
        listener.close();
        resolve(socket);
      }).listen(dir.file('theirs'));
    });
    await using daemon = await program.start(['--chardev', `socket,id=c,path=${dir.file('theirs')}`, '--monitor', 'c']);
    const client = await new TestClient(await arrived).negotiate();
    expect(await client.execute('query-block')).toEqual([]);
    await client.execute('quit');
    expect(await daemon.exited).toBe(0);
  });

  test('wait=on holds everything behind it back until a client comes', async () => {
    using dir = tempDir();
    await using daemon = await program.start(['--chardev', chardev(dir, 'server=on'), '--monitor', 'm', '--blockdev', 'null-co']);
    const socket = await connectSocket(dir.file('qmp'), daemon);
    expect(await daemon.exited).toBe(1);
    socket.destroy();
    expect(daemon.stderr()).toBe(
      `blk-qmp-server: info: QEMU waiting for connection on: disconnected:unix:${dir.file('qmp')},server=on\n` +
        "blk-qmp-server: --blockdev null-co: 'node-name' must be specified for the root node\n",
    );
  });

  test('a socket that nobody answers on is replaced; one in use, or another file, is left alone', async () => {
    using dir = tempDir();
    const args = ['--chardev', chardev(dir), '--monitor', 'm'];
    await using first = await program.start(args);
    const client = await connectMonitor(dir.file('qmp'), first);
    expect(await failure(args)).toContain(`Failed to bind socket to ${dir.file('qmp')}: Address already in use`);
    expect(await client.execute('query-block')).toEqual([]);
    await first.stop('SIGKILL');
    expect(existsSync(dir.file('qmp'))).toBe(true);
    await using second = await program.start(args);
    const again = await connectMonitor(dir.file('qmp'), second);
    await again.execute('quit');
    expect(await second.exited).toBe(0);
    expect(existsSync(dir.file('qmp'))).toBe(false);
    writeFileSync(dir.file('qmp'), 'precious');
    expect(await failure(args)).toContain('Address already in use');
    expect(readFileSync(dir.file('qmp'), 'utf8')).toBe('precious');
  });
});

describe('a life as a daemon', () => {
  test('--daemonize returns when everything is set up; the pid file is there meanwhile, and keeps a second one away', async () => {
    using dir = tempDir();
    const args = ['--daemonize', '--pidfile', dir.file('pid'), '--chardev', chardev(dir), '--monitor', 'm', '--blockdev', 'null-co,node-name=n'];
    const parent = await run(process.execPath, [program.path, ...args]);
    expect(parent).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const pid = Number(readFileSync(dir.file('pid'), 'utf8'));
    try {
      const client = await connectMonitor(dir.file('qmp'));
      expect(await client.execute('query-named-block-nodes')).toHaveLength(1);
      expect(await failure(['--pidfile', dir.file('pid')])).toBe(
        'blk-qmp-server: cannot create PID file: Cannot lock pid file: Resource temporarily unavailable\n',
      );
      process.kill(pid, 'SIGTERM');
      expect(await client.event('SHUTDOWN')).toMatchObject({ data: { guest: false } });
      await client.end();
    } finally {
      await gone(pid);
    }
    expect(existsSync(dir.file('pid'))).toBe(false);
    expect(existsSync(dir.file('qmp'))).toBe(false);
  });

  test('--daemonize tells what went wrong, with the exit code', async () => {
    const parent = await run(process.execPath, [program.path, '--daemonize', '--blockdev', 'null-co']);
    expect(parent).toMatchObject({ code: 1, stderr: "blk-qmp-server: --blockdev null-co: 'node-name' must be specified for the root node\n" });
  });

  test('a pid file that a killed daemon left is replaced', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('pid'), '4194304\n');
    await using daemon = await program.start(['--pidfile', dir.file('pid'), '--chardev', 'stdio,id=m', '--monitor', 'm']);
    daemon.process.stdin.write("{'execute':'qmp_capabilities'}");
    while (readFileSync(dir.file('pid'), 'utf8') !== `${daemon.pid}\n`) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(statSync(dir.file('pid')).mode & 0o777).toBe(0o600);
    expect(await daemon.stop()).toBe(0);
  });

  test.runIf(process.platform === 'linux')('a pid file of a process that has ended, but was not waited for, is replaced', async () => {
    using dir = tempDir();
    // The shell becomes a program that waits for no child.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 30'], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const zombie = Number(line.toString());
      while (!readFileSync(`/proc/${zombie}/stat`, 'latin1').includes(') Z ')) await new Promise((resolve) => setTimeout(resolve, 10));
      writeFileSync(dir.file('pid'), `${zombie}\n`);
      await using daemon = await program.start(['--pidfile', dir.file('pid')]);
      while (readFileSync(dir.file('pid'), 'utf8') !== `${daemon.pid}\n` && daemon.process.exitCode === null) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect(daemon.stderr()).toBe('');
      expect(await daemon.stop()).toBe(0);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  test('nobody reads its words any more: it goes on', async () => {
    using dir = tempDir();
    await using daemon = await program.start([
      '--chardev', 'stdio,id=s', '--monitor', 's', '--chardev', chardev(dir), '--monitor', 'm',
      '--chardev', `socket,id=c,path=${dir.file('none')},reconnect=9`,
    ]);
    daemon.process.stdout.destroy();
    daemon.process.stderr.destroy();
    daemon.process.stdin.write("{'execute':'qmp_capabilities'}");
    const client = await connectMonitor(dir.file('qmp'), daemon);
    await client.execute('query-version');
    expect(await daemon.stop()).toBe(0);
  });

  test('SIGINT while an option waits for a client', async () => {
    using dir = tempDir();
    await using daemon = await program.start(['--chardev', chardev(dir, 'server=on')]);
    while (!daemon.stderr().includes('waiting')) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await daemon.stop('SIGINT')).toBe(0);
    expect(existsSync(dir.file('qmp'))).toBe(false);
  });
});

const tools = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(tools.skip)(tools.title('with an image'), () => {
  test.skipIf(process.platform !== 'linux')('idle it takes at most 64 MiB', async () => {
    using dir = tempDir();
    await createImage(dir.file('x.qcow2'), 'qcow2', '10G');
    await using daemon = await program.start([
      '--blockdev', `driver=qcow2,node-name=disk,file.driver=file,file.filename=${dir.file('x.qcow2')}`,
      '--nbd-server', `addr.type=unix,addr.path=${dir.file('nbd')}`,
      '--export', 'nbd,id=e,node-name=disk,name=disk,writable=on',
      '--chardev', chardev(dir), '--monitor', 'm',
    ]);
    const client = await connectMonitor(dir.file('qmp'), daemon);
    await client.execute('query-named-block-nodes');
    const resident = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1];
    expect(Number(resident)).toBeLessThanOrEqual(64 * 1024);
  });

  test('SIGTERM under load: what was answered is in the image, and the image is clean', async () => {
    using dir = tempDir();
    await createImage(dir.file('x.qcow2'), 'qcow2', '64M');
    await using daemon = await program.start([
      '--blockdev', `driver=qcow2,node-name=disk,file.driver=file,file.filename=${dir.file('x.qcow2')}`,
      '--nbd-server', `addr.type=unix,addr.path=${dir.file('nbd')}`,
      '--export', 'nbd,id=e,node-name=disk,name=disk,writable=on',
      '--chardev', chardev(dir), '--monitor', 'm',
    ]);
    const client = await connectMonitor(dir.file('qmp'), daemon);
    const writes = Array.from({ length: 400 }, (_, n) => `write -P 7 ${n * 64}k 64k`);
    const load = qemuIo(nbdUri(dir.file('nbd'), 'disk'), writes);
    // As soon as the first write has arrived: the rest is under way.
    while ((await written(client)) === 0) await Promise.resolve();
    const code = await daemon.stop('SIGTERM');
    expect({ code, stderr: daemon.stderr() }).toEqual({ code: 0, stderr: '' });
    expect(client.messages).toMatchObject([{ event: 'SHUTDOWN' }, { event: 'BLOCK_EXPORT_DELETED' }]);
    const answered = (await load).stdout.match(/wrote 65536\/65536/g)?.length ?? 0;
    expect(answered).toBeGreaterThan(0);
    expect(existsSync(dir.file('nbd'))).toBe(false);
    expect((await qemuImg('check', dir.file('x.qcow2'))).code).toBe(0);
    expect(await qemuIo(dir.file('x.qcow2'), [`read -P 7 0 ${answered * 64}k`], { format: 'qcow2' })).toMatchObject({ code: 0 });
  });
});

async function written(client: TestClient): Promise<number> {
  const nodes = (await client.execute('query-blockstats', { 'query-nodes': true })) as { 'node-name': string; stats: { wr_highest_offset: number } }[];
  return nodes.find((node) => node['node-name'] === 'disk')?.stats.wr_highest_offset ?? 0;
}

/** Waits for a process that is not our child to end; kills it if it does not. */
async function gone(pid: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  process.kill(pid, 'SIGKILL');
  throw new Error(`process ${pid} did not end`);
}

