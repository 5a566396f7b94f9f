/** What happens when a table turns out to be damaged: one report, the corrupt bit, and no more writing. */
import { BlockError, type CorruptionReport } from '@blk/core-graph';
import { Incompatible } from './feature-bits.js';
import type { HeaderFile } from './header-file.js';

export interface CorruptionSink {
  corrupted(report: CorruptionReport): void;
  warn(message: string): void;
}

export class Corruption {
  /** Set once the image was found corrupt while open for writing: every later request fails with it. */
  fatal: BlockError | undefined;
  /** Settles when the corrupt bit is written. */
  marked: Promise<void> = Promise.resolve();
  #reported = false;
  #noted = false;

  constructor(
    private readonly sink: CorruptionSink,
    private readonly header: HeaderFile,
    private readonly readOnly: boolean,
    /** Called once, before the first fatal error is thrown. */
    private readonly stop: () => void,
  ) {}

  /** Throws where the image is not to be used any more. */
  check(): void {
    if (this.fatal !== undefined) throw this.fatal;
  }

  /** Reports damage that nothing has to stop for. */
  note(message: string, offset: number, size: number): void {
    if (this.#noted || this.#reported) return;
    this.#noted = true;
    this.sink.corrupted({ message, fatal: false, offset, size });
    this.sink.warn(`qcow2: Image is corrupt: ${message}; further non-fatal corruption events will be suppressed`);
  }

  /** The error for a damaged table, after it was reported. `offset` and `size` say where in the file, in bytes. */
  found(message: string, offset?: number, size?: number): BlockError {
    const fatal = !this.readOnly;
    if (!this.#reported) {
      this.#reported = true;
      const place = { ...(offset === undefined ? {} : { offset }), ...(size === undefined ? {} : { size }) };
      this.sink.corrupted({ message, fatal, ...place });
      this.sink.warn(
        fatal
          ? `qcow2: Marking image as corrupt: ${message}; further corruption events will be suppressed`
          : `qcow2: Image is corrupt: ${message}; further non-fatal corruption events will be suppressed`,
      );
    }
    const error = new BlockError('corrupt', message, {
      driver: 'qcow2',
      reason: 'qcow2/corrupt-table',
      ...(offset === undefined ? {} : { offset }),
    });
    if (fatal && this.fatal === undefined) {
      // As if the medium were gone: so the reference has it, and so guests see it.
      this.fatal = new BlockError('corrupt', `Image was found to be corrupt: ${message}`, { ...error.context, code: 'ENOMEDIUM' });
      this.stop();
      // Version 2 has no place for the mark.
      if (this.header.current.geometry.version === 3) {
        this.marked = this.header
          .update({ incompatible: this.header.current.incompatible | Incompatible.Corrupt })
          .catch(() => undefined);
      }
    }
    return error;
  }
}

/** A number as QEMU's messages show offsets: `0`, `0x10200`. */
export function hex(value: number): string {
  return value === 0 ? '0' : `0x${value.toString(16)}`;
}
