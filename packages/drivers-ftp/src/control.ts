/** The connection for commands: one at a time, each with its replies; encrypted where that is asked for. */
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { networkError, printable } from '@blk/remote';
import { ftpError, refusal } from './errors.js';
import type { Place } from './place.js';
import { ReplyParser, type Reply } from './reply.js';

type Waiter = { readonly resolve: (reply: Reply) => void; readonly reject: (error: Error) => void };

export interface ControlSettings {
  readonly place: Place;
  readonly authorities: string | undefined;
}

/** Replies that may wait for somebody to ask: a server that goes on is ended, since it would count as alive for ever. */
const MOST_UNASKED = 16;

export class Control {
  #socket: Socket | undefined;
  #parser = new ReplyParser();
  readonly #replies: Reply[] = [];
  readonly #waiting: Waiter[] = [];
  #failure: Error | undefined;
  #session: Buffer | undefined;
  /** Told of every reply. */
  onReply: () => void = () => undefined;
  /** Told when the connection is over. */
  onEnd: (error: Error) => void = () => undefined;

  private constructor(private readonly settings: ControlSettings) {}

  /** Connects, and encrypts where the place says so; the greeting is read. */
  static async connect(settings: ControlSettings, onReply: () => void, signal: AbortSignal): Promise<Control> {
    const control = new Control(settings);
    const { host, port, tls } = settings.place;
    control.onReply = onReply;
    const abort = (): void => { control.destroy(signal.reason as Error); };
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      const first = tls === 'implicit' ? control.#encrypted({ host, port }) : connectPlain({ host, port, noDelay: true });
      control.#use(first);
      control.#expect('to be used', await control.reply(), 200);
      if (tls === 'explicit') {
        control.#expect('encryption', await control.command('AUTH TLS'), 200);
        // Whatever was sent before the encryption began must not count as said under it.
        if (control.#replies.length > 0) throw ftpError('io', 'injected', 'The server sent more than it was asked for before the encryption began');
        control.#parser = new ReplyParser();
        control.#use(control.#encrypted({ socket: first, host }));
      }
      if (tls !== 'none') {
        control.#expect('encrypted data', await control.command('PBSZ 0'), 200);
        control.#expect('encrypted data', await control.command('PROT P'), 200);
      }
      return control;
    } catch (error) {
      control.destroy(error as Error);
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Where data connections go to. */
  get address(): string {
    return this.#socket?.remoteAddress ?? this.settings.place.host;
  }

  /** Sends a command, of which each character is one byte, and gives back its first reply. */
  async command(line: string): Promise<Reply> {
    if (this.#failure !== undefined) throw this.#failure;
    // What comes without being asked for is a goodbye, or the rest of something that went wrong.
    const early = this.#replies.shift();
    if (early !== undefined) {
      const error = ftpError('io', 'unasked', `The server says without being asked: ${early.code} ${printable(early.text)}`);
      this.destroy(error);
      throw error;
    }
    // Names are bytes here, whatever they mean.
    this.#socket?.write(`${line}\r\n`, 'latin1');
    return this.reply();
  }

  /** The next reply. */
  reply(): Promise<Reply> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => { this.#waiting.push({ resolve, reject }); });
  }

  /** A connection for data. */
  dataSocket(port: number): Socket {
    return connectPlain({ host: this.address, port, noDelay: true });
  }

  /** Encrypts a connection for data as this one is; undefined where it is not. */
  get encrypting(): ((data: Socket) => Socket) | undefined {
    return this.settings.place.tls === 'none' ? undefined : (data) => this.#encrypted({ socket: data, host: this.address });
  }

  destroy(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket?.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.onEnd(error);
  }

  #expect(what: string, reply: Reply, least: number): void {
    if (reply.code < least || reply.code >= least + 100) throw refusal(what, reply);
  }

  #use(socket: Socket): void {
    const { host, port } = this.settings.place;
    const fail = (error: unknown): void => { this.destroy(networkError('ftp', error, host, port)); };
    this.#socket?.removeAllListeners('data');
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      try {
        // Names of files may be in any encoding; what matters of replies is in ASCII.
        for (const reply of this.#parser.push(chunk.toString('latin1'))) this.#take(reply);
      } catch (error) {
        this.destroy(error as Error);
      }
    });
    socket.on('error', fail);
    socket.on('close', () => { fail(ftpError('io', 'connection', 'The server closed the connection')); });
    socket.on('session', (session: Buffer) => { this.#session = session; });
  }

  #take(reply: Reply): void {
    this.onReply();
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) waiter.resolve(reply);
    else if (this.#replies.push(reply) > MOST_UNASKED) throw ftpError('io', 'unasked', `The server says more than it is asked: ${reply.code} ${printable(reply.text)}`);
  }

  #encrypted(target: Pick<ConnectionOptions, 'socket' | 'host' | 'port'>): TLSSocket {
    const { place: { host, verify }, authorities } = this.settings;
    return process.getBuiltinModule('node:tls').connect({
      ...target,
      rejectUnauthorized: verify,
      // Data comes from the address behind the name, and is from the same server.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(authorities === undefined ? {} : { ca: authorities }),
      // Servers tell by it that the data goes to whoever gave the commands.
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
  }
}
