/** The header of an open image: its present values, and its changes, written one after the other. */
import type { Edge } from '@blk/core-graph';
import { encodeHeader, type Header } from './header.js';

/** The part that changes; it lies in one sector, so that it is written whole or not at all. */
const MUTABLE_BYTES = 104;

/** What the disk is made of: each change takes effect with one write of the header. */
type Committed = 'size' | 'l1Size' | 'l1Offset' | 'snapshotCount' | 'snapshotsOffset';

export class HeaderFile {
  /** A change could not be written: what is on disk may be older than `current`. */
  stale = false;
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly file: Edge,
    public current: Header,
  ) {}

  has(feature: bigint): boolean {
    return (this.current.incompatible & feature) !== 0n;
  }

  /**
   * Changes values in memory and on disk; not flushed. Where writing fails they stay changed in memory, and the next flush
   * of the image writes them.
   */
  update(changes: Partial<Header>): Promise<void> {
    this.current = { ...this.current, ...changes };
    const writing = this.#last.then(async () => {
      const bytes = encodeHeader(this.current).subarray(0, MUTABLE_BYTES);
      const done = this.file.write(0, bytes, 0, bytes.length);
      if (done !== undefined) await done;
      this.stale = false;
    });
    this.#last = writing.catch(() => {
      this.stale = true;
    });
    return writing;
  }

  /**
   * Changes values for good: they are on stable storage afterwards. Where that fails they are in memory what they were, and
   * the next flush of the image makes sure of it on disk.
   */
  async commit(changes: Partial<Pick<Header, Committed>>): Promise<void> {
    const { size, l1Size, l1Offset, snapshotCount, snapshotsOffset } = this.current;
    try {
      await this.update(changes);
      const done = this.file.flush();
      if (done !== undefined) await done;
    } catch (error) {
      this.current = { ...this.current, size, l1Size, l1Offset, snapshotCount, snapshotsOffset };
      this.stale = true;
      throw error;
    }
  }
}
