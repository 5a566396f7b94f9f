/**
 * The file behind an image, and what becomes of requests when its connection is lost: with a reconnect delay they wait for
 * another and are made again; without one they fail, and the next request finds out whether the server is back.
 */
import { BlockError, wait, type Host } from '@blk/core-graph';
import type { Connection } from './connection.js';
import { RemoteFile, type HowToOpen, type RemoteStatus } from './remote-file.js';

export interface SessionSettings {
  /** Makes a connection. */
  connect(signal: AbortSignal | undefined): Promise<Connection>;
  readonly path: string;
  readonly how: HowToOpen;
  /** Milliseconds for opening the file on a connection that was made. */
  readonly openTimeout: number;
  /** Milliseconds that requests wait for a lost connection; 0: they fail at once. */
  readonly reconnectDelay: number;
  readonly host: Host;
}

/** Milliseconds between two attempts to connect: at first, and at most. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;
/** Connections that one request may lose: what ends the server every time would be asked of it for ever. */
const MOST_LOST = 5;

export class Session {
  /** The file as the server last told it; the image keeps its size up to date. */
  status: RemoteStatus;
  #file: RemoteFile | undefined;
  #connecting: Promise<RemoteFile> | undefined;
  /** Until the next attempt; one for all requests that wait. */
  #resting: Promise<void> | undefined;
  /** Set while the length is being changed: the smallest that it can be. */
  #resizingFrom: number | undefined;
  /** In nanoseconds. */
  #lostAt = 0;
  #nextAttempt = 0;
  #pause = FIRST_PAUSE;
  #failure: BlockError | undefined;
  /** Something was written that no flush has confirmed; and such was lost sight of with a connection. */
  #unflushed = false;
  #doubtful = false;
  /** The server could not store something. It forgets that, so it is remembered here. */
  #syncFailure: unknown;
  /** End of the furthest write that may have been made without being confirmed. */
  #submitted: number;
  readonly #stop = new AbortController();

  private constructor(
    private readonly settings: SessionSettings,
    file: RemoteFile,
    status: RemoteStatus,
  ) {
    this.status = status;
    this.#submitted = status.size;
    this.#use(file);
  }

  static async open(settings: SessionSettings, signal: AbortSignal | undefined): Promise<Session> {
    const { file, status } = await opened(settings, signal);
    return new Session(settings, file, status);
  }

  /** Whether flushes can be confirmed. */
  get canSync(): boolean {
    return this.#file?.canSync ?? true;
  }

  /** Runs a request, which must be one that may be made twice. */
  async run<T>(request: (file: RemoteFile) => Promise<T>): Promise<T> {
    for (let lost = 1; ; lost++) {
      const file = this.#file ?? (await this.#reconnected());
      try {
        return await request(file);
      } catch (error) {
        // The server's own word is the last one; a lost connection says nothing of what became of the request.
        if (file.connection.failure === undefined || this.#failure !== undefined || this.#msLeft <= 0 || lost === MOST_LOST) throw error;
      }
    }
  }

  /** To be told of every write before it is made. */
  writing(end: number): void {
    if (end > this.#submitted) this.#submitted = end;
  }

  /** To be told of every write that was confirmed. */
  wrote(end: number): void {
    this.#unflushed = true;
    if (end > this.status.size) this.status = { ...this.status, size: end };
  }

  /** Changes the length of the file. */
  async resize(size: number): Promise<void> {
    const from = Math.min(size, this.status.size);
    this.#submitted = Math.max(size, this.#submitted);
    // Made a second time, it must find a length that lies on the way.
    this.#resizingFrom = from;
    await this.run((file) => file.resize(size)).finally(() => { this.#resizingFrom = undefined; });
    this.#unflushed = true;
    this.#submitted = size;
    this.status = { ...this.status, size };
  }

  /**
   * Confirms what was written. What was confirmed to be written before a connection was lost may have been lost with the
   * server's memory: one flush fails for that.
   */
  async flush(): Promise<void> {
    if (this.#syncFailure !== undefined) throw this.#syncFailure as Error;
    await this.run(async (file) => {
      if (!file.canSync) return;
      const before = this.#unflushed;
      this.#unflushed = false;
      try {
        await file.sync();
      } catch (error) {
        if (file.connection.failure === undefined) this.#syncFailure = error;
        else this.#doubtful ||= before;
        throw error;
      }
    });
    if (!this.#doubtful) return;
    this.#doubtful = false;
    throw new BlockError('io', `Writes to '${this.settings.path}' may not have reached the disk: the connection was lost before they were flushed`, { driver: 'ssh' });
  }

  async close(): Promise<void> {
    this.#failure = new BlockError('closed', 'The image was closed', { driver: 'ssh' });
    this.#stop.abort();
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    file.connection.onEnd = undefined;
    // A server that does not answer any more is not waited for.
    const cancel = this.settings.host.timer(CLOSE_PATIENCE, () => { file.connection.close(); });
    await file.close().catch(() => undefined);
    cancel();
    file.connection.close();
  }

  get #msLeft(): number {
    return this.settings.reconnectDelay - (this.settings.host.now() - this.#lostAt) / 1e6;
  }

  #use(file: RemoteFile): void {
    this.#file = file;
    this.#pause = FIRST_PAUSE;
    file.connection.onEnd = () => {
      this.#file = undefined;
      this.#lostAt = this.settings.host.now();
      this.#nextAttempt = this.#lostAt;
      this.#doubtful ||= this.#unflushed;
      this.#unflushed = false;
    };
    if (file.connection.failure !== undefined) file.connection.onEnd();
  }

  /** One attempt at a time, shared by all who wait; they wait for another as long as the delay allows. */
  async #reconnected(): Promise<RemoteFile> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const { host } = this.settings;
      const early = (this.#nextAttempt - host.now()) / 1e6;
      if (early > 0 && this.#connecting === undefined) {
        if (this.#msLeft <= early) throw new BlockError('io', 'The connection to the server is lost', { driver: 'ssh', reason: 'ssh/lost' });
        this.#resting ??= wait(host, early, this.#stop.signal).finally(() => { this.#resting = undefined; });
        await this.#resting;
        if (this.#file !== undefined) return this.#file;
        continue;
      }
      this.#connecting ??= this.#connect().finally(() => { this.#connecting = undefined; });
      try {
        return await this.#connecting;
      } catch (error) {
        if (this.#msLeft <= 0) throw error;
      }
    }
  }

  async #connect(): Promise<RemoteFile> {
    const { host } = this.settings;
    let file: RemoteFile | undefined;
    try {
      const found = await opened(this.settings, this.#stop.signal);
      file = found.file;
      this.#checkSame(found.status);
      this.status = found.status;
      if (this.#failure !== undefined) throw this.#failure;
      this.#use(file);
      return file;
    } catch (error) {
      file?.connection.close();
      this.#nextAttempt = host.now() + this.#pause * 1e6;
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
      throw error;
    }
  }

  /** Another file in the same place must not be taken for this one. */
  #checkSame({ size, modified }: RemoteStatus): void {
    const { how, path } = this.settings;
    const least = this.#resizingFrom ?? this.status.size;
    const same = how === 'r' ? size === least && modified === this.status.modified : size >= least && size <= this.#submitted;
    if (same) return;
    this.#failure = new BlockError('io', `Remote file '${path}' was changed by somebody else while the connection was lost`, { driver: 'ssh', reason: 'ssh/changed' });
    throw this.#failure;
  }
}

/** The file on a connection of its own. */
async function opened(settings: SessionSettings, signal: AbortSignal | undefined): Promise<{ readonly file: RemoteFile; readonly status: RemoteStatus }> {
  const { path, how, openTimeout, host } = settings;
  const connection = await settings.connect(signal);
  return connection.within(openTimeout, host, signal, async () => {
    const file = await RemoteFile.open(connection, path, how);
    return { file, status: await file.status() };
  });
}

/** Milliseconds that closing waits for the server. */
const CLOSE_PATIENCE = 2000;
