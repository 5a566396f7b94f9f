/** What an image should be: one array of bytes, some of which may be uncertain after a discard. */

export class BytesModel {
  bytes: Uint8Array;
  /** 1 where the byte is either the one in `bytes`, zero, or the one that the image began with. */
  #uncertain: Uint8Array;
  readonly #initial: Uint8Array;

  constructor(initial: Uint8Array) {
    this.#initial = initial.slice();
    this.bytes = initial.slice();
    this.#uncertain = new Uint8Array(initial.length);
  }

  get size(): number {
    return this.bytes.length;
  }

  /** Bytes that reading the range must give; zeroes beyond the end. */
  expected(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    bytes.set(this.bytes.subarray(offset, offset + length));
    return bytes;
  }

  /** Stores bytes; grows where they pass the end. */
  write(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.size) this.resize(offset + bytes.length);
    this.bytes.set(bytes, offset);
    this.#uncertain.fill(0, offset, offset + bytes.length);
  }

  zero(offset: number, length: number): void {
    this.write(offset, new Uint8Array(length));
  }

  /** From now on the range may read as before, as zeroes, or as it was at first. */
  forget(offset: number, length: number): void {
    this.#uncertain.fill(1, offset, offset + length);
  }

  /** Cuts or grows; what is new is zero. */
  resize(size: number): void {
    this.bytes = sized(this.bytes, size);
    this.#uncertain = sized(this.#uncertain, size);
  }

  /** Takes over from `actual` what may be so: uncertain bytes are certain once they were read. */
  settle(offset: number, actual: Uint8Array): void {
    const end = Math.min(offset + actual.length, this.size);
    for (let at = this.#uncertain.indexOf(1, offset); at >= 0 && at < end; at = this.#uncertain.indexOf(1, at)) {
      const byte = actual[at - offset];
      if (byte === 0 || byte === this.#initial[at]) this.bytes[at] = byte;
      this.#uncertain[at] = 0;
    }
  }
}

function sized(bytes: Uint8Array, size: number): Uint8Array {
  if (size <= bytes.length) return bytes.slice(0, size);
  const larger = new Uint8Array(size);
  larger.set(bytes);
  return larger;
}
