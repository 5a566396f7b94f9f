// Who may connect to a monitor, by what the kernel knows of the client.
import { chmodSync } from 'node:fs';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { run, tempDir, until } from '@blk/oracle';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { runDaemon } from '../src/index.js';
import { drivers, sink, TestClient, testServer } from './support.js';

const uid = process.getuid?.() ?? -1;
const gid = process.getgid?.() ?? -1;
/** A user that nobody is. */
const OTHER = 60_123;

/** A client that says what it was greeted with, which is nothing if it was turned away. */
const CLIENT = `const s = require('node:net').connect(process.argv[1]); s.on('data', (d) => { process.stdout.write(d); s.destroy(); }); s.on('error', () => {});`;

beforeEach(() => {
  vi.doUnmock('koffi');
});

describe.skipIf(process.platform !== 'linux')('a listener that knows its clients', () => {
  test('serves its own user by number of user or of group, and turns others away with a word in the log', async () => {
    using dir = tempDir();
    await using server = await testServer();
    await server.listen({ path: dir.file('user') }, { peers: { uids: [OTHER, uid] } });
    await server.listen({ path: dir.file('group') }, { peers: { gids: [gid] } });
    await server.listen({ path: dir.file('others') }, { peers: { uids: [OTHER], gids: [OTHER] }, name: 'admin' });
    for (const name of ['user', 'group']) {
      const client = await new TestClient(connect(dir.file(name))).negotiate();
      expect(await client.execute('query-block')).toEqual([]);
    }
    const refused = new TestClient(connect(dir.file('others')));
    await refused.end();
    expect(refused.text).toBe('');
    expect(server.lines).toEqual([`admin: client turned away: process ${process.pid} of user ${uid}, group ${gid} is not allowed`]);
    expect(server.monitors.size).toBe(2);
  });

  test.skipIf(uid !== 0)('tells processes of other users from its own', async () => {
    using dir = tempDir();
    chmodSync(dir.path, 0o755);
    await using server = await testServer();
    await server.listen({ path: dir.file('own'), mode: 0o777 }, { peers: { uids: [0] } });
    await server.listen({ path: dir.file('theirs'), mode: 0o777 }, { peers: { uids: [OTHER] } });
    const as = (user: number, socket: string): Promise<string> =>
      run(process.execPath, ['-e', `process.setgid(${user}); process.setuid(${user}); ${CLIENT}`, dir.file(socket)]).then(({ stdout }) => stdout);
    expect(await as(OTHER, 'own')).toBe('');
    expect(await as(OTHER, 'theirs')).toContain('"QMP"');
    expect(await as(0, 'own')).toContain('"QMP"');
    expect(await as(0, 'theirs')).toBe('');
  });

  test('listens to nobody where it can’t tell who is there', async () => {
    using dir = tempDir();
    await using server = await testServer();
    await expect(server.listen({ host: '127.0.0.1', port: 0 }, { peers: { uids: [uid] } })).rejects.toThrow('can only be checked on a unix socket');
    vi.doMock('koffi', () => { throw new Error('not installed'); });
    await expect(server.listen({ path: dir.file('qmp') }, { peers: { uids: [uid] } })).rejects.toThrow('with the package koffi installed');
  });
});

describe.skipIf(process.platform !== 'linux')('a character device', () => {
  async function start(chardev: string): Promise<{ code: Promise<number>; text: () => string; stop: () => void }> {
    const stop = new AbortController();
    const stderr = sink();
    const code = runDaemon(['--chardev', chardev, '--monitor', 'chardev=c'], { program: 'd', drivers, stdin: new PassThrough(), stdout: sink(), stderr, signal: stop.signal });
    return { code, text: () => stderr.written, stop: () => { stop.abort(); } };
  }

  test('takes allow-uid and allow-gid', async () => {
    using dir = tempDir();
    const daemon = await start(`socket,id=c,path=${dir.file('qmp')},server=on,wait=off,allow-uid=${OTHER}:${uid}`);
    await until(() => new Promise((resolve) => connect(dir.file('qmp')).on('error', () => { resolve(false); }).on('connect', () => { resolve(true); })));
    const client = await new TestClient(connect(dir.file('qmp'))).negotiate();
    expect(await client.execute('query-block')).toEqual([]);
    daemon.stop();
    expect(await daemon.code).toBe(0);
  });

  test.each([
    ['path=/nowhere/qmp,server=on,allow-uid=root', "Parameter 'allow-uid' expects numbers with colons between"],
    ['host=127.0.0.1,port=0,server=on,allow-gid=0', 'The credentials of a client can only be checked on a unix socket'],
    ['path=/nowhere/qmp,allow-uid=0', "'allow-uid' and 'allow-gid' are for a socket that listens"],
  ])('refuses %s', async (options, message) => {
    const daemon = await start(`socket,id=c,${options}`);
    expect(await daemon.code).toBe(1);
    expect(daemon.text()).toContain(message);
  });
});
