/**
 * One open Blob. Reading one takes a turn of the event loop, however little is read; small reads therefore fetch the
 * window around them, and the last few windows are kept, so that tables and sequential reads mostly complete at once.
 */
import { BlockError, dataExtent, NO_LIMITS, systemError, type Completion, type DriverNode, type Extent } from '@blk/core-graph';

/** Bytes of one window, and how many are kept. */
const WINDOW = 64 * 1024;
const KEPT = 16;

export class BlobNode implements DriverNode {
  readonly limits = NO_LIMITS;
  readonly filename: string;
  readonly size: number;
  /** Windows by number, the one fetched last at the end. */
  readonly #windows = new Map<number, Uint8Array>();
  readonly #fetching = new Map<number, Promise<Uint8Array>>();

  constructor(private readonly blob: Blob) {
    this.size = blob.size;
    const { name } = blob as { name?: unknown };
    this.filename = typeof name === 'string' ? `blob:${name}` : 'blob:';
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (length >= WINDOW) return this.#readThrough(offset, buffer, start, length);
    const index = Math.floor(offset / WINDOW);
    const within = offset - index * WINDOW;
    if (within + length > WINDOW) return this.#readTwo(offset, buffer, start, length, WINDOW - within);
    const window = this.#windows.get(index);
    if (window === undefined) return this.#readWindow(index, within, buffer, start, length);
    buffer.set(window.subarray(within, within + length), start);
  }

  extent(offset: number, length: number): Extent {
    return dataExtent(length, offset);
  }

  allocatedSize(): number {
    return this.size;
  }

  async close(): Promise<void> {
    this.#windows.clear();
  }

  async #readThrough(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    buffer.set(await this.#fetch(offset, length), start);
  }

  async #readTwo(offset: number, buffer: Uint8Array, start: number, length: number, first: number): Promise<void> {
    const left = this.read(offset, buffer, start, first);
    const right = this.read(offset + first, buffer, start + first, length - first);
    // Both have to be over before the buffer is the caller's again, also where one fails.
    const failed = (await Promise.allSettled([left, right])).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #readWindow(index: number, within: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    let fetching = this.#fetching.get(index);
    if (fetching === undefined) {
      fetching = this.#fetchWindow(index);
      this.#fetching.set(index, fetching);
    }
    const window = await fetching;
    buffer.set(window.subarray(within, within + length), start);
  }

  async #fetchWindow(index: number): Promise<Uint8Array> {
    try {
      const window = await this.#fetch(index * WINDOW, Math.min(WINDOW, this.size - index * WINDOW));
      this.#windows.set(index, window);
      if (this.#windows.size > KEPT) this.#windows.delete(this.#windows.keys().next().value as number);
      return window;
    } finally {
      this.#fetching.delete(index);
    }
  }

  async #fetch(offset: number, length: number): Promise<Uint8Array> {
    const what = `Could not read ${length} bytes at ${offset} of the Blob`;
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
    } catch (error) {
      // The file behind a File can change or go away; browsers then refuse to read it.
      throw systemError(what, error, { driver: 'blob' });
    }
    if (bytes.length !== length) throw new BlockError('io', `${what}: it gave ${bytes.length}`, { driver: 'blob' });
    return bytes;
  }
}
