/** One conversation with a monitor: greeting, negotiation, commands that are answered by their ids, and events in between. */
import type { Duplex } from 'node:stream';
import { QmpError, type QmpCommandName, type QmpCommands, type QmpErrorClass, type QmpEventName } from '@blk/qapi-types';
import { JsonStream, stringify, type JsonLimits, type JsonObject, type JsonValue } from '@blk/qapi-types/json';
import { openSocket, type QmpAddress } from './connect.js';
import { QmpConnectionError } from './errors.js';
import { EventFeed, type AnyQmpEvent, type QmpEvent, type QmpTimestamp } from './events.js';

export interface QmpClientOptions {
  /** Enables out-of-band commands where the server offers them. */
  readonly oob?: boolean;
  /** Milliseconds for the greeting and the negotiation; 0: no limit. Default 10,000. */
  readonly timeout?: number;
  /** Calls the connecting off; later it has no effect. */
  readonly signal?: AbortSignal;
  /** Of what the server sends. */
  readonly limits?: JsonLimits;
}

export interface ExecuteOptions {
  /** Ahead of commands that wait. Only where the client was made with `oob`, and for commands that allow it. */
  readonly oob?: boolean;
  /** Stops waiting; the command itself goes on. */
  readonly signal?: AbortSignal;
}

/** What the server said of itself. */
export interface QmpGreeting {
  readonly version: { readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number }; readonly package: string };
  readonly capabilities: readonly string[];
}

interface Call {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class QmpClient implements AsyncDisposable {
  /** Resolves when the connection is over, whoever ended it, with the reason. */
  readonly closed: Promise<QmpConnectionError>;
  readonly #calls = new Map<number, Call>();
  readonly #events = new EventFeed();
  #greeting: QmpGreeting | undefined;
  #greeted!: Call;
  #over: QmpConnectionError | undefined;
  #ended!: (error: QmpConnectionError) => void;
  #id = 0;

  private constructor(
    private readonly stream: Duplex,
    limits: JsonLimits | undefined,
  ) {
    this.closed = new Promise((resolve) => (this.#ended = resolve));
    const parser = new JsonStream(
      {
        onValue: (value) => { this.#received(value); },
        onError: ({ desc }) => { this.#fail(new QmpConnectionError('protocol', `The server sent something that is not JSON: ${desc}`)); },
      },
      limits,
    );
    stream.on('data', (chunk: Uint8Array | string) => {
      if (this.#over === undefined) parser.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
    });
    const gone = (cause?: Error): void => {
      this.#fail(new QmpConnectionError('gone', cause === undefined ? 'The server closed the connection' : cause.message, { cause }));
    };
    stream.on('error', gone);
    stream.on('end', () => { gone(); });
    stream.on('close', () => { gone(); });
  }

  /** Connects to a monitor and negotiates. Rejects with a `QmpConnectionError`, or with the signal's reason. */
  static async connect(address: QmpAddress, options: QmpClientOptions = {}): Promise<QmpClient> {
    return QmpClient.over(await openSocket(address, options.signal), options);
  }

  /** The same over a stream that is open, such as the standard input and output of a child; it belongs to the client from here on. */
  static async over(stream: Duplex, options: QmpClientOptions = {}): Promise<QmpClient> {
    const { timeout = 10_000, signal, oob = false } = options;
    const client = new QmpClient(stream, options.limits);
    const giveUp = (): void => { client.#fail(new QmpConnectionError('closed', 'The connecting was called off', { cause: signal?.reason })); };
    const timer = timeout === 0 ? undefined : setTimeout(() => {
      client.#fail(new QmpConnectionError('timeout', `The server did not answer within ${timeout} ms`));
    }, timeout);
    signal?.addEventListener('abort', giveUp);
    try {
      if (signal?.aborted === true) giveUp();
      await new Promise<unknown>((resolve, reject) => {
        client.#greeted = { resolve, reject };
        if (client.#over !== undefined) reject(client.#over);
        if (client.#greeting !== undefined) resolve(undefined);
      });
      const enable = oob && client.greeting.capabilities.includes('oob') ? { enable: ['oob'] } : undefined;
      await client.call('qmp_capabilities', enable);
      return client;
    } catch (error) {
      client.#fail(new QmpConnectionError('closed', 'The negotiation failed'));
      throw signal?.aborted === true ? signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    }
  }

  get greeting(): QmpGreeting {
    return this.#greeting as QmpGreeting;
  }

  /** Runs a command of the schema. Rejects with a `QmpError` where the server refuses it, with a `QmpConnectionError` where it is gone. */
  execute<N extends QmpCommandName>(name: N, args?: QmpCommands[N]['arguments'], options?: ExecuteOptions): Promise<QmpCommands[N]['returns']> {
    return this.call(name, args, options);
  }

  /** Runs any command: one that only other servers have, or in another dialect. Numbers beyond 2^53 come back as bigint. */
  call(name: string, args?: object, { oob = false, signal }: ExecuteOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#over !== undefined) {
        reject(this.#over);
        return;
      }
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const id = ++this.#id;
      const abort = (): void => { reject(signal?.reason as Error); };
      const over = (): void => { signal?.removeEventListener('abort', abort); };
      signal?.addEventListener('abort', abort);
      this.#calls.set(id, {
        resolve: (value) => { over(); resolve(value); },
        reject: (error) => { over(); reject(error); },
      });
      const command = { [oob ? 'exec-oob' : 'execute']: name, ...(args === undefined ? {} : { arguments: args as JsonObject }), id };
      this.stream.write(`${stringify(command)}\n`);
    });
  }

  /** Calls back at every event of that name, until the returned function is called. What the listener throws is nobody's to catch. */
  on<N extends QmpEventName>(name: N, listener: (event: QmpEvent<N>) => void): () => void {
    return this.#events.subscribe((event) => {
      if (event.event === name) listener(event as QmpEvent<N>);
    });
  }

  /** The next event of that name from now on that `wanted` accepts: to be asked for before the command that leads to it. */
  event<N extends QmpEventName>(name: N, wanted: (data: QmpEvent<N>['data']) => boolean = () => true, signal?: AbortSignal): Promise<QmpEvent<N>> {
    const found = this.#events.next((event) => event.event === name && wanted((event as QmpEvent<N>).data), signal) as Promise<QmpEvent<N>>;
    // Whoever waits is told; one who gave up meanwhile must not bring the program down.
    found.catch(() => undefined);
    return found;
  }

  /** All events from now on, also those that the schema does not know. */
  events(): AsyncIterableIterator<AnyQmpEvent> {
    return this.#events.all();
  }

  /** Ends the conversation; commands under way reject. Resolves when the stream is closed. */
  async close(): Promise<void> {
    this.#fail(new QmpConnectionError('closed', 'The client was closed'));
    if (!this.stream.closed) await new Promise<void>((resolve) => this.stream.once('close', resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #received(value: JsonValue): void {
    if (this.#over !== undefined) return;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#fail(new QmpConnectionError('protocol', 'The server sent something that is no message'));
      return;
    }
    const message = value;
    if (this.#greeting === undefined) this.#greet(message);
    else if (typeof message['event'] === 'string') this.#events.emit(eventOf(message));
    else this.#answered(message);
  }

  #greet({ QMP: greeting }: JsonObject): void {
    const { version, capabilities } = (greeting ?? {}) as Partial<QmpGreeting>;
    if (version?.qemu === undefined || !Array.isArray(capabilities)) {
      this.#fail(new QmpConnectionError('protocol', 'This is no QMP server: there was no greeting'));
      return;
    }
    this.#greeting = { version, capabilities: capabilities as string[] };
    this.#greeted?.resolve(undefined);
  }

  #answered(message: JsonObject): void {
    const id = message['id'];
    const call = typeof id === 'number' ? this.#calls.get(id) : undefined;
    const error = message['error'] as { class?: string; desc?: string } | undefined;
    if (call === undefined) {
      const what = error?.desc ?? stringify(message);
      this.#fail(new QmpConnectionError('protocol', `The server answered what nobody asked: ${what}`));
      return;
    }
    this.#calls.delete(id as number);
    if (error === undefined) call.resolve(message['return']);
    else call.reject(new QmpError((error.class ?? 'GenericError') as QmpErrorClass, error.desc ?? 'The command failed'));
  }

  /** The first reason counts. */
  #fail(error: QmpConnectionError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.stream.destroy();
    this.#greeted?.reject(error);
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
    this.#events.end(error);
    this.#ended(error);
  }
}

function eventOf(message: JsonObject): AnyQmpEvent {
  const { seconds, microseconds } = (message['timestamp'] ?? {}) as Partial<QmpTimestamp>;
  return { event: message['event'] as string, data: message['data'] ?? {}, timestamp: { seconds: seconds ?? -1, microseconds: microseconds ?? 0 } };
}
