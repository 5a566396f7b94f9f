/** Space of a block device: discarded and zeroed by the device itself; its length is fixed. */
import { BlockError, type Completion, type TruncateOptions } from '@blk/core-graph';
import { failed, unsupported } from '../errors.js';
import type { FileIo } from '../io/file-io.js';
import { Errno, Fallocate, type Native } from '../native/native.js';
import type { Space } from './space.js';

export interface DeviceSpaceOptions {
  readonly fd: number;
  readonly filename: string;
  /** Logical block size in bytes. */
  readonly blockSize: number;
  /** Writes what is less than a block. */
  readonly io: Pick<FileIo, 'write'>;
  /** Undefined: Node has no way to ask a device for these. */
  readonly native: Pick<Native, 'deviceRange' | 'fallocateLater'> | undefined;
}

export class DeviceSpace implements Space {
  constructor(private readonly options: DeviceSpaceOptions) {}

  async writeZeroes(offset: number, length: number, mayUnmap: boolean): Promise<void> {
    const { fd, native } = this.options;
    const [from, to] = this.#blocks(offset, length);
    if (native === undefined || to <= from) throw this.#unsupported();
    const punched = mayUnmap
      ? await native.fallocateLater(fd, Fallocate.PunchHole | Fallocate.KeepSize, from, to - from)
      : Errno.EOPNOTSUPP;
    if (punched < 0) this.#check('Could not zero', await native.deviceRange(fd, 'zeroes', from, to - from));
    await this.#zeroPart(offset, from);
    await this.#zeroPart(to, offset + length);
  }

  discard(offset: number, length: number): Completion {
    const [from, to] = this.#blocks(offset, length);
    return to > from ? this.#discard(from, to - from) : undefined;
  }

  async resize(from: number, to: number, { preallocation }: TruncateOptions): Promise<void> {
    const { filename } = this.options;
    if (preallocation !== 'off') {
      throw new BlockError('unsupported', `Preallocation mode '${preallocation}' unsupported for this non-regular file`);
    }
    if (to > from) throw new BlockError('unsupported', 'Cannot grow device files', { filename });
    if (to < from) throw new BlockError('unsupported', 'Cannot resize device files', { filename });
  }

  /** First and last offset of the whole blocks in a range. */
  #blocks(offset: number, length: number): [number, number] {
    const { blockSize } = this.options;
    return [Math.ceil(offset / blockSize) * blockSize, Math.floor((offset + length) / blockSize) * blockSize];
  }

  async #zeroPart(from: number, to: number): Promise<void> {
    if (to <= from) return;
    const done = this.options.io.write(from, new Uint8Array(to - from), 0, to - from);
    if (done !== undefined) await done;
  }

  async #discard(offset: number, length: number): Promise<void> {
    const { fd, native } = this.options;
    if (native === undefined) throw this.#unsupported();
    this.#check('Could not discard on', await native.deviceRange(fd, 'discard', offset, length));
  }

  #check(what: string, done: number): void {
    if (done >= 0) return;
    if (done === Errno.EOPNOTSUPP || done === Errno.ENOTTY || done === Errno.EINVAL) throw this.#unsupported();
    throw failed(what, this.options.filename, done);
  }

  #unsupported(): BlockError {
    return unsupported('Changing space', this.options.filename);
  }
}
