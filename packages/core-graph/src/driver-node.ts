/** One open image as its driver offers it: the verbs of the data plane, and what else a format may have. */
import type { Breakpoints } from './breakpoints.js';
import type { AmendContext, CheckOptions, CheckResult } from './check.js';
import type { BlockNode } from './node.js';
import type { Completion, MaybePromise } from './completion.js';
import type { DebugEvent } from './debug-event.js';
import type { Edge } from './edge.js';
import type { Extent } from './extent.js';
import type { Access, NodeLimits } from './flags.js';
import type { AsideCopied, AsideCopy } from './io/copy-aside.js';
import type { NewPlace } from './io/new-place.js';
import type { PersistentBitmaps } from './persistent-bitmaps.js';
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
  /** `WriteFlag`s that `write` honours by itself; for a driver without Fua the node flushes. */
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
  /** Every byte lies at its own offset plus this in the child `file`, and reading and writing do nothing but go there. Absent: they do. */
  readonly fixedOffset?: number | undefined;
  /**
   * Protocols whose bytes lie in files of the host: copies from others of them to here, in a thread of the driver's own. Undefined, or absent:
   * whoever asks has to read and write. All that is copied lies inside the files, which stay open until it is done. Never rejects.
   */
  copyAside?(copy: AsideCopy): Promise<AsideCopied> | undefined;
  /**
   * Formats that put new content anywhere in their file: takes room for a range, or for less of it. It is going to be stored in whole multiples
   * of `step`; 0: all of it, or from its front as far as it comes. Until the place is settled, whoever changes the range waits. Undefined, or
   * absent: only a write will do. Throws where there is no room.
   */
  takePlace?(offset: number, length: number, step: number): Promise<NewPlace | undefined>;

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
  /** Drivers that take children, and give them up, while the image is open. */
  readonly changeableChildren?: ChangeableChildren;
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

/** How a driver takes children and gives them up. The graph asks in a drained section, and attaches and detaches them itself. */
export interface ChangeableChildren {
  /** The name of a child's edge, were `node` the next child. Throws where the driver can't have it. */
  nameFor(node: BlockNode): string;
  /** Throws where the child of this name can't be spared. */
  checkRemovable(name: string): void;
  /** Goes on with these children. What it gives are the options, as its `open` takes them, that have changed by that. */
  use(children: readonly Edge[]): Readonly<Record<string, unknown>>;
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
