/** A client of one export over one connection: requests under way together, each known by its cookie. */
import { BlockError, platformHost, type Clock } from '@blk/core-graph';
import { StallWatch } from '@blk/remote';
import { Command, CommandFlag, DEFAULT_MAX_PAYLOAD } from '../codec/constants.js';
import { putRequest } from '../codec/transmission.js';
import type { NbdAddress } from '../codec/uri.js';
import { describeAddress, type Channel, type Sink } from './channel.js';
import { withChannel, type GreetingOptions } from './greeting.js';
import type { ListedExport, Negotiated } from './negotiate.js';
import { ReplyParser, type ReplyHost } from './reply-parser.js';
import { Request, type StatusRuns } from './request.js';

export interface NbdClientOptions extends GreetingOptions {
  /** Metadata contexts to ask for, such as `base:allocation`. The server may have fewer. */
  readonly contexts?: readonly string[];
  /** Requests under way; further ones wait. Default 64. */
  readonly maxInFlight?: number;
  /**
   * Milliseconds that requests may be under way without an answer, or 1 KiB a second that comes or leaves; then the connection fails with
   * kind `timeout`. A quarter of it more may pass. 0, the default: no limit.
   */
  readonly stallTimeout?: number;
}

export interface WriteOptions {
  /** On stable storage when it completes. */
  readonly fua?: boolean;
}

export class NbdClient implements Sink, ReplyHost {
  /** Why the connection is of no use any more; undefined while it is. */
  failure: BlockError | undefined;
  /** Called once, when the connection ends by itself. */
  onEnd: ((error: BlockError) => void) | undefined;
  readonly #parser = new ReplyParser(this);
  readonly #slots: Request[];
  readonly #free: Request[];
  readonly #busy: boolean[];
  readonly #contexts: ReadonlySet<number>;
  readonly #watch: StallWatch | undefined;
  #waiting: (() => void)[] = [];
  #closing = false;

  private constructor(
    private readonly channel: Channel,
    readonly negotiated: Negotiated,
    { maxInFlight = 64, stallTimeout = 0, clock = platformHost }: NbdClientOptions,
  ) {
    this.#slots = Array.from({ length: maxInFlight }, (_, index) => new Request(index));
    this.#free = [...this.#slots].reverse();
    this.#busy = this.#slots.map(() => false);
    this.#contexts = new Set(negotiated.contexts.values());
    if (stallTimeout > 0) this.#watch = this.#watched(stallTimeout, clock);
  }

  /** Connects to an export. Throws where there is no server, no such export, or an answer that is not NBD. */
  static async connect(address: NbdAddress, options: NbdClientOptions = {}): Promise<NbdClient> {
    return withChannel(address, options, async (channel, negotiator) => {
      const negotiated = await negotiator.enter(address.exportName ?? '', options.contexts ?? []);
      const client = new NbdClient(channel, negotiated, options);
      channel.handOver(client);
      return client;
    });
  }

  /** Bytes of the export. */
  get size(): number {
    return this.negotiated.size;
  }
  get structured(): boolean {
    return this.negotiated.structured;
  }
  /** Longest read or write, in bytes. */
  get maxPayload(): number {
    return Math.min(this.negotiated.blockSizes?.maximum ?? DEFAULT_MAX_PAYLOAD, DEFAULT_MAX_PAYLOAD);
  }
  /** Whether the server said this of the export: a `TransmissionFlag`. */
  can(flag: number): boolean {
    return (this.negotiated.flags & flag) !== 0;
  }

  /** Fills `buffer[start, start + length)`. The buffer must not be touched until then. */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#send(Command.Read, 0, offset, length, buffer, start);
  }
  write(offset: number, buffer: Uint8Array, start: number, length: number, { fua = false }: WriteOptions = {}): Promise<void> {
    return this.#send(Command.Write, fua ? CommandFlag.Fua : 0, offset, length, buffer, start);
  }
  /** `unmap`: space may be given back. `fast`: fail with `ENOTSUP` rather than be no faster than a write. */
  writeZeroes(offset: number, length: number, options: WriteOptions & { readonly unmap?: boolean; readonly fast?: boolean } = {}): Promise<void> {
    const { fua = false, unmap = false, fast = false } = options;
    const flags = (fua ? CommandFlag.Fua : 0) | (unmap ? 0 : CommandFlag.NoHole) | (fast ? CommandFlag.FastZero : 0);
    return this.#send(Command.WriteZeroes, flags, offset, length, undefined, 0);
  }
  trim(offset: number, length: number): Promise<void> {
    return this.#send(Command.Trim, 0, offset, length, undefined, 0);
  }
  flush(): Promise<void> {
    return this.#send(Command.Flush, 0, 0, 0, undefined, 0);
  }
  /** The runs of each selected context from `offset` on: at least one, the last one perhaps beyond `length`. */
  async blockStatus(offset: number, length: number, { one = false }: { readonly one?: boolean } = {}): Promise<readonly StatusRuns[]> {
    let statuses: readonly StatusRuns[] = [];
    await this.#send(Command.BlockStatus, one ? CommandFlag.ReqOne : 0, offset, length, undefined, 0, (request) => {
      statuses = request.statuses;
    });
    return statuses;
  }

  /** Says goodbye. Requests under way should be done by then; those that are not fail. */
  close(): void {
    if (this.failure === undefined && !this.#closing) {
      this.#closing = true;
      const goodbye = new Request(0);
      putRequest(goodbye.view, 0, { flags: 0, command: Command.Disconnect, cookieHigh: 0, cookieLow: 0, offset: 0, length: 0 });
      this.channel.write(goodbye.header);
    }
    this.channel.end();
    this.#watch?.stop();
  }

  space(): Uint8Array {
    return this.#parser.space();
  }
  received(bytes: Uint8Array, length: number): void {
    this.#watch?.moved(length);
    try {
      this.#parser.received(bytes, length);
    } catch (error) {
      this.channel.destroy(error instanceof BlockError ? error : new BlockError('io', 'Reply could not be handled', {}, error));
    }
  }
  ended(error: BlockError): void {
    const failure = this.#closing ? new BlockError('closed', 'Connection was closed') : error;
    this.failure = failure;
    this.#watch?.stop();
    for (const request of this.#slots) {
      if (!this.#busy[request.index]) continue;
      this.#busy[request.index] = false;
      request.reject(failure);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
    if (!this.#closing) this.onEnd?.(failure);
  }

  hasContext(id: number): boolean {
    return this.#contexts.has(id);
  }
  find(high: number, low: number): Request | undefined {
    const request = this.#slots[low] as Request | undefined;
    return request !== undefined && this.#busy[low] && request.generation === high ? request : undefined;
  }
  finished(request: Request): void {
    this.#busy[request.index] = false;
    this.#watch?.answered();
    if (request.error === undefined) request.resolve();
    else request.reject(request.error);
    this.#free.push(request);
    this.#waiting.shift()?.();
  }

  get #idle(): boolean {
    return this.#free.length === this.#slots.length;
  }

  #watched(limit: number, clock: Pick<Clock, 'timer'>): StallWatch {
    const stalled = (): void => {
      const text = `Server '${describeAddress(this.channel.address)}' did not answer for ${limit / 1000} s while requests were under way`;
      this.channel.destroy(new BlockError('timeout', text));
    };
    return new StallWatch({ clock, limit, busy: () => !this.#idle, sending: this.channel, stalled });
  }

  async #send(
    command: number,
    flags: number,
    offset: number,
    length: number,
    buffer: Uint8Array | undefined,
    start: number,
    done?: (request: Request) => void,
  ): Promise<void> {
    while (this.#free.length === 0 && this.failure === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.failure !== undefined) throw this.failure;
    if (this.#idle) this.#watch?.begin();
    const request = this.#free.pop() as Request;
    request.begin(command, offset, length, command === Command.Read ? buffer : undefined, start);
    this.#busy[request.index] = true;
    const answered = new Promise<void>((resolve, reject) => {
      request.resolve = () => {
        done?.(request);
        resolve();
      };
      request.reject = reject;
    });
    putRequest(request.view, 0, { flags, command, cookieHigh: request.generation, cookieLow: request.index, offset, length });
    if (command === Command.Write && buffer !== undefined) {
      this.channel.corked(() => {
        this.channel.write(request.header);
        this.channel.write(buffer.subarray(start, start + length));
      });
    } else this.channel.write(request.header);
    await answered;
  }
}

/** Everything that a server says of its exports. */
export function listExports(address: NbdAddress, options: Omit<NbdClientOptions, 'contexts'> = {}): Promise<ListedExport[]> {
  return withChannel(address, options, async (channel, negotiator) => {
    const listed = await negotiator.list();
    channel.end();
    return listed;
  });
}
