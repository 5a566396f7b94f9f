/** An open file on a server, on one connection: requests of SFTP as promises, cut into pieces that every server takes. */
import type { SFTPWrapper, Stats } from 'ssh2';
import { BlockError } from '@blk/core-graph';
import type { Connection } from './connection.js';
import { refused } from './errors.js';

/** Bytes that every server takes and gives in one request (draft-ietf-secsh-filexfer-02, section 3). */
export const PIECE = 32_768;

/** Bits of a file's mode that say what it is, and the two kinds that can hold an image. */
const KIND = 0o170_000;
const REGULAR = 0o100_000;
const BLOCK_DEVICE = 0o060_000;

export type HowToOpen = 'r' | 'r+' | 'w';

export interface RemoteStatus {
  readonly size: number;
  /** Seconds. */
  readonly modified: number;
}

export class RemoteFile {
  readonly #sftp: SFTPWrapper;

  private constructor(
    readonly connection: Connection,
    private readonly handle: Buffer,
    readonly path: string,
  ) {
    this.#sftp = connection.sftp;
  }

  static async open(connection: Connection, path: string, how: HowToOpen): Promise<RemoteFile> {
    const handle = await connection
      .request<Buffer>((done) => { connection.sftp.open(path, how, 0o644, done); })
      .catch((error: unknown) => { throw refused(`failed to open remote file '${path}'`, error); });
    return new RemoteFile(connection, handle, path);
  }

  /** Whether the server can put what was written on stable storage. */
  get canSync(): boolean {
    return (this.#sftp as unknown as { _extensions?: Record<string, string> })._extensions?.['fsync@openssh.com'] === '1';
  }

  async status(): Promise<RemoteStatus> {
    const { size, mode, mtime } = await this.#asked<Stats>('read the attributes of', (done) => { this.#sftp.fstat(this.handle, done); });
    const kind = (mode as number | undefined) === undefined ? 0 : mode & KIND;
    if (kind !== 0 && kind !== REGULAR && kind !== BLOCK_DEVICE) {
      throw new BlockError('invalid-argument', `'ssh' driver requires '${this.path}' to be a regular file`, { driver: 'ssh' });
    }
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new BlockError('too-large', `The size of remote file '${this.path}' is not known, or beyond 2^53 bytes`, { driver: 'ssh' });
    }
    return { size, modified: mtime };
  }

  /** Fills a piece of a buffer, in as many requests as the server's short answers make necessary. */
  async readPiece(offset: number, buffer: Buffer, start: number, length: number): Promise<void> {
    while (length > 0) {
      const got = await this.#asked<number>('read from', (done) => { this.#sftp.read(this.handle, buffer, start, length, offset, done); });
      if (!(got > 0)) {
        throw new BlockError('io', `Remote file '${this.path}' ends at ${offset}: it became shorter`, { driver: 'ssh', offset });
      }
      offset += got;
      start += got;
      length -= got;
    }
  }

  writePiece(offset: number, buffer: Buffer, start: number, length: number): Promise<unknown> {
    return this.#asked('write to', (done) => { this.#sftp.write(this.handle, buffer, start, length, offset, done as (error?: Error | null) => void); });
  }

  /** Only where `canSync`. */
  sync(): Promise<unknown> {
    return this.#asked('sync', (done) => { this.#sftp.ext_openssh_fsync(this.handle, done); });
  }

  /** Sets the length, and looks whether it was set: servers have been seen to say yes and do nothing. */
  async resize(size: number): Promise<void> {
    await this.#asked('resize', (done) => { this.#sftp.fsetstat(this.handle, { size }, done as (error?: Error | null) => void); });
    const { size: now } = await this.status();
    if (now !== size) throw new BlockError('unsupported', `The server did not resize remote file '${this.path}'`, { driver: 'ssh' });
  }

  async close(): Promise<void> {
    await this.#asked('close', (done) => { this.#sftp.close(this.handle, done as (error?: Error | null) => void); });
  }

  #asked<T>(what: string, issue: (done: (error: Error | null | undefined, value: T) => void) => void): Promise<T> {
    return this.connection.request(issue).catch((error: unknown) => { throw refused(`failed to ${what} remote file '${this.path}'`, error); });
  }
}
