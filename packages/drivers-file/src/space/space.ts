/** What can be done to the space of a file or device besides writing into it. */
import type { Completion, TruncateOptions } from '@blk/core-graph';

/** All offsets and lengths in bytes. */
export interface Space {
  /** Makes the range read as zeroes; it may pass the end of a file. Throws kind `unsupported`. */
  writeZeroes(offset: number, length: number, mayUnmap: boolean): Completion;
  /** Gives the range back. Throws kind `unsupported`. */
  discard(offset: number, length: number): Completion;
  /** Changes the length; nothing is changed where it throws. */
  resize(from: number, to: number, options: TruncateOptions): Promise<void>;
}
