/**
 * The contract between the graph and a block driver: one format, protocol or filter.
 *
 * A driver is a value (`BlockDriver`), not a class to extend; an open image is a `DriverNode`. Required members say what
 * every image can do. An absent optional member means "the node emulates it". The node in front has seen to bounds,
 * alignment, permissions, splitting and serialising of overlapping requests where that is needed, so a driver may trust
 * its arguments, and only them: the bytes of the image itself are hostile.
 */
import type { Completion, MaybePromise } from './completion.js';
import type { CreateContext, OpenContext, SecretLookup } from './driver-context.js';
import type { DriverNode } from './driver-node.js';
import type { Edge } from './edge.js';
import type { OptionSpec, OptionTable } from './options/spec.js';

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
  /** `create -o help` tells of it as the protocol's own, where that has it, and not at all otherwise. */
  readonly ofProtocol?: true;
}

/** Gives a driver its types; the value itself is handed through. */
export function defineDriver<Options, CreateOptions = Record<string, unknown>>(
  driver: BlockDriver<Options, CreateOptions>,
): BlockDriver {
  return driver as unknown as BlockDriver;
}
