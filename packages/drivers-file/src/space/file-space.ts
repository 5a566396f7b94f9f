/** Space of a regular file: holes punched and zeroes made by `fallocate`, length by `ftruncate`. */
import { andThen, BlockError, type Completion, type TruncateOptions } from '@blk/core-graph';
import { failed, unsupported } from '../errors.js';
import { CACHED, Pace } from '../io/pace.js';
import { Errno, Fallocate, type Native } from '../native/native.js';
import { changeLength } from './length.js';
import type { Space } from './space.js';

/** Ranges up to this, in bytes, are changed on the event loop while the file system is quick. */
const SMALL = 1024 * 1024;

export interface FileSpaceOptions {
  readonly fd: number;
  readonly filename: string;
  /** Undefined: nothing but the length can be changed. */
  readonly native: Pick<Native, 'fallocate' | 'fallocateLater'> | undefined;
  /** Nanoseconds. */
  readonly now: () => number;
}

export class FileSpace implements Space {
  readonly #pace = new Pace(CACHED);
  /** What the file system turned out not to know. */
  readonly #missing = new Set<number>();

  constructor(private readonly options: FileSpaceOptions) {}

  writeZeroes(offset: number, length: number, mayUnmap: boolean): Completion {
    const punch = (): Completion => this.#change(Fallocate.PunchHole | Fallocate.KeepSize, offset, length);
    const zero = (): Completion => this.#change(Fallocate.ZeroRange, offset, length);
    // Without ZERO_RANGE (tmpfs): a hole, and space for it. The length grows by the second step.
    const refill = (): Completion => andThen(punch(), () => this.#change(Fallocate.Allocate, offset, length));
    return mayUnmap ? orElse(punch, zero) : orElse(zero, refill);
  }

  discard(offset: number, length: number): Completion {
    return this.#change(Fallocate.PunchHole | Fallocate.KeepSize, offset, length);
  }

  async resize(from: number, to: number, options: TruncateOptions): Promise<void> {
    const { fd, filename, native } = this.options;
    await changeLength(fd, filename, native, from, to, options);
  }

  #change(mode: number, offset: number, length: number): Completion {
    const { fd, native, now } = this.options;
    if (native === undefined || this.#missing.has(mode)) throw this.#unsupported();
    if (!this.#pace.onLoop || length > SMALL) return this.#later(native, mode, offset, length);
    const before = now();
    const done = native.fallocate(fd, mode, offset, length);
    this.#pace.ran(before, now(), 0);
    if (done === Errno.EINTR) return this.#later(native, mode, offset, length);
    this.#check(mode, done);
  }

  async #later(native: Pick<Native, 'fallocateLater'>, mode: number, offset: number, length: number): Promise<void> {
    const { fd, now } = this.options;
    let done: number;
    do {
      const before = now();
      done = await native.fallocateLater(fd, mode, offset, length);
      this.#pace.pooled(before, now(), 0);
    } while (done === Errno.EINTR);
    this.#check(mode, done);
  }

  #check(mode: number, done: number): void {
    if (done >= 0) return;
    if (done === Errno.EOPNOTSUPP || done === Errno.ENOSYS || done === Errno.ENODEV) {
      this.#missing.add(mode);
      throw this.#unsupported();
    }
    throw failed('Could not change the space of', this.options.filename, done);
  }

  #unsupported(): Error {
    return unsupported('Changing space', this.options.filename);
  }
}

/** `first`; where the file system does not know it, `second`. */
function orElse(first: () => Completion, second: () => Completion): Completion {
  const retry = (error: unknown): Completion => {
    if (error instanceof BlockError && error.kind === 'unsupported') return second();
    throw error;
  };
  try {
    return first()?.catch(retry);
  } catch (error) {
    return retry(error);
  }
}
