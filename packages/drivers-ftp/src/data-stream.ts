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

  constructor(
    private readonly socket: Socket,
    position: number,
    host: string,
    port: number,
  ) {
    this.position = position;
    socket.on('data', (chunk: Uint8Array) => {
      this.#held.push(chunk);
      this.#serve();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wanted?.wake();
    });
    socket.on('error', (error) => { this.fail(networkError('ftp', error, host, port)); });
    socket.on('close', () => { if (!this.#ended) this.fail(ftpError('io', 'data', 'The server closed the connection in the middle of the file')); });
    socket.pause();
  }

  /** Hands over the next `length` bytes, in pieces. Fewer where the data ends; gives back how many. One at a time. */
  async read(length: number, take: (chunk: Uint8Array) => void): Promise<number> {
    const wanted: Wanted = { take, left: length, wake: () => undefined };
    const arrived = new Promise<void>((resolve) => { Object.assign(wanted, { wake: resolve }); });
    this.#wanted = wanted;
    this.#serve();
    if (wanted.left > 0 && !this.#ended && this.#failure === undefined) {
      this.socket.resume();
      await arrived;
    }
    this.#wanted = undefined;
    if (wanted.left > 0 && this.#failure !== undefined) throw this.#failure;
    return length - wanted.left;
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.socket.destroy();
    this.#wanted?.wake();
  }

  /** No more of it is wanted. */
  close(): void {
    this.#ended = true;
    this.socket.destroy();
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
    this.socket.pause();
    wanted.wake();
  }
}
