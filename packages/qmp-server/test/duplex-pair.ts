/** Two streams, each of which reads what is written to the other; a slow reader holds the writer up. */
import { Duplex } from 'node:stream';

class Side extends Duplex {
  other!: Side;
  #taken: (() => void) | undefined;

  override _read(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.other.#give(chunk, done);
  }
  override _final(done: () => void): void {
    this.other.push(null);
    done();
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // As of a socket: the other side sees the end.
    if (!this.other.readableEnded && !this.other.destroyed) this.other.push(null);
    this.#taken?.();
    done(error);
  }

  #give(chunk: Buffer, done: () => void): void {
    if (this.destroyed) done();
    else if (this.push(chunk)) done();
    else this.#taken = done;
  }
}

export function duplexPair(): [Duplex, Duplex] {
  const [a, b] = [new Side(), new Side()];
  a.other = b;
  b.other = a;
  return [a, b];
}
