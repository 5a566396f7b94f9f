/** What each byte of an image may be, where requests overlap and fail: a set of values below 32. */

export class PossibleBytes {
  readonly #now: Uint32Array;
  /** What may be there where everything since the last flush is in doubt. */
  readonly #since: Uint32Array;

  constructor(size: number, initial: number) {
    this.#now = new Uint32Array(size).fill(bit(initial));
    this.#since = this.#now.slice();
  }

  /** A request that is about to begin may put `value` there. */
  mayBe(offset: number, length: number, value: number): void {
    for (const masks of [this.#now, this.#since]) for (let at = offset; at < offset + length; at++) masks[at] |= bit(value);
  }

  /** Requests that ran together are over: where one of them is `sure`, nothing older is left. */
  done(changes: readonly { readonly offset: number; readonly length: number; readonly value: number; readonly sure: boolean }[]): void {
    for (const { offset, length, sure } of changes) if (sure) this.#now.fill(0, offset, offset + length);
    for (const { offset, length, value } of changes) for (let at = offset; at < offset + length; at++) this.#now[at] |= bit(value);
  }

  /** A flush succeeded, with nothing under way. */
  flushed(): void {
    this.#since.set(this.#now);
  }

  /** The image is gone without having been closed. */
  backToFlushed(): void {
    this.#now.set(this.#since);
  }

  /** Throws for the first byte that is none of those it may be. */
  check(offset: number, found: Uint8Array, when: string): void {
    for (let at = 0; at < found.length; at++) {
      if (found[at] < 32 && (this.#now[offset + at] & bit(found[at])) !== 0) continue;
      throw new Error(`${when}, byte ${offset + at} is ${found[at]}, allowed are ${values(this.#now[offset + at]).join(', ')}`);
    }
  }

  /** The same; from then on each byte is what it was read as. */
  settle(offset: number, found: Uint8Array, when: string): void {
    this.check(offset, found, when);
    for (let at = 0; at < found.length; at++) this.#now[offset + at] = bit(found[at]);
  }

  /** The bytes, where each can be but one; of others the smallest. */
  certain(): Uint8Array {
    return Uint8Array.from(this.#now, (mask) => 31 - Math.clz32(mask & -mask));
  }
}

function bit(value: number): number {
  return (1 << value) >>> 0;
}

function values(mask: number): number[] {
  return Array.from({ length: 32 }, (_, value) => value).filter((value) => (mask & bit(value)) !== 0);
}
