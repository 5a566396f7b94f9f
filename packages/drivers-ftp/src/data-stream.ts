/** A file on its way: from a place on to the end, as far as somebody reads; what nobody reads is held back. */
import type { Socket } from 'node:net';
import { networkError } from '@blk/remote';
import { ftpError } from './errors.js';

interface Wanted {
  readonly take: (chunk: Uint8Array) => void;
  left: number;
  readonly wake: () => void;
}

export class DataStream {
  /** Where in the file the next byte lies. */
  position: number;
  #held: Uint8Array[] = [];
  #ended = false;
  #failure: Error | undefined;
  #wanted: Wanted | undefined;
  #socket: Socket;
  readonly #onError: (error: Error) => void;
  readonly #onData = (chunk: Uint8Array): void => {
    this.#held.push(chunk);
    this.#serve();
  };
  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wanted?.wake();
  };
  readonly #onClose = (): void => {
    if (!this.#ended) this.fail(ftpError('io', 'data', 'The server closed the connection in the middle of the file'));
  };

  /** `socket`: a connection that is under way. */
  constructor(socket: Socket, position: number, host: string, port: number) {
    this.position = position;
    this.#onError = (error) => { this.fail(networkError('ftp', error, host, port)); };
    this.#socket = socket;
    this.#listen(socket);
  }

  /**
   * The server has said that it sends; `encrypted` makes of the connection the one that is read from. Not before: a server that sees something
   * come from the client, when it has not been told yet that it is to send, may end the connection (RFC 4217, section 12.5, has the command first).
   */
  encrypt(encrypted: (plain: Socket) => Socket): void {
    if (this.#failure !== undefined) {
      // Whatever came unencrypted is nobody's word.
      this.#held = [];
      return;
    }
    const plain = this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    this.#socket = encrypted(plain);
    this.#listen(this.#socket);
  }

  /** Hands over the next `length` bytes, in pieces. Fewer where the data ends; gives back how many. One at a time. */
  async read(length: number, take: (chunk: Uint8Array) => void): Promise<number> {
    const wanted: Wanted = { take, left: length, wake: () => undefined };
    const arrived = new Promise<void>((resolve) => { Object.assign(wanted, { wake: resolve }); });
    this.#wanted = wanted;
    this.#serve();
    if (wanted.left > 0 && !this.#ended && this.#failure === undefined) {
      this.#socket.resume();
      await arrived;
    }
    this.#wanted = undefined;
    if (wanted.left > 0 && this.#failure !== undefined) throw this.#failure;
    return length - wanted.left;
  }

  /** Nothing more will come; what came can still be read. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
    this.#salvage();
    this.#wanted?.wake();
  }

  /** No more of it is wanted. */
  close(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #listen(socket: Socket): void {
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose).pause();
  }

  /** A socket that was held back has bytes that came before it broke: it tells nobody of them any more, but gives them to whoever asks. */
  #salvage(): void {
    const socket = this.#socket.off('data', this.#onData);
    for (let chunk = socket.read() as Uint8Array | null; chunk !== null; chunk = socket.read() as Uint8Array | null) this.#held.push(chunk);
    this.#serve();
  }

  #serve(): void {
    const wanted = this.#wanted;
    while (wanted !== undefined && wanted.left > 0 && this.#held.length > 0) {
      const [chunk] = this.#held;
      const part = chunk.length <= wanted.left ? chunk : chunk.subarray(0, wanted.left);
      if (part === chunk) this.#held.shift();
      else this.#held[0] = chunk.subarray(part.length);
      wanted.left -= part.length;
      this.position += part.length;
      wanted.take(part);
    }
    if (wanted === undefined || wanted.left > 0) return;
    this.#socket.pause();
    wanted.wake();
  }
}
