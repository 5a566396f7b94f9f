/**
 * One connection as a client sees it. During the handshake exact numbers of bytes are taken; from then on they go to a sink,
 * which names the place of each next piece, so that payloads arrive where they belong without a copy.
 */
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { BlockError, messageOf, systemError } from '@blk/core-graph';
import { checkSocketPath } from '../codec/socket-path.js';
import { NBD_PORT, type NbdAddress } from '../codec/uri.js';
import { leftOf, readByEvents, type Receiver } from '../server/adopt.js';
import { secure, type ClientTls } from './tls.js';

/** Who takes the bytes after the handshake. */
export interface Sink {
  /** Where the next bytes go: never empty. */
  space(): Uint8Array;
  /** `length` bytes lie at the start of `bytes`: of what `space` gave, or in a buffer of their own. */
  received(bytes: Uint8Array, length: number): void;
  /** Nothing will come any more. Called once. */
  ended(error: BlockError): void;
}

/** Bytes that are read at once where nobody has named a place. */
const SPACE = 64 * 1024;

export class Channel implements Receiver {
  #socket!: Socket;
  /** The same, or what lies below its encryption. */
  #plain!: Socket;
  #sink: Sink | undefined;
  #waiting: { readonly need: number; readonly resolve: (bytes: Uint8Array) => void; readonly reject: (error: Error) => void } | undefined;
  #kept = new Uint8Array(0);
  #space = new Uint8Array(SPACE);
  #end: BlockError | undefined;

  private constructor(readonly address: NbdAddress) {}

  /** Connects. Throws `Failed to connect to 'address': …`, also where `signal` aborts. */
  static async open(address: NbdAddress, signal: AbortSignal): Promise<Channel> {
    if (address.path !== undefined) checkSocketPath(address.path);
    const channel = new Channel(address);
    const { path, host = 'localhost', port = NBD_PORT } = address;
    const onread = {
      buffer: () => channel.space(),
      callback: (length: number, bytes: Uint8Array) => channel.received(bytes, length),
    };
    const socket = connect(path === undefined ? { host, port, noDelay: true, onread } : { path, onread });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
        const abort = (): void => { reject(signal.reason as Error); };
        signal.addEventListener('abort', abort);
        if (signal.aborted) abort();
      });
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw systemError(`Failed to connect to '${describeAddress(address)}'`, firstOf(error));
    }
    channel.#plain = socket;
    channel.#watch(socket);
    return channel;
  }

  get closed(): boolean {
    return this.#end !== undefined;
  }

  /** Exactly `need` bytes, in a buffer of their own. Handshake only; one call at a time. */
  take(need: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiting = { need, resolve, reject };
      this.#serve();
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }
  /** Bytes that were written and have not left yet, all of a write that is on its way. */
  waiting(): number {
    return this.#socket.writableLength;
  }
  /** Bytes that have left for the system so far, in the form in which they travel. */
  left(): number {
    return leftOf(this.#plain);
  }
  /** Puts the writes of `section` into as few packets as they fit in. */
  corked(section: () => void): void {
    this.#socket.cork();
    section();
    this.#socket.uncork();
  }

  /** Encrypts from here on. Bytes that came too early are an attack on what follows. */
  async startTls(tls: ClientTls): Promise<void> {
    if (this.#kept.length > 0) throw new BlockError('io', 'Server sent data between its reply and the TLS handshake');
    const plain = this.#socket;
    const secured: TLSSocket = await secure(plain, tls, this.address.host ?? '');
    this.#watch(readByEvents(secured, this));
  }

  /** Ends the handshake: everything from here on is the sink's. */
  handOver(sink: Sink): void {
    const kept = this.#kept;
    this.#kept = new Uint8Array(0);
    this.#sink = sink;
    if (kept.length > 0) sink.received(kept, kept.length);
    if (this.#end !== undefined) sink.ended(this.#end);
  }

  /** Ends after what was written has left. */
  end(): void {
    this.#socket.destroySoon();
  }
  /** Ends at once. */
  destroy(error: BlockError): void {
    this.#ended(error);
    this.#socket.destroy();
  }

  space(): Uint8Array {
    return this.#sink?.space() ?? this.#space;
  }

  received(bytes: Uint8Array, length: number): boolean {
    if (this.#end !== undefined) return false;
    if (this.#sink !== undefined) this.#sink.received(bytes, length);
    else {
      const joined = new Uint8Array(this.#kept.length + length);
      joined.set(this.#kept);
      joined.set(bytes.subarray(0, length), this.#kept.length);
      this.#kept = joined;
      this.#serve();
    }
    return true;
  }

  #serve(): void {
    const { need, resolve, reject } = this.#waiting ?? { need: Infinity };
    if (this.#kept.length >= need) {
      const taken = this.#kept.slice(0, need);
      this.#kept = this.#kept.subarray(need);
      this.#waiting = undefined;
      resolve?.(taken);
    } else if (this.#end !== undefined) {
      this.#waiting = undefined;
      reject?.(this.#end);
    }
  }

  #watch(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', (error) => { this.#ended(systemError('Connection to the server failed', error)); });
    socket.on('end', () => { socket.destroy(); });
    socket.on('close', () => {
      if (socket === this.#socket) this.#ended(new BlockError('io', 'Server ended the connection'));
    });
  }

  #ended(error: BlockError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#serve();
    this.#sink?.ended(error);
  }
}

/** As messages name it: the path, or `host:port`. */
export function describeAddress({ path, host = 'localhost', port = NBD_PORT }: NbdAddress): string {
  return path ?? `${host}:${port}`;
}

/** A name with several addresses fails with all of their errors; the first will do. */
function firstOf(error: unknown): unknown {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return (first as NodeJS.ErrnoException).code === 'ENOTFOUND' ? new BlockError('not-found', messageOf(first), {}, first) : first;
}
