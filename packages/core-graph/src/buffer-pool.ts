/**
 * Reusable buffers for bulk data.
 *
 * They lie in non-growing `WebAssembly.Memory`s: page-aligned, so that they serve O_DIRECT without native code, and never
 * moved. Only touched pages cost memory. A pool that is used up hands out ordinary buffers, which `give` lets go.
 */

const PAGE = 4096;
const SMALLEST = 12;
const LARGEST = 22;
const MAX_ARENAS = 16;

export class BufferPool {
  readonly #arenaBytes: number;
  readonly #arenas: ArrayBuffer[] = [];
  #top = 0;
  readonly #free: Uint8Array[][] = [];

  /** `arenaBytes`: size of one arena, rounded up to 64 KiB. Nothing is allocated before the first `take`. */
  constructor(arenaBytes = 32 * 1024 * 1024) {
    this.#arenaBytes = Math.ceil(Math.max(arenaBytes, 2 ** LARGEST) / 65536) * 65536;
    for (let order = 0; order <= LARGEST; order++) this.#free.push([]);
  }

  /** A buffer of at least `bytes` (its length is the next power of two up to 4 MiB), with undefined content. */
  take(bytes: number): Uint8Array {
    const order = Math.max(SMALLEST, Math.ceil(Math.log2(bytes)));
    if (order > LARGEST) return new Uint8Array(bytes);
    return this.#free[order]?.pop() ?? this.#carve(2 ** order);
  }

  /** Takes a buffer of `take` back. The caller must not touch it, nor any view of it, afterwards. */
  give(buffer: Uint8Array): void {
    const order = Math.log2(buffer.length);
    if (Number.isInteger(order) && this.#owns(buffer)) this.#free[order]?.push(buffer);
  }

  /** Whether `buffer[start]` certainly lies at an address that is a multiple of `alignment` (at most the page size). */
  isAligned(buffer: Uint8Array, start: number, alignment: number): boolean {
    return (buffer.byteOffset + start) % alignment === 0 && this.#owns(buffer);
  }

  #owns(buffer: Uint8Array): boolean {
    return this.#arenas.includes(buffer.buffer as ArrayBuffer);
  }

  #carve(length: number): Uint8Array {
    const step = Math.max(length, PAGE);
    if (this.#arenas.length === 0 || this.#top + step > this.#arenaBytes) {
      // An ordinary buffer of its own: right everywhere but for O_DIRECT, whose bounce buffers are small and few.
      if (this.#arenas.length === MAX_ARENAS) return new Uint8Array(length);
      const pages = this.#arenaBytes / 65536;
      this.#arenas.push(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
      this.#top = 0;
    }
    const start = this.#top;
    this.#top += step;
    return new Uint8Array(this.#arenas[this.#arenas.length - 1], start, length);
  }
}
