/**
 * The connections to one export, and what becomes of requests when one is lost: with a reconnect delay they wait for the
 * server to come back and are made again; afterwards, and without one, they fail until it is back.
 */
import { BlockError, wait, type Host } from '@blk/core-graph';
import { TransmissionFlag, type NbdClient, type Negotiated } from '@blk/nbd';

export interface SessionSettings {
  /** Makes a connection, within so many milliseconds. */
  connect(signal: AbortSignal, timeout: number): Promise<NbdClient>;
  /** Milliseconds that requests wait for a lost connection; 0: they fail at once. */
  readonly reconnectDelay: number;
  /** Milliseconds that opening goes on trying; 0: one attempt. */
  readonly openTimeout: number;
  /** Milliseconds that one attempt to connect may take. */
  readonly connectTimeout: number;
  /** Connections where the server allows several. */
  readonly connections: number;
  readonly host: Host;
}

/** Milliseconds between two attempts to connect: at first, and at most. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;

export class Session {
  readonly #slots: Slot[];
  #turn = 0;

  private constructor(
    readonly negotiated: Negotiated,
    slots: Slot[],
  ) {
    this.#slots = slots;
  }

  /** Connects, as often as the settings allow. `signal` ends the attempts. */
  static async open(settings: SessionSettings, signal: AbortSignal | undefined): Promise<Session> {
    const first = await firstClient(settings, signal);
    const count = first.can(TransmissionFlag.CanMultiConn) ? settings.connections : 1;
    const slots = [new Slot(settings, first.negotiated, first)];
    // The further ones connect when they are first used.
    while (slots.length < count) slots.push(new Slot(settings, first.negotiated, undefined));
    return new Session(first.negotiated, slots);
  }

  /** Runs one request on the next connection. */
  run<T>(request: (client: NbdClient) => Promise<T>): Promise<T> {
    const slot = this.#slots[this.#turn];
    this.#turn = (this.#turn + 1) % this.#slots.length;
    return slot.run(request);
  }

  close(): void {
    for (const slot of this.#slots) slot.close();
  }
}

async function firstClient(settings: SessionSettings, signal: AbortSignal | undefined): Promise<NbdClient> {
  const stop = signal ?? new AbortController().signal;
  const { connectTimeout, openTimeout } = settings;
  const deadline = settings.host.now() + openTimeout * 1e6;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    try {
      const most = openTimeout === 0 ? Infinity : Math.max(1, (deadline - settings.host.now()) / 1e6);
      return await settings.connect(stop, Math.min(connectTimeout, most));
    } catch (error) {
      const left = (deadline - settings.host.now()) / 1e6;
      if (left <= 0 || stop.aborted || isFinal(error)) throw error;
      await wait(settings.host, Math.min(pause, left), stop);
    }
  }
}

/** Trying again would not help: the server is there, and says no. */
function isFinal(error: unknown): boolean {
  return error instanceof BlockError && ['invalid-argument', 'permission', 'policy', 'unsupported'].includes(error.kind);
}

/** One connection, which comes back when it was lost. */
class Slot {
  #client: NbdClient | undefined;
  /** Under way while there is no connection; resolves when there is one, or when there will be none any more. */
  #connecting: Promise<void> | undefined;
  /** When the connection was lost, in nanoseconds; undefined before it was first made. */
  #lostAt: number | undefined;
  /** Ends when requests have waited long enough for a lost connection; one for all, however many they are. */
  #patience: Promise<void> | undefined;
  #failure: BlockError | undefined;
  readonly #stop = new AbortController();

  constructor(
    private readonly settings: SessionSettings,
    private readonly negotiated: Negotiated,
    client: NbdClient | undefined,
  ) {
    if (client !== undefined) this.#use(client);
  }

  async run<T>(request: (client: NbdClient) => Promise<T>): Promise<T> {
    let deadline: number | undefined;
    for (;;) {
      const client = this.#client ?? (await this.#waitForClient());
      try {
        return await request(client);
      } catch (error) {
        // The server's own word is the last one; a lost connection says nothing of what became of the request.
        if (client.failure === undefined || !this.#mayWait) throw error;
        // A server that comes back each time and answers never would be asked for ever.
        const now = this.settings.host.now();
        deadline ??= now + this.settings.reconnectDelay * 1e6;
        if (now >= deadline) throw error;
      }
    }
  }

  close(): void {
    this.#failure = new BlockError('closed', 'The connection was closed');
    this.#stop.abort();
    this.#client?.close();
    this.#client = undefined;
  }

  /** Whether the time that requests wait has not run out. */
  get #mayWait(): boolean {
    return this.#failure === undefined && this.#msLeft > 0;
  }

  get #msLeft(): number {
    const { host, reconnectDelay } = this.settings;
    return this.#lostAt === undefined ? Infinity : reconnectDelay - (host.now() - this.#lostAt) / 1e6;
  }

  async #waitForClient(): Promise<NbdClient> {
    this.#connecting ??= this.#connect();
    const left = this.#msLeft;
    if (left === Infinity) await this.#connecting;
    else if (left > 0) {
      this.#patience ??= wait(this.settings.host, left, this.#stop.signal);
      await Promise.race([this.#connecting, this.#patience]);
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#client === undefined) throw new BlockError('io', 'The connection to the server is lost');
    return this.#client;
  }

  #use(client: NbdClient): void {
    this.#client = client;
    this.#lostAt = undefined;
    this.#patience = undefined;
    client.onEnd = () => {
      this.#client = undefined;
      this.#lostAt = this.settings.host.now();
      this.#connecting ??= this.#connect();
    };
    if (client.failure !== undefined) client.onEnd(client.failure);
  }

  /** Tries until it succeeds, the slot is closed, or the server says no for good; never rejects. */
  async #connect(): Promise<void> {
    const first = this.#lostAt === undefined;
    for (let pause = FIRST_PAUSE; !this.#stop.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        const client = await this.settings.connect(this.#stop.signal, this.settings.connectTimeout);
        this.#checkSame(client);
        this.#connecting = undefined;
        this.#use(client);
        return;
      } catch (error) {
        if (first) this.#lostAt ??= this.settings.host.now();
        if (isFinal(error)) {
          this.#failure = error as BlockError;
          return;
        }
        await wait(this.settings.host, pause, this.#stop.signal);
      }
    }
  }

  /** Another export in the same place must not be taken for this one. */
  #checkSame(client: NbdClient): void {
    const { size, flags } = client.negotiated;
    if (size === this.negotiated.size && (flags & TransmissionFlag.ReadOnly) === (this.negotiated.flags & TransmissionFlag.ReadOnly)) return;
    client.close();
    throw new BlockError('invalid-argument', `The export has changed: ${size} bytes where there were ${this.negotiated.size}`);
  }
}
