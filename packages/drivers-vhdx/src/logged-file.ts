/** The file as its log says that it should be, for those who may not write it: replay in memory. */
import type { Completion } from '@blk/core-graph';
import { PAGE } from './format.js';
import type { Replay } from './log.js';

/** What reads bytes: the file itself, or the file with its log over it. */
export interface ByteReader {
  readonly size: number;
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion;
}

export class LoggedFile implements ByteReader {
  constructor(
    private readonly file: ByteReader,
    private readonly replay: Replay,
  ) {}

  get size(): number {
    return this.replay.fileSize;
  }

  async read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    const done = this.file.read(offset, buffer, start, length);
    if (done !== undefined) await done;
    for (const change of this.replay.changes) {
      const changed = change.page === undefined ? change.length : PAGE;
      const from = Math.max(offset, change.offset);
      const to = Math.min(offset + length, change.offset + changed);
      if (from >= to) continue;
      if (change.page === undefined) buffer.fill(0, start + from - offset, start + to - offset);
      else buffer.set(change.page.subarray(from - change.offset, to - change.offset), start + from - offset);
    }
  }
}
