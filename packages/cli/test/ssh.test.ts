// Images on an SSH server, beside the reference with its own SSH driver: the same answers, and the same bytes.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { qemuImg, qemuIo, run, skipUnless, startSshAgent, startSshd, tempDir, type SshAgent, type Sshd, type TempDir } from '@blk/oracle';
import { ours, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io', 'block-ssh.so', 'sshd', 'ssh-keygen', 'ssh-agent', 'ssh-add');

describe.skipIf(needs.skip)(needs.title('images on an SSH server'), () => {
  let dir: TempDir;
  let server: Sshd;
  let agent: SshAgent;
  beforeAll(async () => {
    dir = tempDir();
    server = await startSshd({ dir: dir.path });
    agent = await startSshAgent({ dir: dir.path, key: join(server.home, '.ssh/id_ed25519') });
    vi.stubEnv('SSH_AUTH_SOCK', agent.socket);
    await qemuImg('create', '-q', '-f', 'qcow2', dir.file('disk.qcow2'), '8M');
    await qemuIo(dir.file('disk.qcow2'), ['write -q -P 7 1M 3M', 'write -q -P 9 5M 64k'], { format: 'qcow2' });
    await qemuImg('convert', '-O', 'raw', dir.file('disk.qcow2'), dir.file('disk.raw'));
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await agent.stop();
    await server.stop();
    dir[Symbol.dispose]();
  });

  const uri = (name: string, query = '?host_key_check=no'): string => `ssh://${server.user}@127.0.0.1:${server.port}${dir.file(name)}${query}`;
  /** The reference over the same server; it names its library's error beside the protocol's. */
  const theirs = async (words: readonly string[]): Promise<Ran> => {
    const { code, stdout, stderr } = await run('qemu-img', words, { env: { SSH_AUTH_SOCK: agent.socket } });
    return { code, stdout, stderr: stderr.replaceAll('libssh error code: 1, ', '') };
  };

  const json = (members: object): string => `json:${JSON.stringify({ driver: 'raw', file: { driver: 'ssh', ...members } })}`;
  const here = (): object => ({ server: { host: '127.0.0.1', port: String(server.port) }, user: server.user, path: dir.file('disk.raw') });

  test.each<readonly [string, () => string]>([
    ['a raw image', () => uri('disk.raw')],
    ['a qcow2 image', () => uri('disk.qcow2')],
    ['options', () => json({ ...here(), 'host-key-check': { mode: 'none' } })],
    ['older options', () => json({ host: '127.0.0.1', port: server.port, user: server.user, path: dir.file('disk.raw'), host_key_check: 'no' })],
    ['a file that is not there', () => uri('none')],
    ['a wrong fingerprint', () => uri('disk.raw', '?host_key_check=md5:00')],
    ['a wrong fingerprint as an option', () => json({ ...here(), 'host-key-check': { mode: 'hash', type: 'sha256', hash: '00:11' } })],
    ['an unknown kind of fingerprint', () => uri('disk.raw', '?host_key_check=md4:00')],
    ['a check that there is not', () => json({ ...here(), 'host-key-check': { mode: 'foo' } })],
    ['a hash without a fingerprint', () => json({ ...here(), 'host-key-check': { mode: 'hash', type: 'md5' } })],
    ['no path', () => `ssh://127.0.0.1:${server.port}`],
    ['no host', () => 'ssh:///x'],
    ['no server', () => json({ path: '/x' })],
    ['a port without a host', () => json({ port: '22', path: '/x' })],
    ['a port that is none', () => json({ host: '127.0.0.1', port: 'abc', path: '/x' })],
    ['nobody there', () => 'ssh://127.0.0.1:1/x'],
    ['a user who may not', () => uri('disk.raw').replace(/^ssh:\/\/[^@]+/, 'ssh://nobody')],
  ])('info says the same of %s', async (_title, name) => {
    const words = ['info', name()];
    expect(await ours(words)).toEqual(await theirs(words));
  });

  test('a fingerprint that fits is enough', async () => {
    const [, base64 = ''] = server.hostKeys[0]?.split(' ') ?? [];
    const { createHash } = await import('node:crypto');
    const fingerprint = createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex').toUpperCase();
    const words = ['info', uri('disk.raw', `?host_key_check=sha256:${fingerprint}`)];
    expect(await ours(words)).toMatchObject({ code: 0, stderr: '' });
    expect(await ours(words)).toEqual(await theirs(words));
  });

  test('is made, written to, and read by both', async () => {
    for (const [name, format] of [['made.raw', 'raw'], ['made.qcow2', 'qcow2']] as const) {
      const words = ['create', '-f', format, uri(name), '8M'];
      const made = await ours(words);
      expect(made).toEqual(await theirs(words));
      expect(await ours(words)).toEqual(made);
      expect(await ours(['convert', '-n', '-O', format, dir.file('disk.qcow2'), uri(name)])).toMatchObject({ code: 0, stderr: '' });
      expect((await theirs(['compare', uri(name), dir.file('disk.raw')])).stdout).toBe('Images are identical.\n');
      if (format === 'qcow2') expect((await theirs(['check', uri(name)])).code).toBe(0);
      expect((await theirs(['convert', '-O', format, uri('disk.qcow2'), uri(`theirs-${name}`)])).code).toBe(0);
      expect((await ours(['compare', uri(`theirs-${name}`), dir.file('disk.raw')])).stdout).toBe('Images are identical.\n');
    }
    expect(await ours(['convert', '-O', 'raw', uri('made.qcow2'), dir.file('back.raw')])).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(dir.file('back.raw')).equals(readFileSync(dir.file('disk.raw')))).toBe(true);
  });

  test('is resized; a creation that fails leaves nothing behind', async () => {
    await ours(['create', '-q', '-f', 'raw', uri('sized.raw'), '1M']);
    expect(await ours(['resize', '-f', 'raw', uri('sized.raw'), '2M'])).toEqual({ code: 0, stdout: 'Image resized.\n', stderr: '' });
    expect(await ours(['resize', '-f', 'raw', '--shrink', uri('sized.raw'), '1M'])).toMatchObject({ code: 0 });
    expect(statSync(dir.file('sized.raw')).size).toBe(1024 * 1024);
    const words = ['create', '-f', 'raw', uri('nowhere/x'), '1M'];
    expect(await ours(words)).toEqual(await theirs(words));
    expect((await ours(['create', '-f', 'raw', '-o', 'preallocation=full', uri('x.raw'), '1M'])).code).toBe(1);
    expect(existsSync(dir.file('x.raw'))).toBe(false);
  });

  test.each(['monolithicFlat', 'twoGbMaxExtentSparse'])('in several files is made under names that hold good elsewhere (%s)', async (subformat) => {
    for (const name of [`${subformat}.vmdk`, subformat]) {
      expect(await ours(['convert', '-O', 'vmdk', '-o', `subformat=${subformat}`, uri('disk.qcow2'), uri(name)])).toMatchObject({ code: 0, stderr: '' });
      const { stdout } = await qemuImg('compare', '-f', 'vmdk', '-F', 'raw', dir.file(name), dir.file('disk.raw'));
      expect(stdout).toBe('Images are identical.\n');
    }
  });
});
