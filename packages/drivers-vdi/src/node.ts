/** One open image as the graph sees it. */
import {
  dataExtent, NO_LIMITS, WriteFlag, zeroExtent, type CheckOptions, type CheckResult, type Completion, type DriverImageInfo,
  type DriverNode, type Extent, type NodeLimits,
} from '@blk/core-graph';
import { dataBeyondEnd } from './errors.js';
import type { VdiImage } from './image.js';
import { checkVdi } from './check.js';
import { checkInUse, Pending } from '@blk/cluster-map';
import { findRun, Run } from './run.js';
import { writeRange } from './write.js';

/** Flags that go down with zeroes. */
const HANDED_DOWN = WriteFlag.MayUnmap | WriteFlag.NoFallback | WriteFlag.Unchanged;
const scratch = new Run();

export class VdiNode implements DriverNode {
  readonly limits: NodeLimits;
  readonly zeroFlags = HANDED_DOWN;
  readonly size: number;

  constructor(private readonly image: VdiImage) {
    this.size = image.header.size;
    this.limits = { ...NO_LIMITS, optimalTransfer: image.header.blockSize };
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const end = offset + length;
    findRun(this.image, offset, end, scratch);
    if (scratch.end === end) return this.#readRun(offset, scratch.host, buffer, start, length);
    const pending = new Pending();
    for (let at = offset; at < end; ) {
      const from = at;
      findRun(this.image, from, end, scratch);
      const { host } = scratch;
      at = scratch.end;
      pending.add(() => this.#readRun(from, host, buffer, start + from - offset, at - from));
    }
    return pending.end();
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    return writeRange(this.image, offset, buffer, start, length);
  }

  /** What has no place in the file reads as zeroes already. */
  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.#eachStored(offset, length, (host, size) => this.image.file.writeZeroes(host, size, flags));
  }

  /** The blocks keep their places; the file may give back what they take on the host. */
  discard(offset: number, length: number): Completion {
    return this.#eachStored(offset, length, (host, size) => this.image.file.discard(host, size));
  }

  flush(): Completion {
    return this.image.readOnly ? undefined : this.image.flusher.flush();
  }

  flushToOs(): Completion {
    // The order of the metadata needs flushes in between; there is nothing cheaper to do.
    return this.flush();
  }

  extent(offset: number, length: number): Extent {
    findRun(this.image, offset, offset + length, scratch);
    const size = scratch.end - offset;
    return scratch.host >= 0 ? dataExtent(size, scratch.host) : zeroExtent(size);
  }

  info(): DriverImageInfo {
    return { clusterSize: this.image.header.blockSize, dirty: false };
  }

  check(options: CheckOptions): Promise<CheckResult> {
    return checkInUse(() => this.flush(), (how) => checkVdi(this.image, how), options, 'vdi');
  }

  async close(): Promise<void> {
    const done = this.flush();
    if (done !== undefined) await done;
  }

  #readRun(offset: number, host: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (host < 0) {
      buffer.fill(0, start, start + length);
      return;
    }
    const { file } = this.image;
    // A file that was cut short must not be taken for one full of zeroes.
    if (host + length > file.size) throw dataBeyondEnd(file, offset, host);
    return file.read(host, buffer, start, length);
  }

  #eachStored(offset: number, length: number, change: (host: number, length: number) => Completion): Completion {
    const pending = new Pending();
    const end = offset + length;
    for (let at = offset; at < end; ) {
      findRun(this.image, at, end, scratch);
      const { host } = scratch;
      const size = scratch.end - at;
      at = scratch.end;
      if (host >= 0) pending.add(() => change(host, size));
    }
    return pending.end();
  }
}
