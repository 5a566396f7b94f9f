/** Addresses of buffers, for calls that take them as numbers, and the vectors that `preadv2` reads them from. */

/** Buffers in one vectored call. */
export const MAX_VECTORS = 256;

/**
 * Where buffers lie. The bytes of an `ArrayBuffer` stay where they are for as long as it lives, so an address is asked for
 * once; whoever hands it to the kernel keeps the buffer alive until the call is done.
 */
export class Addresses {
  readonly #known = new WeakMap<ArrayBufferLike, number>();
  #last: ArrayBufferLike | undefined;
  #lastAddress = 0;

  constructor(private readonly addressOf: (bytes: Uint8Array) => bigint) {}

  /** Address of `buffer[start]`. Throws where `length` bytes do not lie there: a wrong length would overwrite memory. */
  of(buffer: Uint8Array, start: number, length: number): number {
    if (start < 0 || length < 0 || start + length > buffer.byteLength) {
      throw new RangeError(`${length} bytes at ${start} are not within a buffer of ${buffer.byteLength}`);
    }
    const store = buffer.buffer;
    if (store !== this.#last) {
      this.#lastAddress = this.#find(store);
      this.#last = store;
    }
    return this.#lastAddress + buffer.byteOffset + start;
  }

  #find(store: ArrayBufferLike): number {
    const known = this.#known.get(store);
    if (known !== undefined) return known;
    const address = Number(this.addressOf(new Uint8Array(store)));
    this.#known.set(store, address);
    return address;
  }
}

/** An array of `struct iovec` outside the reach of the garbage collector, used anew by every call. */
export class Vectors {
  readonly #words = new Uint32Array(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer, 0, MAX_VECTORS * 4);
  readonly address: number;

  constructor(private readonly addresses: Addresses) {
    this.address = addresses.of(new Uint8Array(this.#words.buffer), 0, 0);
  }

  /** Fills the first vector. */
  one(buffer: Uint8Array, start: number, length: number): void {
    this.#put(0, this.addresses.of(buffer, start, length), length);
  }

  /** Fills the first vectors; at most `MAX_VECTORS`. The result is how many there are. */
  many(buffers: readonly Uint8Array[]): number {
    const count = Math.min(buffers.length, MAX_VECTORS);
    for (let i = 0; i < count; i++) {
      const buffer = buffers[i];
      this.#put(i, this.addresses.of(buffer, 0, buffer.byteLength), buffer.byteLength);
    }
    return count;
  }

  /** Both halves of both members; every machine that the helper runs on is little-endian with 64-bit addresses. */
  #put(index: number, address: number, length: number): void {
    const words = this.#words;
    const at = index * 4;
    words[at] = address >>> 0;
    words[at + 1] = (address / 4294967296) >>> 0;
    words[at + 2] = length >>> 0;
    words[at + 3] = (length / 4294967296) >>> 0;
  }
}
