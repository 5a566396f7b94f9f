// OpenSSH's server on a loopback port of its own, with host keys, users' keys and an agent that exist only for the test.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { descendants } from './descendants.js';
import { freePort } from './ports.js';
import { run } from './run.js';
import { start, waitForSocket, type Running, type StartOptions } from './start.js';
import { needTool } from './tools.js';

/** How the server behaves. */
export interface SshdOptions extends StartOptions {
  /** A temporary folder, for keys and configuration; those of an earlier server there are used again. */
  readonly dir: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Arguments of its SFTP server, such as `-P fsync`, which leaves that request out. */
  readonly sftp?: string;
}

/** A server that listens. Whoever has `home` can log in as `user`, and knows the server. */
export interface Sshd extends Running {
  readonly port: number;
  readonly user: string;
  /** A folder with `.ssh`: the private key `id_ed25519`, and `known_hosts`. */
  readonly home: string;
  /** Type and base64 of its host keys, as public key files have them; ed25519 first. */
  readonly hostKeys: readonly string[];
  /** The processes that read and write files for those who are connected. */
  sftpServers(): number[];
}

/** Starts a server and waits until it greets. */
export async function startSshd({ dir, sftp = '', ...options }: SshdOptions): Promise<Sshd> {
  const hostKeys = [await keyPair(join(dir, 'host_ed25519'), 'ed25519'), await keyPair(join(dir, 'host_ecdsa'), 'ecdsa')];
  const home = join(dir, 'home');
  mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, 'authorized_keys'), `${await keyPair(join(home, '.ssh/id_ed25519'), 'ed25519')}\n`, { mode: 0o600 });
  // Where root's server keeps its unprivileged half; other users' servers need none.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const port = options.port ?? (await freePort());
  writeFileSync(join(home, '.ssh/known_hosts'), hostKeys.map((key) => `[127.0.0.1]:${port} ${key}\n`).join(''));
  const config = [
    `Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${join(dir, 'host_ed25519')}`, `HostKey ${join(dir, 'host_ecdsa')}`,
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`, 'PidFile none', 'UsePAM no', 'StrictModes no', 'PasswordAuthentication no',
    'KbdInteractiveAuthentication no', 'PermitRootLogin prohibit-password', 'MaxStartups 100', `Subsystem sftp internal-sftp ${sftp}`,
  ];
  writeFileSync(join(dir, 'sshd_config'), `${config.join('\n')}\n`);
  const server = await start(needTool('sshd'), ['-D', '-e', '-f', join(dir, 'sshd_config')], options);
  await waitForSocket(port, server, { greeting: true });
  // Each hangs below one process for its connection, or two, and has none below it.
  const sftpServers = (): number[] => descendants(server.pid).filter((pid) => descendants(pid).length === 0);
  return { ...server, port, user: userInfo().username, home, hostKeys, sftpServers };
}

/** An agent that holds keys. */
export interface SshAgent extends Running {
  /** What `SSH_AUTH_SOCK` is to be. */
  readonly socket: string;
}

/** Starts an agent with one private key in it. */
export async function startSshAgent({ dir, key, ...options }: StartOptions & { readonly dir: string; readonly key: string }): Promise<SshAgent> {
  const socket = join(dir, 'agent');
  const agent = await start(needTool('ssh-agent'), ['-D', '-a', socket], options);
  await waitForSocket(socket, agent);
  const { code, stderr } = await run(needTool('ssh-add'), ['-q', key], { env: { SSH_AUTH_SOCK: socket } });
  if (code !== 0) throw new Error(`ssh-add: ${stderr}`);
  return { ...agent, socket };
}

/** Makes a pair unless it is there: the type and base64 of the public key. */
async function keyPair(path: string, type: 'ed25519' | 'ecdsa'): Promise<string> {
  if (!existsSync(path)) {
    const { code, stderr } = await run(needTool('ssh-keygen'), ['-q', '-t', type, '-N', '', '-C', '', '-f', path]);
    if (code !== 0) throw new Error(`ssh-keygen: ${stderr}`);
  }
  return readFileSync(`${path}.pub`, 'utf8').trim();
}
