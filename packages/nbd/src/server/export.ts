/** One export: a source of bytes under a name, and what clients are told about it. */
import { BlockError, type ChainExtent, type Completion, type DirtyBitmap } from '@blk/core-graph';
import { MAX_STRING, TransmissionFlag } from '../codec/constants.js';
import { utf8 } from '../codec/handshake.js';
import type { MetaContext } from './meta-context.js';
import type { Connection } from './connection.js';

/**
 * What an export reads and writes; a `Backend` is one. Buffers are lent for the time of the call. A verb that is done
 * when it returns gives undefined, and its reply leaves in the same turn.
 */
export interface ExportSource {
  /** Bytes; may change while clients are connected. */
  readonly size: number;
  readonly readOnly: boolean;
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion;
  writeZeroes(offset: number, length: number, flags: number): Completion;
  discard(offset: number, length: number): Completion;
  flush(): Completion;
  extents(offset: number, length: number): AsyncIterable<ChainExtent>;
}

export interface ExportOptions {
  /** At most 4096 bytes; the empty name is the default export. */
  readonly name: string;
  /** Stays the caller's: he closes it after the export is gone. */
  readonly source: ExportSource;
  /** Default false: clients may only read. */
  readonly writable?: boolean;
  /** For people; at most 4096 bytes. */
  readonly description?: string;
  /** Tells clients that they may use several connections. Default true: all of them see one cache. */
  readonly multiConn?: boolean;
  /** Offers `qemu:allocation-depth` besides `base:allocation`. */
  readonly allocationDepth?: boolean;
  /** Dirty bitmaps with names, offered as `qemu:dirty-bitmap:NAME`. */
  readonly bitmaps?: readonly DirtyBitmap[];
  /** Further metadata contexts. */
  readonly contexts?: readonly MetaContext[];
}

export class NbdExport {
  readonly name: string;
  readonly description: string;
  readonly source: ExportSource;
  readonly writable: boolean;
  readonly contexts: readonly MetaContext[];
  /** Connections that are past their handshake. */
  readonly connections = new Set<Connection>();
  readonly #multiConn: boolean;

  /** `contexts`: all of them. Throws where a text is too long, or a source that cannot be written is to be writable. */
  constructor(options: ExportOptions, contexts: readonly MetaContext[]) {
    const { name, source, description = '', writable = false } = options;
    checkText('name', name);
    checkText('description', description);
    if (writable && source.readOnly) {
      throw new BlockError('read-only', `Export '${name}' cannot be writable: its image is read-only`);
    }
    this.name = name;
    this.description = description;
    this.source = source;
    this.writable = writable;
    this.contexts = contexts;
    this.#multiConn = options.multiConn ?? true;
  }

  get size(): number {
    return this.source.size;
  }

  /** Transmission flags, for a client with or without structured replies. */
  flags(structured: boolean): number {
    let flags: number = TransmissionFlag.HasFlags | TransmissionFlag.SendFlush | TransmissionFlag.SendFua | TransmissionFlag.SendCache;
    if (this.writable) flags |= TransmissionFlag.SendTrim | TransmissionFlag.SendWriteZeroes | TransmissionFlag.SendFastZero;
    else flags |= TransmissionFlag.ReadOnly;
    if (structured) flags |= TransmissionFlag.SendDf;
    if (this.#multiConn) flags |= TransmissionFlag.CanMultiConn;
    return flags;
  }
}

function checkText(what: string, text: string): void {
  const { length } = utf8(text);
  if (length > MAX_STRING) {
    throw new BlockError('invalid-argument', `Export ${what} of ${length} bytes is longer than ${MAX_STRING} bytes`);
  }
  if (text.includes('\0')) throw new BlockError('invalid-argument', `Export ${what} must not contain a NUL`);
}
