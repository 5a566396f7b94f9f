/**
 * One conversation: greeting, negotiation, requests one after the other, events in between. It knows nothing of sockets.
 *
 * A client that does not read cannot make it grow: while too much waits for the client no request is taken, nothing more
 * is read, and events are dropped. Requests out of band, where the client has asked for them, go before all that wait.
 */
import { QmpError } from '@blk/qapi-types';
import { JsonStream, stringify, type JsonLimits, type JsonValue } from '@blk/qapi-types/json';
import type { CommandContext } from '../dispatch.js';
import { toQmpError } from '../errors.js';
import type { QmpEvent } from '../events.js';
import type { BlkServer } from '../server.js';
import { VERSION } from '../version.js';
import { idOf, isOutOfBand, parseRequest } from './envelope.js';
import type { Transport, TransportEvents } from './transport.js';

export interface MonitorOptions {
  /** In the log. */
  readonly name?: string;
  /** Answers over several lines, indented. */
  readonly pretty?: boolean;
  /** Offers the capability `oob`: commands given with `exec-oob` do not wait for others. Default: no, as in QEMU 2.4. */
  readonly oob?: boolean;
  readonly limits?: Partial<MonitorLimits>;
}

export interface MonitorLimits extends JsonLimits {
  /** Bytes that may wait for the client before nothing more is read from it, and it misses events. */
  readonly maxPending: number;
  /** Requests that may wait before nothing more is read. */
  readonly maxQueue: number;
}

const DEFAULT_LIMITS: MonitorLimits = {
  maxPending: 1 << 20,
  maxQueue: 8,
  maxBytes: 4 << 20,
  maxDepth: 1024,
  maxTokens: 256 << 10,
};

/** One message of the client, or what the parser said of it. */
type Input = { readonly message: JsonValue } | { readonly error: QmpError };

export class Monitor implements TransportEvents {
  readonly name: string;
  readonly #transport: Transport;
  readonly #limits: MonitorLimits;
  readonly #pretty: boolean;
  readonly #offersOob: boolean;
  #oob = false;
  readonly #json: JsonStream;
  readonly #queue: Input[] = [];
  /** Out of band. */
  readonly #urgent: JsonValue[] = [];
  #negotiated = false;
  #running = false;
  #runningUrgent = false;
  #paused = false;
  #closed = false;
  #ended = false;
  #missed = 0;
  #drained: (() => void) | undefined;

  /** `open` makes the transport that will call this monitor back. */
  constructor(
    private readonly server: BlkServer,
    open: (events: TransportEvents) => Transport,
    options: MonitorOptions = {},
  ) {
    this.name = options.name ?? 'monitor';
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#pretty = options.pretty ?? false;
    this.#offersOob = options.oob ?? false;
    this.#json = new JsonStream(
      {
        onValue: (message) => {
          if (this.#oob && isOutOfBand(message)) this.#urgent.push(message);
          else this.#queue.push({ message });
        },
        onError: (error) => this.#queue.push({ error }),
      },
      this.#limits,
    );
    this.#transport = open(this);
    this.#send({ QMP: { version: VERSION, capabilities: this.#offersOob ? ['oob'] : [] } });
  }

  /** Whether the client is past negotiation, and gets events. */
  get negotiated(): boolean {
    return this.#negotiated;
  }
  get closed(): boolean {
    return this.#closed;
  }
  /** Events that the client missed because it did not read. */
  get missedEvents(): number {
    return this.#missed;
  }

  received(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#json.push(bytes);
    if (this.#isFull) this.#pause();
    if (!this.#runningUrgent && this.#urgent.length > 0) void this.#runUrgent();
    if (!this.#running && this.#queue.length > 0) void this.#run();
  }

  ended(): void {
    this.#json.end();
    this.#ended = true;
    if (!this.#running) void this.#run();
  }

  taken(): void {
    if (!this.#doesNotRead) this.#wake();
  }

  gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.length = 0;
    this.#urgent.length = 0;
    this.#wake();
    this.server.monitorGone(this);
  }

  /** Sends an event, if the client is past negotiation and reads. */
  event(event: QmpEvent): void {
    if (!this.#negotiated || this.#closed) return;
    if (this.#doesNotRead) {
      if (this.#missed++ === 0) this.server.log(`${this.name}: the client does not read; it misses events`);
      return;
    }
    this.#send(event);
  }

  /** Sends what is pending and closes, within `timeout` milliseconds. */
  async end(timeout = 1000): Promise<void> {
    this.gone();
    await this.#transport.end(timeout);
  }

  /** Part of `qmp_capabilities`. Throws where the client asks for what there is not. */
  negotiate(enable: readonly string[]): void {
    const missing = enable.find((capability) => capability !== 'oob' || !this.#offersOob);
    if (missing !== undefined) throw new QmpError('GenericError', `Capability ${missing} is not available`);
    this.#oob = enable.length > 0;
    this.#negotiated = true;
  }

  /** Answers what is queued, one after the other. */
  async #run(): Promise<void> {
    this.#running = true;
    let turn = performance.now();
    for (let input = this.#queue.shift(); input !== undefined; input = this.#queue.shift()) {
      const reply = await this.#answer(input);
      if (this.#closed) break;
      this.#send(reply);
      if (this.#doesNotRead) {
        this.#pause();
        await new Promise<void>((resolve) => (this.#drained = resolve));
      }
      turn = await letOthers(turn);
    }
    this.#running = false;
    if (!this.#runningUrgent) await this.#rest();
  }

  /** Answers what came out of band, before what is queued; for a client that does not read, it is queued: answers would pile up. */
  async #runUrgent(): Promise<void> {
    this.#runningUrgent = true;
    let turn = performance.now();
    for (let message = this.#urgent.shift(); message !== undefined; message = this.#urgent.shift()) {
      if (this.#doesNotRead) {
        this.#queue.push({ message });
        continue;
      }
      const reply = await this.#answer({ message });
      if (this.#closed) break;
      this.#send(reply);
      turn = await letOthers(turn);
    }
    this.#runningUrgent = false;
    if (this.#running) this.#readOn();
    else if (this.#queue.length > 0) await this.#run();
    else await this.#rest();
  }

  /** Nothing is left to answer. */
  async #rest(): Promise<void> {
    if (this.#ended && !this.#closed) await this.end();
    this.#readOn();
  }

  #readOn(): void {
    if (!this.#paused || this.#closed || this.#isFull || this.#drained !== undefined) return;
    this.#paused = false;
    this.#transport.resume();
  }

  get #isFull(): boolean {
    return Math.max(this.#queue.length, this.#urgent.length) > this.#limits.maxQueue;
  }

  get #doesNotRead(): boolean {
    return this.#transport.pending > this.#limits.maxPending;
  }

  async #answer(input: Input): Promise<object> {
    if ('error' in input) return { error: input.error };
    const id = idOf(input.message);
    try {
      const result = await this.#execute(input.message);
      return { return: result, ...(id === undefined ? {} : { id }) };
    } catch (thrown) {
      const error = toQmpError(thrown, (defect) => {
        this.server.log(`${this.name}: a command failed unexpectedly: ${String((defect as Error | undefined)?.stack ?? defect)}`);
      });
      return { ...(id === undefined ? {} : { id }), error };
    }
  }

  async #execute(message: JsonValue): Promise<unknown> {
    const { command, args, oob } = parseRequest(message, this.#oob);
    const context: CommandContext = { server: this.server, monitor: this };
    if (!this.#negotiated && command !== NEGOTIATION) {
      throw new QmpError('CommandNotFound', `Expecting capabilities negotiation with '${NEGOTIATION}'`);
    }
    if (oob) return this.server.dispatcher.executeNow(command, args, context);
    if (this.#negotiated && command === NEGOTIATION) {
      throw new QmpError('CommandNotFound', 'Capabilities negotiation is already complete, command ignored');
    }
    if (this.server.closing) throw new QmpError('GenericError', 'The server is shutting down');
    return this.server.dispatcher.execute(command, args, context);
  }

  #wake(): void {
    const wake = this.#drained;
    this.#drained = undefined;
    wake?.();
  }

  #send(message: object): void {
    this.#transport.send(`${stringify(message, { pretty: this.#pretty })}\r\n`);
  }

  #pause(): void {
    this.#paused = true;
    this.#transport.pause();
  }
}

const NEGOTIATION = 'qmp_capabilities';
/** Milliseconds of work for one client before others get their turn. */
const TURN = 2;

/** Many requests in one piece must not keep other clients, and the disks, waiting. Gives the start of the present turn. */
async function letOthers(turn: number): Promise<number> {
  if (performance.now() - turn <= TURN) return turn;
  await new Promise<void>((resolve) => setImmediate(resolve));
  return performance.now();
}
