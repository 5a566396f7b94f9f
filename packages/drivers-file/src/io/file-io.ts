/** What an engine does: transfers on one open file, completed at once where that costs nobody a wait. */
import type { Completion } from '@blk/core-graph';

export interface FileIo {
  /** Fills `buffer[start, start + length)`; what lies beyond the end of the file is filled with zeroes. */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  readonly readv?: (offset: number, buffers: readonly Uint8Array[]) => Completion;
  readonly writev?: (offset: number, buffers: readonly Uint8Array[]) => Completion;
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>;
  /** Lets go of what the engine holds besides the file; after `idle`. */
  close(): void;
}

/** Runs a transfer and tells its system error in words: `Could not read 'x'`. */
export type Explain = (verb: 'read' | 'write', error: unknown) => Error;
