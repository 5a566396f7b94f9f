/** A server to test with, and a client that trusts nothing of it. */
import { PassThrough, type Duplex } from 'node:stream';
import { duplexPair } from './duplex-pair.js';
import { qcow2 } from '@blk/drivers-qcow2';
import { file } from '@blk/drivers-file';
import { nullAio, nullCo } from '@blk/drivers-null';
import { quorum } from '@blk/drivers-quorum';
import { raw } from '@blk/drivers-raw';
import { createServer, type BlkServer, type MonitorOptions, type ServerOptions } from '../src/index.js';

export const drivers = [raw, qcow2, file, nullCo, nullAio, quorum];

export type Message = Record<string, unknown>;

/** A client at the other end of a stream. */
export class TestClient {
  readonly messages: Message[] = [];
  text = '';
  readonly #waiting: (() => void)[] = [];
  #rest = '';
  ended = false;

  constructor(readonly stream: Duplex) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      this.text += chunk;
      // Looked at in pieces: to search all of the text again for every piece takes half a minute for some megabytes.
      const lines = (this.#rest + chunk).split('\r\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.messages.push(JSON.parse(line) as Message);
      this.#wake();
    });
    stream.on('error', () => undefined);
    stream.on('close', () => {
      this.ended = true;
      this.#wake();
    });
    stream.on('end', () => {
      this.ended = true;
      this.#wake();
    });
  }

  send(message: object | string): void {
    this.stream.write(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Takes the next message that `wanted` accepts; those before it stay. */
  async next(wanted: (message: Message) => boolean = () => true): Promise<Message> {
    for (;;) {
      const index = this.messages.findIndex(wanted);
      if (index >= 0) return this.messages.splice(index, 1)[0];
      if (this.ended) throw new Error('the monitor closed');
      await this.#change();
    }
  }

  event(name: string): Promise<Message> {
    return this.next((message) => message.event === name);
  }

  reply(): Promise<Message> {
    return this.next((message) => !('event' in message));
  }

  /** Sends a command and gives the whole reply. */
  async ask(command: string, args?: object): Promise<Message> {
    this.send({ execute: command, ...(args === undefined ? {} : { arguments: args }) });
    return this.reply();
  }

  /** Sends a command and gives what it returned; throws `Class: text` for an error. */
  async execute(command: string, args?: object): Promise<unknown> {
    const { return: result, error } = (await this.ask(command, args)) as { return?: unknown; error?: { class: string; desc: string } };
    if (error !== undefined) throw new Error(`${error.class}: ${error.desc}`);
    return result;
  }

  async negotiate(): Promise<this> {
    await this.reply();
    await this.execute('qmp_capabilities');
    return this;
  }

  async end(): Promise<void> {
    while (!this.ended) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** A client of `server` over a pair of streams in memory, not yet past negotiation. */
export function attach(server: BlkServer, options?: MonitorOptions): TestClient {
  const [near, far] = duplexPair();
  server.addMonitor(far, options);
  return new TestClient(near);
}

/** A server with all drivers, whose log is in `lines`. */
export async function testServer(options: Partial<ServerOptions> = {}): Promise<BlkServer & { lines: string[] }> {
  const lines: string[] = [];
  const server = await createServer({ drivers, log: (line) => lines.push(line), ...options });
  return Object.assign(server, { lines });
}

/** A stream that remembers what was written to it. */
export function sink(): PassThrough & { readonly written: string } {
  let written = '';
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => (written += chunk.toString()));
  return Object.defineProperty(stream, 'written', { get: () => written }) as PassThrough & { readonly written: string };
}
