/**
 * Standard output and standard error. Making Node's stream of either takes 2 ms, a twentieth of what a short command takes; so texts are written to the
 * descriptor until somebody needs the stream: for bytes, or because the descriptor does not wait.
 */
import { writeSync } from 'node:fs';

export class Outlet {
  #stream: NodeJS.WriteStream | undefined;

  /** `open` gives the stream; `failed` is told why nothing more can be written. */
  constructor(
    private readonly fd: number,
    private readonly open: () => NodeJS.WriteStream,
    private readonly failed: (error: NodeJS.ErrnoException) => void,
  ) {}

  text(text: string): void {
    if (this.#stream !== undefined) {
      this.#stream.write(text);
      return;
    }
    let left: Uint8Array = Buffer.from(text);
    try {
      while (left.length > 0) left = left.subarray(writeSync(this.fd, left));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') this.stream().write(left);
      else this.failed(error as NodeJS.ErrnoException);
    }
  }

  /** Resolves when the stream has taken them. */
  bytes(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stream().write(bytes, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** The stream, from now on the only way. */
  stream(): NodeJS.WriteStream {
    if (this.#stream === undefined) {
      this.#stream = this.open();
      this.#stream.on('error', this.failed);
    }
    return this.#stream;
  }

  /** Calls back when everything is out. */
  finish(done: () => void): void {
    if (this.#stream === undefined) done();
    else this.#stream.write('', done);
  }
}
