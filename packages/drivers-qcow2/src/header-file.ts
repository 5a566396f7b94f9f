/** The header of an open image: its present values, and its changes, written one after the other. */
import type { Edge } from '@blk/core-graph';
import { encodeHeader, type Header } from './header.js';

/** The part that changes; it lies in one sector, so that it is written whole or not at all. */
const MUTABLE_BYTES = 104;

export class HeaderFile {
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly file: Edge,
    public current: Header,
  ) {}

  has(feature: bigint): boolean {
    return (this.current.incompatible & feature) !== 0n;
  }

  /** Changes values in memory and on disk; not flushed. */
  update(changes: Partial<Header>): Promise<void> {
    this.current = { ...this.current, ...changes };
    const writing = this.#last.then(async () => {
      const bytes = encodeHeader(this.current).subarray(0, MUTABLE_BYTES);
      const done = this.file.write(0, bytes, 0, bytes.length);
      if (done !== undefined) await done;
    });
    this.#last = writing.catch(() => undefined);
    return writing;
  }
}
