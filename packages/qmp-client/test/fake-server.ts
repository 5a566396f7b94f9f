/** A server that says what the test wants, in whatever pieces. */
import { Duplex } from 'node:stream';

export const GREETING = { QMP: { version: { qemu: { major: 2, minor: 4, micro: 0 }, package: '' }, capabilities: ['oob'] } };

export class FakeServer extends Duplex {
  /** What the client sent. */
  readonly received: Record<string, unknown>[] = [];
  #text = '';

  constructor(private readonly answer: (message: Record<string, unknown>, server: FakeServer) => void = (message, server) => { server.say({ return: {}, id: message['id'] }); }) {
    super();
  }

  override _read(): void {
    // Everything is pushed as it comes.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#text += chunk.toString();
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      const message = JSON.parse(this.#text.slice(0, end)) as Record<string, unknown>;
      this.#text = this.#text.slice(end + 1);
      this.received.push(message);
      this.answer(message, this);
    }
    done();
  }

  say(message: object | string): this {
    this.push(typeof message === 'string' ? message : `${JSON.stringify(message)}\r\n`);
    return this;
  }
}
