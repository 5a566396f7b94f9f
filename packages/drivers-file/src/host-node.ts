/** An open file or device: the driver contract, composed of the parts around it. */
import {
  WriteFlag,
  BlockError,
  type Access,
  type AsideCopied,
  type AsideCopy,
  type AsidePart,
  type Completion,
  type DriverNode,
  type Extent,
  type MaybePromise,
  type Medium,
  type NodeLimits,
  type PreparedAccess,
  type TruncateOptions,
  dataExtent,
} from '@blk/core-graph';
import { failed, isCode } from './errors.js';
import type { HoleFinder } from './extents.js';
import { closeFile, statusOfOpen, syncData } from './host-file.js';
import { copyHere } from './io/copy-here.js';
import type { CopyOrder, CopyPart } from './io/copy-parts.js';
import type { CopyThread } from './io/copy-thread.js';
import type { FileIo } from './io/file-io.js';
import { InFlight } from './io/in-flight.js';
import type { ImageLocks } from './locks/locks.js';
import type { DriveMedium } from './media/drive-medium.js';
import type { Turns } from './io/turns.js';
import type { Space } from './space/space.js';

export interface HostNodeParts {
  readonly fd: number;
  readonly filename: string;
  readonly size: number;
  readonly limits: NodeLimits;
  readonly io: FileIo;
  /** Undefined: everything is data. */
  readonly holes: HoleFinder | undefined;
  /** Undefined: nobody is kept away. */
  readonly locks: ImageLocks | undefined;
  /** Drives whose media are changed. */
  readonly medium?: DriveMedium;
  /** Copies from here and to here; undefined: transfers have to go by `io`. */
  readonly copies: { readonly copies: CopyThread; readonly turns: Turns } | undefined;
}

/** What a writable one has besides. */
export interface WritableParts extends HostNodeParts {
  readonly space: Space;
  /** Writes may pass the end. */
  readonly growable: boolean;
}

/** Opened for reading. */
export class HostNode implements DriverNode {
  readonly filename: string;
  readonly limits: NodeLimits;
  readonly readv?: (offset: number, buffers: readonly Uint8Array[]) => Completion;
  readonly prepareAccess?: (access: Access) => PreparedAccess;
  readonly medium?: Medium;
  readonly copyAside?: (copy: AsideCopy) => Promise<AsideCopied> | undefined;
  /** Copies that read from here, or write. */
  readonly copying = new InFlight();
  protected length: number;
  readonly io: FileIo;
  readonly #parts: HostNodeParts;
  #closed: Promise<void> | undefined;

  constructor(parts: HostNodeParts) {
    this.#parts = parts;
    this.io = parts.io;
    this.filename = parts.filename;
    this.limits = parts.limits;
    this.length = parts.size;
    const { locks, io, medium } = parts;
    if (medium !== undefined) {
      this.medium = medium;
      medium.onSize = (size) => { this.length = size; };
    }
    if (io.readv !== undefined) this.readv = io.readv;
    if (parts.copies !== undefined) this.copyAside = (copy) => this.fill(copy);
    if (locks !== undefined) this.prepareAccess = (access) => locks.prepare(access);
  }

  get size(): number {
    return this.length;
  }

  get fd(): number {
    return this.#parts.fd;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return this.io.read(offset, buffer, start, length);
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    return this.#parts.holes?.at(offset, length) ?? dataExtent(length, offset);
  }

  async allocatedSize(): Promise<number> {
    try {
      return Number((await statusOfOpen(this.#parts.fd)).blocks) * 512;
    } catch (error) {
      throw failed('Could not stat', this.filename, error);
    }
  }

  /** Copies to here what lies in other files; nothing goes to a file that is only read. */
  protected fill(_copy: AsideCopy): Promise<AsideCopied> | undefined {
    return undefined;
  }

  /** Waits for what is under way, and closes the file; its locks go with it. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.io.idle();
    await this.copying.idle();
    this.io.close();
    await closeFile(this.#parts.fd);
  }
}

/** Opened for reading and writing. */
export class WritableHostNode extends HostNode {
  readonly growable: boolean;
  readonly zeroFlags = WriteFlag.MayUnmap;
  readonly writev?: (offset: number, buffers: readonly Uint8Array[]) => Completion;
  readonly #parts: WritableParts;
  /** End of everything that was handed to the system; the file is never cut below it by accident. */
  #submitted: number;
  /** Set while the length is being changed; what depends on the length waits for it. */
  #extending: Promise<void> | undefined;
  #lost: unknown;

  constructor(parts: WritableParts) {
    super(parts);
    this.#parts = parts;
    this.#submitted = parts.size;
    this.growable = parts.growable;
    const { writev } = parts.io;
    if (writev !== undefined) {
      this.writev = (offset, buffers) => {
        let end = offset;
        for (const buffer of buffers) end += buffer.length;
        return this.#grow(end, () => writev(offset, buffers));
      };
    }
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const end = offset + length;
    if (end <= this.length) return this.io.write(offset, buffer, start, length);
    return this.#grow(end, () => this.io.write(offset, buffer, start, length));
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    const end = offset + length;
    const mayUnmap = (flags & WriteFlag.MayUnmap) !== 0;
    this.#parts.holes?.forget();
    if (end <= this.length) return this.#parts.space.writeZeroes(offset, length, mayUnmap);
    return this.#zeroPastEnd(offset, end, mayUnmap);
  }

  discard(offset: number, length: number): Completion {
    this.#parts.holes?.forget();
    try {
      return this.#parts.space.discard(offset, length)?.catch(ignoreUnsupported);
    } catch (error) {
      ignoreUnsupported(error);
      return undefined;
    }
  }

  /** Lets a range be filled from other files, by the thread that copies or here. */
  protected override fill({ parts, length, targetOffset, granularity, zeroes, here }: AsideCopy): Promise<AsideCopied> | undefined {
    const end = targetOffset + length;
    // Where zeroes at the end are left out, nobody would say how long the file has become.
    const mayGrow = this.growable && zeroes === 'pack';
    if ((end > this.length && !mayGrow) || this.#extending !== undefined) return undefined;
    const from = filesOf(parts);
    const done = from && this.#copy({ parts: from, length, to: this.fd, targetOffset, granularity, zeroes }, filesAmong(parts), here);
    if (done === undefined) return undefined;
    if (end > this.#submitted) this.#submitted = end;
    const told = done.then((copied) => {
      const { failure } = copied;
      if (mayGrow) this.#grown(copied.zeroes.reduce((reached, run) => reached - run.length, targetOffset + copied.length));
      if (failure === undefined) return copied;
      const error = failure.verb === 'read' ? failed('Could not read', fileAt(parts, failure.at), failure.error) : failed('Could not write to', this.filename, failure.error);
      return { ...copied, failure: { ...failure, error } };
    });
    for (const file of filesAmong(parts)) void file.copying.track(told);
    return this.copying.track(told);
  }

  #copy(order: CopyOrder, files: ReadonlySet<HostNode>, here: Uint8Array | undefined): Promise<AsideCopied> | undefined {
    const { copies } = this.#parts;
    if (here === undefined || copies === undefined) return copies?.copies.copy(order);
    const calls = new Map([...files].map((file) => [file.fd, file.io.here]));
    const to = this.io.here;
    if (to === undefined) return undefined;
    return copyHere(order, here, { to, from: (fd) => calls.get(fd) ?? to }, copies.turns);
  }

  async flush(): Promise<void> {
    // After a failed flush the system takes the lost pages for clean: nobody can say any more that all is stored.
    if (this.#lost !== undefined) throw failed('Could not flush', this.filename, this.#lost);
    try {
      await syncData(this.#parts.fd);
    } catch (error) {
      // A special file keeps nothing, as the system says; of what keeps bytes that would be no answer.
      if (isCode(error, 'EINVAL') && !(await this.#keepsBytes())) return;
      this.#lost = error;
      throw failed('Could not flush', this.filename, error);
    }
  }

  async #keepsBytes(): Promise<boolean> {
    const status = await statusOfOpen(this.#parts.fd);
    return status.isFile() || status.isBlockDevice();
  }

  async truncate(size: number, options: TruncateOptions): Promise<void> {
    this.#parts.holes?.forget();
    await this.#parts.space.resize(this.length, size, options);
    this.length = size;
    this.#submitted = size;
  }

  /** Runs a write up to `end`, which may lie beyond the end of the file. */
  #grow(end: number, write: () => Completion): Completion {
    if (this.#extending !== undefined) return this.#extending.then(() => this.#grow(end, write));
    if (end > this.#submitted) this.#submitted = end;
    const done = write();
    if (done === undefined) this.#grown(end);
    return done?.then(() => { this.#grown(end); });
  }

  async #lengthSettled(): Promise<void> {
    while (this.#extending !== undefined) await this.#extending;
  }

  #grown(end: number): void {
    if (end > this.length) this.length = end;
  }

  async #zeroPastEnd(offset: number, end: number, mayUnmap: boolean): Promise<void> {
    await this.#lengthSettled();
    const { space } = this.#parts;
    const from = this.#submitted;
    const to = Math.max(end, from);
    // Others write between the end and `from` at this moment: the new length spares them.
    if (offset < from) {
      const done = space.writeZeroes(offset, Math.min(end, from) - offset, mayUnmap);
      if (done !== undefined) await done;
    }
    await this.#lengthSettled();
    const target = Math.max(to, this.#submitted);
    this.#submitted = target;
    const extended = space.resize(this.length, target, { preallocation: 'off' });
    const clear = (): void => { this.#extending = undefined; };
    this.#extending = extended.then(clear, clear);
    await extended;
    this.#grown(end);
  }
}

function ignoreUnsupported(error: unknown): void {
  if (!(error instanceof BlockError) || error.kind !== 'unsupported') throw error;
}

/** What the threads are told of `parts`; undefined where one of them lies in no file of ours. */
function filesOf(parts: readonly AsidePart[]): CopyPart[] | undefined {
  const told: CopyPart[] = [];
  for (const { file, offset, length } of parts) {
    if (file !== undefined && !(file instanceof HostNode)) return undefined;
    told.push({ from: file?.fd ?? -1, offset, length });
  }
  return told;
}

function filesAmong(parts: readonly AsidePart[]): ReadonlySet<HostNode> {
  return new Set(parts.flatMap(({ file }) => (file instanceof HostNode ? [file] : [])));
}

/** The name of the file that lies `at` bytes behind the front. */
function fileAt(parts: readonly AsidePart[], at: number): string {
  let left = at;
  const part = parts.find(({ length }) => (left -= length) < 0);
  return part?.file instanceof HostNode ? part.file.filename : '';
}
