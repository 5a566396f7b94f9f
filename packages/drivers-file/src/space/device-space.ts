/** Space of a block device: discarded and zeroed by the device itself; its length is fixed. */
import { BlockError, type Completion, type TruncateOptions } from '@blk/core-graph';
import { failed, unsupported } from '../errors.js';
import { Errno, Fallocate, type Native } from '../native/native.js';
import type { Space } from './space.js';

export interface DeviceSpaceOptions {
  readonly fd: number;
  readonly filename: string;
  /** Logical block size in bytes. */
  readonly blockSize: number;
  /** Undefined: Node has no way to ask a device for these. */
  readonly native: Pick<Native, 'deviceRange' | 'fallocateLater'> | undefined;
}

export class DeviceSpace implements Space {
  constructor(private readonly options: DeviceSpaceOptions) {}

  async writeZeroes(offset: number, length: number, mayUnmap: boolean): Promise<void> {
    const { fd, blockSize, native } = this.options;
    // The graph writes parts of blocks as zero bytes.
    if (native === undefined || offset % blockSize !== 0 || length % blockSize !== 0) throw this.#unsupported();
    const punched = mayUnmap
      ? await native.fallocateLater(fd, Fallocate.PunchHole | Fallocate.KeepSize, offset, length)
      : Errno.EOPNOTSUPP;
    if (punched < 0) this.#check('Could not zero', await native.deviceRange(fd, 'zeroes', offset, length));
  }

  discard(offset: number, length: number): Completion {
    const { blockSize } = this.options;
    const from = Math.ceil(offset / blockSize) * blockSize;
    const to = Math.floor((offset + length) / blockSize) * blockSize;
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
