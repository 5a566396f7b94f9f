/** What the graph and the embedder lend to a driver while it opens or creates an image. */
import type { ThrottleGroups } from '@blk/throttle';
import type { BufferPool } from './buffer-pool.js';
import type { Clock } from './clock.js';
import type { MaybePromise } from './completion.js';
import type { LongWork } from './driver-node.js';
import type { Edge } from './edge.js';
import type { BlockNode } from './node.js';
import type { ImagePolicy } from './policy.js';

/** How a child serves its parent; decides permissions, and which options are handed down. */
export type ChildRole =
  /** Holds metadata and data of a format (`file` of qcow2). */
  | 'storage'
  /** Holds data only (an external data file). */
  | 'data'
  /** Supplies what the image does not hold. Opened read-only. */
  | 'backing'
  /** The same bytes as the parent (`file` of raw, a filter's child). */
  | 'filtered';

/** What the graph lends to a driver while it opens an image. */
export interface OpenContext {
  /** Name of the node that is being opened. */
  readonly nodeName: string;
  /** The image must not be written. */
  readonly readOnly: boolean;
  readonly cache: CacheMode;
  /** Hand discards to the host (`discard=unmap`). */
  readonly discard: boolean;
  /** The format was guessed from the content rather than named: guests must not be able to change the guess. */
  readonly probed: boolean;
  /** Name of the format that an image beginning with `head` (up to `PROBE_BYTES`) would be taken for, or undefined. */
  formatOf(head: Uint8Array, filename: string): string | undefined;
  /** Nobody else is kept from the image, and nobody keeps us (`force-share`). */
  readonly forceShare: boolean;
  /** Only metadata will be asked for; data need not be reachable (`info` on an image whose parts are missing). */
  readonly noIo: boolean;
  /** The image is opened to be checked: what `check` reports, and may repair, is no reason to refuse it. */
  readonly checking: boolean;
  readonly policy: ImagePolicy;
  readonly pool: BufferPool;
  readonly host: Host;
  readonly signal: AbortSignal | undefined;
  /** Finds the bytes of a secret. */
  readonly secret: SecretLookup;
  /** Finds credentials for TLS; undefined: there are none. */
  readonly credentials?: CredentialLookup | undefined;
  /** Groups that share limits of I/O. */
  readonly throttling: ThrottleGroups;
  /**
   * Opens a child from an option value (a node name or a nested definition) and attaches it as `name`.
   * If `open` throws later, the graph detaches it again.
   */
  child(name: string, reference: unknown, role: ChildRole): Promise<Edge>;
  /** Reports a defect found in the image; the graph passes it on as `BLOCK_IMAGE_CORRUPTED`. */
  corrupted(report: CorruptionReport): void;
  /** Reports that the children of a quorum differ; passed on as `QUORUM_FAILURE` or `QUORUM_REPORT_BAD`. */
  quorum(report: QuorumReport): void;
  /** Says something to people that is no error. */
  warn(message: string): void;
}

export interface CacheMode {
  /** Writes complete before they are on stable storage. */
  readonly writeback: boolean;
  /** Bypass the page cache of the host (O_DIRECT). */
  readonly direct: boolean;
  /** Ignore flush requests: data is lost when the host fails. */
  readonly noFlush: boolean;
}

export interface CorruptionReport {
  readonly message: string;
  readonly fatal: boolean;
  readonly offset?: number;
  readonly size?: number;
}

/** What a driver of redundant images found about one request; offset and length in bytes. */
export type QuorumReport =
  | { readonly what: 'failure'; readonly offset: number; readonly length: number }
  | {
      readonly what: 'bad';
      readonly operation: 'read' | 'write' | 'flush';
      /** Name of the child's node. */
      readonly child: string;
      /** Absent: it answered, and differs from the others. */
      readonly error?: Error;
      readonly offset: number;
      readonly length: number;
    };

/** What the embedder hands in, so that tests can own it. */
export interface Host extends Clock {
  /** By which rates are limited and requests timed: throttling, jobs, statistics. The host's own, unless another is handed in. */
  readonly clock: Clock;
  /** Fills with random bytes. */
  random(into: Uint8Array<ArrayBuffer>): void;
  warn(message: string): void;
}

/**
 * Finds the bytes of a secret by its id: passphrases and keys, which options only name. Throws kind `not-found` where there is none
 * of this id. Whoever asks must neither change the bytes nor put them into a message.
 */
export type SecretLookup = (id: string) => MaybePromise<Uint8Array>;

/**
 * Finds credentials for TLS by the id of their object, for a client. What they consist of is between whoever made them and the driver
 * that asks. Throws where there are none of this id, or they are for a server.
 */
export type CredentialLookup = (id: string) => MaybePromise<object>;

/** What `create` may use. */
export interface CreateContext {
  /** Makes a further file beside the image, without content, and lends it, writable and growable, until `create` ends. */
  file(filename: string): Promise<Edge>;
  /**
   * Opens an image that the new one will name, whose name is as the new one has it; read-only, without its backing file, until `create`
   * ends. Without `format` it is the one that the image looks like.
   */
  image(filename: string, format: string | undefined): Promise<BlockNode>;
  readonly pool: BufferPool;
  readonly host: Host;
  readonly signal: AbortSignal | undefined;
  /** For what takes long: preallocation. */
  readonly work?: LongWork | undefined;
  /** Finds the bytes of a secret. */
  readonly secret: SecretLookup;
}
