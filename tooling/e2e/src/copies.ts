// The three copies of a quorum: one in a file here, one on an NBD server, one on an SSH server. Each can be lost, and made anew elsewhere.
import { rmSync, writeFileSync } from 'node:fs';
import { descendants, qemuImg, startQemuNbd, startSshd, type QemuNbd, type Running, type Sshd, type TempDir } from '@blk/oracle';

export const CHILDREN = ['local', 'nbd', 'ssh'] as const;
export type Child = (typeof CHILDREN)[number];

/** A blank disk. */
export interface Spare {
  /** Of its node. */
  readonly definition: Definition;
  /** Its name. */
  readonly target: string;
  /** What it is in, here. */
  readonly file: string;
}

/** Of a node. */
export type Definition = Readonly<Record<string, unknown>>;

/** Errors of a disk that has died. */
const EIO = 5;
/** What a dead disk does no more: the moments of qcow2 that every request comes past. */
const FATAL = ['read_aio', 'write_aio', 'pwritev', 'pwritev_zero', 'flush_to_os', 'flush_to_disk'] as const;

export class Copies implements AsyncDisposable {
  readonly #spares: Running[] = [];
  #made = 0;
  readonly #frozen: number[] = [];

  private constructor(
    private readonly dir: TempDir,
    private sshd: Sshd,
    private nbd: Running,
  ) {}

  /** Starts the servers; all copies are `size` zeroes. */
  static async start(dir: TempDir, size: number): Promise<Copies> {
    const { code, stderr } = await qemuImg('create', '-q', '-f', 'qcow2', dir.file('local'), String(size));
    if (code !== 0) throw new Error(stderr);
    for (const name of ['nbd', 'ssh']) writeFileSync(dir.file(name), new Uint8Array(size));
    return new Copies(dir, await startSshd({ dir: dir.path, lifetime: LIFETIME }), await startNbd(dir, 'nbd'));
  }

  /** Who the daemon has to be to log in. */
  get env(): Readonly<Record<string, string | undefined>> {
    return { HOME: this.sshd.home, SSH_AUTH_SOCK: undefined };
  }

  /** The children of the quorum. `dies`: after so many writes the disk below the local one is dead. */
  definitions(dies?: number): Definition[] {
    const file = { driver: 'file', filename: this.dir.file('local') };
    return [
      { driver: 'qcow2', 'node-name': 'local', file: dies === undefined ? file : dying(file, dies) },
      this.#onNbd('nbd'),
      this.#onSsh('ssh', this.sshd.port),
    ];
  }

  /** A node over SSH alone, whose requests wait for a lost connection. */
  get patient(): Definition {
    return { ...this.#onSsh('ssh', this.sshd.port), 'reconnect-delay': 240 };
  }

  /** Ends a server as a power failure does, with all connections. */
  async kill(child: 'nbd' | 'ssh'): Promise<void> {
    const { process, pid, exited } = child === 'nbd' ? this.nbd : this.sshd;
    const served = child === 'ssh' ? descendants(pid) : [];
    process.kill('SIGKILL');
    for (const each of served) killIfThere(each);
    await exited;
  }

  /** Lets a server hang: it is there, and does nothing any more. Of SSH it is the part that reads and writes the file. */
  freeze(child: 'nbd' | 'ssh'): void {
    for (const pid of child === 'nbd' ? [this.nbd.pid] : this.sshd.sftpServers()) {
      process.kill(pid, 'SIGSTOP');
      this.#frozen.push(pid);
    }
  }

  /** Starts a server again that was killed, where it was. */
  async revive(child: 'nbd' | 'ssh'): Promise<void> {
    if (child === 'nbd') {
      rmSync(this.dir.file('nbd.sock'));
      this.nbd = await startNbd(this.dir, 'nbd');
    } else this.sshd = await startSshd({ dir: this.dir.path, port: this.sshd.port, lifetime: LIFETIME });
  }

  /** A blank disk elsewhere, of the same kind as the child. */
  async spare(child: Child, size: number): Promise<Spare> {
    const name = `spare${this.#made++}`;
    const file = this.dir.file(name);
    if (child === 'local') return { file, target: file, definition: { driver: 'file', 'node-name': name, filename: file } };
    writeFileSync(file, new Uint8Array(size));
    if (child === 'nbd') {
      const server = await startNbd(this.dir, name);
      this.#spares.push(server);
      return { file, target: server.uri, definition: this.#onNbd(name) };
    }
    const server = await startSshd({ dir: this.dir.path, lifetime: LIFETIME });
    this.#spares.push(server);
    return { file, target: `ssh://${server.user}@127.0.0.1:${server.port}${file}`, definition: this.#onSsh(name, server.port) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Those of SSH do not end with their server.
    for (const pid of this.#frozen) killIfThere(pid);
    for (const { exited, process } of [this.nbd, this.sshd, ...this.#spares]) {
      process.kill('SIGKILL');
      await exited;
    }
  }

  #onNbd(name: string): Definition {
    return { driver: 'nbd', 'node-name': name, server: { type: 'unix', path: this.dir.file(`${name}.sock`) } };
  }

  #onSsh(name: string, port: number): Definition {
    return { driver: 'ssh', 'node-name': name, server: { host: '127.0.0.1', port: String(port) }, user: this.sshd.user, path: this.dir.file(name) };
  }
}

/** Milliseconds; longer than the test may take. */
const LIFETIME = 300_000;

function startNbd(dir: TempDir, name: string): Promise<QemuNbd> {
  return startQemuNbd({ file: dir.file(name), socket: dir.file(`${name}.sock`), lifetime: LIFETIME });
}

/** `image` until so many writes were begun; then nothing works any more. */
function dying(image: Definition, writes: number): Definition {
  const steps = Array.from({ length: writes }, (_, step) => ({ event: 'write_aio', state: step + 1, new_state: step + 2 }));
  const dead = FATAL.map((event) => ({ event, state: writes + 1, errno: EIO }));
  return { driver: 'blkdebug', image, 'set-state': steps, 'inject-error': dead };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended with its parent.
  }
}
