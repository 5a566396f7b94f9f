/** The embedder's face: an open image with plain promises. A thin skin over a backend. */
import type { Backend } from './backend.js';
import type { BlockDriver } from './driver.js';
import type { TruncateOptions } from './driver-node.js';
import { BlockError } from './errors.js';
import type { ChainExtent } from './extent.js';
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
  const { drivers, writable = false, policy, pool, host, secrets, ...open } = options;
  const graph = new BlockGraph({
    drivers,
    ...(policy ? { policy } : {}),
    ...(pool ? { pool } : {}),
    ...(host ? { host } : {}),
    ...(secrets ? { secrets } : {}),
  });
  const backend = await graph.openBackend(source, { ...open, readOnly: !writable, writable, resizable: writable });
  return new Image(graph, backend);
}

/** An open image. All offsets and lengths are bytes; all methods may be called at the same time. */
export class Image {
  constructor(
    /** The graph behind the image, for what this face does not show. */
    readonly graph: BlockGraph,
    readonly backend: Backend,
  ) {}

  /** Length of the disk in bytes. */
  get size(): number {
    return this.backend.size;
  }
  /** Name of the format. */
  get format(): string {
    return this.backend.root.driverName;
  }

  /** The bytes from `offset`, in a buffer of their own or in `into`, which is returned then. */
  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    if (into !== undefined && into.length < length) {
      throw new BlockError('invalid-argument', `Buffer of ${into.length} bytes is too short for ${length}`);
    }
    // Nothing is allocated for a range that is not there.
    this.backend.checkRange(offset, length);
    const bytes = into ?? new Uint8Array(length);
    const done = this.backend.read(offset, bytes, 0, length);
    if (done !== undefined) await done;
    return bytes;
  }

  /** Stores `bytes` at `offset`. The buffer is the caller's again when the promise settles. */
  async write(offset: number, bytes: Uint8Array, options: { readonly fua?: boolean } = {}): Promise<void> {
    const done = this.backend.write(offset, bytes, 0, bytes.length, options.fua === true ? WriteFlag.Fua : 0);
    if (done !== undefined) await done;
  }

  /** Makes a range read as zeroes; `unmap` allows that its space is given back. */
  async writeZeroes(offset: number, length: number, options: { readonly unmap?: boolean } = {}): Promise<void> {
    const done = this.backend.writeZeroes(offset, length, options.unmap === true ? WriteFlag.MayUnmap : 0);
    if (done !== undefined) await done;
  }

  /** Says that the content of a range is no longer needed. Needs `discard: true` at open. */
  async discard(offset: number, length: number): Promise<void> {
    const done = this.backend.discard(offset, length);
    if (done !== undefined) await done;
  }

  /** Puts everything written so far on stable storage. */
  async flush(): Promise<void> {
    const done = this.backend.flush();
    if (done !== undefined) await done;
  }

  /** What the disk is made of: data, zeroes, and from which image of the backing chain. */
  extents(offset = 0, length = this.size - offset): AsyncIterable<ChainExtent> {
    return this.backend.extents(offset, length);
  }

  async resize(size: number, options?: TruncateOptions): Promise<void> {
    await this.backend.truncate(size, options);
  }

  /** A web stream of the content. */
  readable(options?: ReadableOptions): ReadableStream<Uint8Array> {
    return readableOf(this.backend, options);
  }

  /** A web stream that stores what is written to it, from `offset` on; closing it flushes. */
  writable(options: { readonly offset?: number } = {}): WritableStream<Uint8Array> {
    return writableOf(this.backend, options.offset ?? 0);
  }

  /** Flushes and closes. */
  async close(): Promise<void> {
    await this.backend.close();
    await this.graph.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
