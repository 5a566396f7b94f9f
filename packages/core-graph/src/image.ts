/** The embedder's face: an open image with plain promises. A thin skin over a backend. */
import type { Backend } from './backend.js';
import type { BlockDriver } from './driver.js';
import type { TruncateOptions } from './driver-node.js';
import { BlockError } from './errors.js';
import type { ChainExtent } from './extent.js';
import { checkBytes, checkFaceOptions, checkPlace } from './face-arguments.js';
import { WriteFlag } from './flags.js';
import { BlockGraph } from './graph.js';
import type { GraphOptions, OpenOptions } from './graph-options.js';
import type { Definition } from './open/definition.js';
import { readableOf, writableOf, type ReadableOptions } from './streams.js';

export interface OpenImageOptions extends Omit<OpenOptions, 'readOnly'>, Omit<GraphOptions, 'drivers' | 'policy'> {
  readonly drivers: readonly BlockDriver[];
  /** Open for writing; images are opened read-only unless asked. */
  readonly writable?: boolean;
}

/**
 * Opens an image by file name or definition. Close it, or declare it with `await using`.
 *
 * @throws BlockError where the image can't be opened or is not what it should be.
 */
export async function openImage(source: string | Definition, options: OpenImageOptions): Promise<Image> {
  checkFaceOptions(options);
  const { drivers, writable = false, policy, pool, host, secrets, credentials, ...open } = options;
  const graph = new BlockGraph({
    drivers,
    ...(policy ? { policy } : {}),
    ...(pool ? { pool } : {}),
    ...(host ? { host } : {}),
    ...(secrets ? { secrets } : {}),
    ...(credentials ? { credentials } : {}),
  });
  const backend = await graph.openBackend(source, { ...open, readOnly: !writable, writable, resizable: writable });
  return new Image(graph, backend);
}

/** An open image. All offsets and lengths are bytes; all methods may be called at the same time. */
export class Image {
  #closed = false;

  constructor(
    /** The graph behind the image, for what this face does not show. */
    readonly graph: BlockGraph,
    readonly backend: Backend,
  ) {}

  /** Length of the disk in bytes. */
  get size(): number {
    return this.#open.size;
  }
  /** Name of the format. */
  get format(): string {
    return this.#open.root.driverName;
  }

  /** Throws kind `closed` where it was closed; a backend would miss its medium. */
  get #open(): Backend {
    if (this.#closed) throw new BlockError('closed', 'The image was closed');
    return this.backend;
  }
  /** The same, and kind `read-only` where the image was not opened for writing. */
  get #writable(): Backend {
    const backend = this.#open;
    if (backend.readOnly) throw new BlockError('read-only', 'The image is open read-only; the option `writable: true` opens it for writing');
    return backend;
  }

  /** The bytes from `offset`, in a buffer of their own or in `into`, which is returned then. */
  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const backend = this.#open;
    checkPlace(offset, length);
    if (into !== undefined) {
      checkBytes(into);
      if (into.length < length) throw new BlockError('invalid-argument', `Buffer of ${into.length} bytes is too short for ${length}`);
    }
    // Nothing is allocated for a range that is not there.
    backend.checkRange(offset, length);
    const bytes = into ?? new Uint8Array(length);
    const done = backend.read(offset, bytes, 0, length);
    if (done !== undefined) await done;
    return bytes;
  }

  /** Stores `bytes` at `offset`. The buffer is the caller's again when the promise settles. */
  async write(offset: number, bytes: Uint8Array, options: { readonly fua?: boolean } = {}): Promise<void> {
    const backend = this.#writable;
    checkBytes(bytes);
    checkPlace(offset, bytes.length);
    const done = backend.write(offset, bytes, 0, bytes.length, options.fua === true ? WriteFlag.Fua : 0);
    if (done !== undefined) await done;
  }

  /** Makes a range read as zeroes; `unmap` allows that its space is given back. */
  async writeZeroes(offset: number, length: number, options: { readonly unmap?: boolean } = {}): Promise<void> {
    const backend = this.#writable;
    checkPlace(offset, length);
    const done = backend.writeZeroes(offset, length, options.unmap === true ? WriteFlag.MayUnmap : 0);
    if (done !== undefined) await done;
  }

  /** Says that the content of a range is no longer needed. Needs `discard: true` at open. */
  async discard(offset: number, length: number): Promise<void> {
    const backend = this.#writable;
    checkPlace(offset, length);
    const done = backend.discard(offset, length);
    if (done !== undefined) await done;
  }

  /** Puts everything written so far on stable storage. */
  async flush(): Promise<void> {
    const done = this.#open.flush();
    if (done !== undefined) await done;
  }

  /** What the disk is made of: data, zeroes, and from which image of the backing chain. */
  extents(offset = 0, length = this.size - offset): AsyncIterable<ChainExtent> {
    const backend = this.#open;
    checkPlace(offset, length);
    backend.checkRange(offset, length);
    return backend.extents(offset, length);
  }

  async resize(size: number, options?: TruncateOptions): Promise<void> {
    await this.#writable.truncate(size, options);
  }

  /** A web stream of the content. */
  readable(options?: ReadableOptions): ReadableStream<Uint8Array> {
    return readableOf(this.#open, options);
  }

  /** A web stream that stores what is written to it, from `offset` on; closing it flushes. */
  writable(options: { readonly offset?: number } = {}): WritableStream<Uint8Array> {
    return writableOf(this.#writable, options.offset ?? 0);
  }

  /** Flushes and closes; what is under way is waited for. Closing again does nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.backend.close();
    await this.graph.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
