/**
 * The contract between the graph and a block driver: one format, protocol or filter.
 *
 * A driver is a value (`BlockDriver`), not a class to extend; an open image is a `DriverNode`. Required members say what
 * every image can do. An absent optional member means "the node emulates it". The node in front has seen to bounds,
 * alignment, permissions, splitting and serialising of overlapping requests where that is needed, so a driver may trust
 * its arguments, and only them: the bytes of the image itself are hostile.
 */
import type { ThrottleGroups } from '@blk/throttle';
import type { Clock } from './clock.js';
import type { Breakpoints } from './breakpoints.js';
import type { BufferPool } from './buffer-pool.js';
import type { AmendContext, CheckOptions, CheckResult } from './check.js';
import type { Completion, MaybePromise } from './completion.js';
import type { DebugEvent } from './debug-event.js';
import type { Edge } from './edge.js';
import type { Extent } from './extent.js';
import type { Access, NodeLimits } from './flags.js';
import type { BlockNode } from './node.js';
import type { OptionSpec, OptionTable } from './options/spec.js';
import type { PersistentBitmaps } from './persistent-bitmaps.js';
import type { ImagePolicy } from './policy.js';
import type { InternalSnapshots } from './snapshots.js';

/** One open image, as its driver sees it. */
export interface DriverNode {
  /** Length in bytes. Changes in `truncate`, and in `write` where `growable`. */
  readonly size: number;
  readonly limits: NodeLimits;
  /** Writes may pass the end and extend the image (a file). */
  readonly growable?: boolean;
  /** What was never written reads as noise rather than zeroes: an encrypted disk. */
  readonly startsAsNoise?: boolean;
  /** `WriteFlag`s that `write` honours by itself; the node emulates Fua by a flush. */
  readonly writeFlags?: number;
  /** `WriteFlag`s that `writeZeroes` honours by itself. */
  readonly zeroFlags?: number;

  /**
   * Fills `buffer[start, start + length)` from `offset`. The range lies inside `size`. The buffer belongs to the caller
   * and is not touched after completion.
   */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  /** Stores `buffer[start, start + length)` at `offset`. Absent: the driver is read-only. */
  write?(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion;
  /** The same for several buffers whose lengths add up to the request. Absent: the node calls `read` for each. */
  readv?(offset: number, buffers: readonly Uint8Array[]): Completion;
  writev?(offset: number, buffers: readonly Uint8Array[], flags: number): Completion;
  /** Makes the range read as zeroes. Throws kind `unsupported` where only writing zero bytes would do. */
  writeZeroes?(offset: number, length: number, flags: number): Completion;
  /** Gives space back; what is read afterwards is up to the driver. Absent: discards are ignored. */
  discard?(offset: number, length: number): Completion;
  /** Puts everything written on stable storage, own metadata first, then children. Absent: the node flushes children. */
  flush?(): Completion;
  /** Writes cached metadata to the children without waiting for stable storage. */
  flushToOs?(): Completion;
  /** The extent at `offset`, at most `length` long. Absent: all data. */
  extent?(offset: number, length: number): MaybePromise<Extent>;
  /** Formats whose data is in several files: the child that holds what is at `offset`; `hostOffset` counts in it. Absent: `file` does. */
  dataChild?(offset: number): Edge | undefined;
  /** Changes the size. Growth reads as zeroes. Throws before it changes anything where it can't. */
  truncate?(size: number, options: TruncateOptions): Promise<void>;

  /** Formats with copy-on-write: what the image records about its backing file. */
  readonly recordedBacking?: RecordedBacking | undefined;
  /** Called by the graph with the backing child whenever it changes; undefined: unallocated ranges read as zeroes. */
  setBacking?(child: Edge | undefined): void;
  /** Writes another backing file name into the image (and only that). */
  changeBackingFile?(backing: RecordedBacking | undefined): Promise<void>;

  /**
   * Looks for what does not fit together, and repairs as far as asked and allowed; the image must be writable for that. Throws
   * where the check could not be done, or what it needs first could not be repaired. Absent: the format has no checks.
   */
  check?(options: CheckOptions): Promise<CheckResult>;
  /**
   * Changes properties of the format; `options` are those of the driver's `amendOptions`, checked. Throws before it changes anything
   * where it can't. The caller has seen to it that nobody else uses the image meanwhile.
   */
  amend?(options: Readonly<Record<string, unknown>>, context: AmendContext): Promise<void>;
  /** Formats that keep snapshots inside the image. */
  readonly snapshots?: InternalSnapshots;
  /** Formats that keep dirty bitmaps inside the image. */
  readonly persistentBitmaps?: PersistentBitmaps;
  /** Leaves the whole disk to the backing file, and gives the space back: what `commit` does to an image whose content it moved. */
  empty?(): Promise<void>;

  /** Filters that hold requests back: none waits until `resume` was called as often. For drained sections, and for the end. */
  quiesce?(): void;
  resume?(): void;
  /** Permissions that a filter needs of its child for itself, beyond what its parents do. */
  readonly childPermissions?: number;
  /** Takes or gives up locks for changed permissions. Throws, with nothing changed, where another process objects. */
  prepareAccess?(access: Access): PreparedAccess;
  /** What `info` shows about this image. */
  info?(): MaybePromise<DriverImageInfo>;
  /** Bytes that the image takes on the host. Absent: the sum over the children that hold data. */
  allocatedSize?(): MaybePromise<number>;
  /**
   * The state of a virtual machine, which some formats keep behind the disk's content: whole sectors at an offset into that
   * state. What was never written reads as zeroes. Absent: the format holds none.
   */
  readVmState?(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  /** The same way; the node is drained meanwhile. */
  writeVmState?(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  /**
   * Drivers for tests: told what a parent, or the node in front, is about to do; it goes on when this completes. Never fails. Absent: nobody
   * listens, and nobody is told. There from the beginning, or never.
   */
  event?(event: DebugEvent): Completion;
  /** Drivers for tests: stops requests on their way. */
  readonly breakpoints?: Breakpoints;
  /** Drives whose media people take out and put in. */
  readonly medium?: Medium;
  /** Statistics of driver-specific caches and the like, for people. */
  readonly filename?: string;

  /** Flushes what is unwritten, and releases what `open` acquired. The graph detaches the children afterwards. */
  close(): Promise<void>;
}

/** What is in a drive, and what the drive does with it. */
export interface Medium {
  /** Whether one is in, as far as was found out. The node's size is then its size. */
  readonly inserted: boolean;
  /** Opens the tray, or closes it, and looks what is in then. Throws where it is locked, or nothing moves it. */
  moveTray(open: boolean): Promise<void>;
  /** Keeps people from taking the medium out, or lets them. */
  lock(locked: boolean): Promise<void>;
}

export interface PreparedAccess {
  commit(): void;
  abort(): void;
}

export type Preallocation = 'off' | 'metadata' | 'falloc' | 'full';

export interface TruncateOptions {
  readonly preallocation: Preallocation;
  /** Shrinking was asked for knowingly. */
  readonly shrink?: boolean;
  readonly work?: LongWork | undefined;
}

/** Who waits for work that may take long, such as writing zeroes for all of a disk. */
export interface LongWork {
  /** Calls it off: what it throws is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how many bytes are done, and of how many. */
  progress?(done: number, total: number): void;
}

export interface RecordedBacking {
  /** As written in the image, not resolved. */
  readonly filename: string;
  /** Name of the format, where the image records it. */
  readonly format?: string;
}

/** What a format knows about its image, in the terms of the schema's `ImageInfo`. */
export interface DriverImageInfo {
  readonly clusterSize?: number;
  readonly encrypted?: boolean;
  readonly compressed?: boolean;
  /** The image was not closed cleanly. */
  readonly dirty?: boolean;
  /** Where the state of a virtual machine is kept, in bytes behind the disk's content; absent where there is none. */
  readonly vmStateOffset?: number;
  /** `type` and `data` of `ImageInfoSpecific`. */
  readonly specific?: { readonly type: string; readonly data: Record<string, unknown> };
}

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

/** A format, protocol or filter. Made with `defineDriver`. */
export interface BlockDriver<Options = Record<string, unknown>, CreateOptions = Record<string, unknown>> {
  /** Name in the schema's `BlockdevDriver`. */
  readonly name: string;
  readonly role: 'format' | 'protocol' | 'filter';
  /** Driver-specific options of `open` and how to check them; `Options` is their checked type. */
  readonly options: OptionTable;
  /** Options that may be others when an open image is opened again. Absent: none. */
  readonly changeable?: readonly string[];
  /** Children that the options name, besides `backing`: option name to whether it is required. */
  readonly children?: Readonly<Record<string, 'required' | 'optional'>>;
  /** Formats with copy-on-write take `backing`. */
  readonly backing?: boolean;
  /** Prefixes of file names that mean this protocol: `nbd` for `nbd:…` and `nbd://…`. `file` needs none. */
  readonly schemes?: readonly string[];
  /** Options meant by a file name (with its scheme). */
  parseFilename?(filename: string): Record<string, unknown>;
  /** Protocols: how well this driver suits a plain path, 0 to 100 (`host_device` for a block device). */
  probePath?(path: string): MaybePromise<number>;
  /** Formats: how sure the driver is, 0 to 100, from the image's first bytes (up to 2048) and its name. */
  probe?(head: Uint8Array, filename: string): number;
  open(options: Options, context: OpenContext): Promise<DriverNode>;

  /** Options of `create` besides `size` (formats) or `filename` and `size` (protocols). */
  readonly createOptions?: CreateOptionTable;
  /** Options of `DriverNode.amend`. */
  readonly amendOptions?: CreateOptionTable;
  /** Formats: throws where `create` could not take these options; called before there is a file. */
  checkCreate?(options: CreateOptions & { size: number }): void;
  /** Formats: writes an empty image into `file`, which is empty, writable and growable. */
  create?(file: Edge, options: CreateOptions & { size: number }, context: CreateContext): Promise<void>;
  /** Formats: any file is an image, so what a protocol's `createFile` makes with the same options needs no `create`. */
  readonly plain?: boolean;
  /**
   * Formats: how large a new image gets. Throws where the options do not fit, and kind `unsupported` where there is nothing
   * to tell. `data` gives the ranges that hold data, in order; without it the disk is empty. `secret` finds the secrets that options name.
   */
  measure?(
    options: CreateOptions & { size: number },
    data: AsyncIterable<DataRange> | undefined,
    secret: SecretLookup,
  ): Promise<MeasuredSize>;

  /**
   * Formats: a new image with a content, front to back, and how long it is. Throws kind `unsupported` where the options do not
   * go with that.
   */
  stream?(options: CreateOptions & { size: number }, source: StreamSource): Promise<ImageStream>;

  /** Protocols: makes the file `filename` of `size` bytes. */
  createFile?(filename: string, options: CreateOptions & { size: number }, context: CreateContext): Promise<void>;
  /** Protocols: takes a file away in which no image could be made. What is no file of its own, a device, stays. */
  removeFile?(filename: string): Promise<void>;
}

/** A range of a disk that holds data; bytes. */
export interface DataRange {
  readonly offset: number;
  readonly length: number;
}

/** The content that a streamed image gets. */
export interface StreamSource {
  /** Ranges that hold data, in order; all else is zero. Can be gone through once. */
  readonly data: AsyncIterable<DataRange>;
  /** As `DriverNode.read`; behind the end of the disk there are zeroes. */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
}

export interface ImageStream {
  /** Bytes of the file. */
  readonly length: number;
  /** The file, in order. A chunk is valid until the next one is asked for. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** Bytes that the file of a new image takes. */
export interface MeasuredSize {
  /** With the content that it is made for. */
  readonly required: number;
  /** When all of the disk was written. */
  readonly fullyAllocated: number;
  /** For the persistent bitmaps of the source; absent where the format has none. */
  readonly bitmapClusterSize?: number;
}

export type CreateOptionTable = Readonly<Record<string, CreateOptionSpec>>;

/** A creation option with the line that `create -o help` prints about it. */
export interface CreateOptionSpec {
  readonly type: OptionSpec;
  readonly help: string;
  /** Shown as ` (default: …)`. */
  readonly default?: string | number | boolean;
  /** As `default`, without being shown there: what is said about a creation names it all the same. */
  readonly implied?: string | number | boolean;
}

/** Gives a driver its types; the value itself is handed through. */
export function defineDriver<Options, CreateOptions = Record<string, unknown>>(
  driver: BlockDriver<Options, CreateOptions>,
): BlockDriver {
  return driver as unknown as BlockDriver;
}
