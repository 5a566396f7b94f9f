/** One connection to a server, with an SFTP session on it: made, used, and given up. */
import ssh2, { type Client as SshClient, type ServerHostKeyAlgorithm, type SFTPWrapper } from 'ssh2';
import { BlockError, platformHost, systemError, type Clock } from '@blk/core-graph';
import { StallWatch, timeLimit } from '@blk/remote';
import type { SshAddress } from './address.js';
import { lost, printable, silent } from './errors.js';
import { refusalOf } from './host-key.js';
import type { KnownKey } from './known-hosts.js';
import { loginOf, loginRefused, type Login } from './login.js';
import type { Surroundings } from './surroundings.js';

const { Client } = ssh2;

/** Milliseconds until a server that does not answer is given up, while connecting and while opening a file, unless an option says so. */
export const CONNECT_TIMEOUT = 20_000;
/** Milliseconds between two signs of life that are asked for, and how many may be missing. */
const ALIVE_INTERVAL = 10_000;
const ALIVE_MISSES = 3;

export interface ConnectionOptions {
  /** Milliseconds for connecting, and as many for starting SFTP. */
  readonly timeout?: number;
  /** Milliseconds that requests may be under way without an answer to any; a quarter more may pass. 0: no limit. */
  readonly stallTimeout?: number;
  readonly clock?: Pick<Clock, 'timer'>;
}

type Issue<T> = (done: (error: Error | null | undefined, value: T) => void) => void;

export class Connection {
  /** Set once the connection is gone. */
  failure: BlockError | undefined;
  /** Called when that happens. */
  onEnd: (() => void) | undefined;
  readonly #client: SshClient;
  readonly #pending = new Set<(error: BlockError) => void>();
  readonly #watch: StallWatch | undefined;

  private constructor(
    client: SshClient,
    readonly sftp: SFTPWrapper,
    readonly place: string,
    { stallTimeout: limit = 0, clock = platformHost }: ConnectionOptions,
  ) {
    this.#client = client;
    if (limit > 0) this.#watch = this.#watched(limit, clock);
    const end = (error?: unknown): void => { this.#end(lost(place, error)); };
    // An end is told in several ways, and an error before it; the first counts.
    client.on('error', end).on('close', () => { end(); });
    sftp.on('error', end).on('close', () => { end(); }).on('end', () => { end(); });
  }

  /** Connects, checks the server's key, logs in, and starts SFTP. */
  static async open(address: SshAddress, surroundings: Surroundings, signal: AbortSignal | undefined, options: ConnectionOptions = {}): Promise<Connection> {
    signal?.throwIfAborted();
    const { timeout = CONNECT_TIMEOUT, clock = platformHost } = options;
    const { host, port, check, user = surroundings.user } = address;
    const known = check.mode === 'known_hosts' ? await surroundings.knownKeys(host, port) : [];
    const login = await loginOf(user, surroundings);
    const place = placeOf(address);
    const client = new Client();
    try {
      const sftp = await connected(client, address, { known, login, user, timeout, clock, signal });
      return new Connection(client, sftp, place, options);
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  /**
   * Issues one request. Rejects with the server's error as it came, or with `failure` when the connection goes first.
   * The library forgets requests that are made when the channel has gone, so the end is watched here.
   */
  request<T>(issue: Issue<T>): Promise<T> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise<T>((resolve, reject) => {
      if (this.#pending.size === 0) this.#watch?.begin();
      this.#pending.add(reject);
      issue((error, value) => {
        // Answers that were cut off by the end come as errors without a status, before the end is told.
        if (error != null && (error as { code?: unknown }).code === undefined) {
          this.#end(lost(this.place, error));
          return;
        }
        this.#pending.delete(reject);
        this.#watch?.answered();
        if (error != null) reject(error);
        else resolve(value);
      });
    });
  }

  /** Runs what has to be done within `ms` milliseconds; where it is not, where it fails, and where `signal` fires, the connection ends. */
  async within<T>(ms: number, clock: Pick<Clock, 'timer'>, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const cancel = timeLimit(clock, ms, () => { this.#end(silent(this.place, ms)); });
    const abort = (): void => { this.#end(new BlockError('aborted', 'Opening was called off', { driver: 'ssh' }, signal?.reason)); };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    try {
      return await work();
    } catch (error) {
      this.close();
      throw error;
    } finally {
      cancel();
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Lets go of the connection; what is under way fails. */
  close(): void {
    this.onEnd = undefined;
    this.#end(new BlockError('closed', 'The connection was closed', { driver: 'ssh' }));
  }

  /**
   * The server itself is asked for signs of life by the library; what reads and writes the file is another process there, which may
   * hang by itself. What comes from that one counts, the parts of answers too: the library hands them in by `push`.
   */
  #watched(limit: number, clock: Pick<Clock, 'timer'>): StallWatch {
    const watch = new StallWatch({ clock, limit, busy: () => this.#pending.size > 0, stalled: () => { this.#end(silent(this.place, limit)); } });
    const channel = this.sftp as unknown as { push(data: Buffer | null): unknown };
    const push = channel.push.bind(channel);
    channel.push = (data) => {
      if (data !== null) watch.moved(data.length);
      return push(data);
    };
    return watch;
  }

  #end(error: BlockError): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.#watch?.stop();
    this.#client.end();
    // Nothing that arrives now may reach a buffer: those belong to the callers again.
    this.#client.destroy();
    for (const reject of this.#pending) reject(error);
    this.#pending.clear();
    this.onEnd?.();
  }
}

export function placeOf({ host, port }: SshAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

interface Meeting {
  readonly known: readonly KnownKey[];
  readonly login: Login;
  readonly user: string;
  readonly timeout: number;
  readonly clock: Pick<Clock, 'timer'>;
  readonly signal: AbortSignal | undefined;
}

/** The way from nothing to an SFTP session, as one promise. */
function connected(client: SshClient, address: SshAddress, { known, login, user, timeout, clock, signal }: Meeting): Promise<SFTPWrapper> {
  const { host, port, check } = address;
  const place = placeOf(address);
  let inTime = (): void => undefined;
  let abort = (): void => undefined;
  return new Promise<SFTPWrapper>((resolve, reject) => {
    let refusal: BlockError | undefined;
    const fail = (error: unknown): void => {
      // An agent that is not there is no reason to give up: there are other keys.
      if ((error as { level?: string }).level !== 'agent') reject(refusal ?? connectError(error, place, login));
    };
    const limit = (): void => {
      inTime();
      inTime = timeLimit(clock, timeout, () => { fail({ level: 'client-timeout' }); });
    };
    abort = (): void => { reject(signal?.reason instanceof Error ? signal.reason : new BlockError('aborted', 'Connecting was called off')); };
    const methods = [...login.methods];
    if (signal?.aborted === true) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    client.on('error', fail);
    client.on('close', () => { fail(new Error('closed by the server')); });
    client.on('ready', () => {
      // The library waits for ever for a server that lets us in and then says nothing.
      limit();
      client.sftp((error, sftp) => {
        if (error === undefined) resolve(sftp);
        else reject(new BlockError('unsupported', `failed to initialize sftp session on ${place}: ${printable(error.message)}`, { driver: 'ssh' }, error));
      });
    });
    limit();
    client.connect({
      host, port, username: user,
      readyTimeout: 0, keepaliveInterval: ALIVE_INTERVAL, keepaliveCountMax: ALIVE_MISSES,
      algorithms: { serverHostKey: keyAlgorithms(known) },
      hostVerifier: (key: Buffer) => {
        refusal = refusalOf(key, check, known, place);
        return refusal === undefined;
      },
      // The library takes `false` for "no more"; its types do not know it.
      authHandler: (_left, _partial, next) => { (next as (method: unknown) => void)(methods.shift() ?? false); },
    });
    // A small request must not wait until the one before it is acknowledged: that takes 40 ms.
    client.setNoDelay(true);
  }).finally(() => {
    inTime();
    signal?.removeEventListener('abort', abort);
  });
}

/** A server has several keys: the one that is known is asked for first. */
function keyAlgorithms(known: readonly KnownKey[]): ServerHostKeyAlgorithm[] {
  const types = known.filter(({ revoked }) => !revoked).map(({ type }) => type);
  const first = Object.keys(ALGORITHMS).filter((type) => types.includes(type));
  return [...new Set([...first, ...Object.keys(ALGORITHMS)])].flatMap((type) => ALGORITHMS[type] as ServerHostKeyAlgorithm[]);
}

/** Type of key to the algorithms that prove it (RFC 8332 for RSA), best first. */
const ALGORITHMS: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
};

function connectError(error: unknown, place: string, login: Login): BlockError {
  const { level, code, message } = error as { level?: string; code?: string; message?: string };
  if (level === 'client-authentication') return loginRefused(login);
  if (level === 'client-timeout') return systemError(`Failed to connect to '${place}'`, { code: 'ETIMEDOUT' }, { driver: 'ssh' });
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new BlockError('io', `address resolution failed for ${place}: Name or service not known`, { driver: 'ssh' }, error);
  }
  if (code !== undefined) return systemError(`Failed to connect to '${place}'`, error, { driver: 'ssh' });
  return new BlockError('io', `failed to establish SSH session with ${place}: ${printable(message ?? '')}`, { driver: 'ssh' }, error);
}
