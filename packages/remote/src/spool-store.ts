/** What a spool needs of the platform. */
import type { Completion } from '@blk/core-graph';

/** Bytes that are written one behind the other, and read anywhere. */
export interface SpoolStore {
  /** `offset` is where the last write ended. */
  write(offset: number, bytes: Uint8Array): Completion;
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
  close(): Promise<void>;
}
