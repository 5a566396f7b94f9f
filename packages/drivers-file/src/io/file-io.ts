/** What an engine does: transfers on one open file, completed at once where that costs nobody a wait. */
import type { Completion } from '@blk/core-graph';

export interface FileIo {
  /** Fills `buffer[start, start + length)`; what lies beyond the end of the file is filled with zeroes. */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  write(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  readonly readv?: (offset: number, buffers: readonly Uint8Array[]) => Completion;
  readonly writev?: (offset: number, buffers: readonly Uint8Array[]) => Completion;
  readonly here?: HereCalls;
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>;
  /** Lets go of what the engine holds besides the file; after `idle`. */
  close(): void;
}

/** Calls on the event loop, which are made only where they are not going to block it. Counts, or a negative number: not here. */
export interface HereCalls {
  /** 0: the file has ended. */
  readHere(offset: number, buffer: Uint8Array, start: number, length: number): number;
  /** Whether a write is going to be made. */
  readonly writesHere: boolean;
  writeHere(offset: number, buffer: Uint8Array, start: number, length: number): number;
}

/** Runs a transfer and tells its system error in words: `Could not read 'x'`. */
export type Explain = (verb: 'read' | 'write', error: unknown) => Error;
