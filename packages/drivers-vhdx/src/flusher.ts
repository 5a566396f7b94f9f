/**
 * New blocks come to the table here: first all data is stable, then the log promises the changed pages of the table, then they change. A
 * power cut leaves blocks that nothing refers to, or a log to be replayed, and no half of a change.
 */
import { FlushQueue } from '@blk/cluster-map';
import type { Completion } from '@blk/core-graph';
import { PAGE } from './format.js';
import type { Page } from './log-writer.js';
import type { VhdxImage } from './vhdx-image.js';

export class Flusher {
  readonly #queue: FlushQueue;

  constructor(private readonly image: VhdxImage) {
    this.#queue = new FlushQueue({ dirty: () => image.fresh.size > 0, plain: () => image.file.flush(), write: () => this.#work() });
  }

  /** Puts all that was written before this call on stable storage. Flushes at the same time become one. */
  flush(): Completion {
    return this.#queue.flush();
  }

  async #work(): Promise<void> {
    const { image } = this;
    const { file, fresh, log, end } = image;
    const blocks = [...fresh];
    for (const block of blocks) {
      const prepared = image.prepared(block);
      if (prepared !== undefined) await prepared;
    }
    if (file.node.driver.growable === true && file.size < end) await file.node.truncate(end);
    await file.flush();
    const pages = new Map<number, number[]>();
    for (const block of blocks) {
      const page = image.table.pageOf(block);
      const others = pages.get(page);
      if (others === undefined) pages.set(page, [block]);
      else others.push(block);
    }
    const all = [...pages];
    for (let from = 0; from < all.length; from += log.most) {
      const some = all.slice(from, from + log.most);
      const changed: Page[] = [];
      for (const [offset, changes] of some) changed.push(await this.#page(offset, changes));
      await log.commit(changed);
      for (const [, changes] of some) for (const block of changes) fresh.delete(block);
    }
  }

  /** A page of the table as it is on disk, with the entries of these blocks. */
  async #page(offset: number, blocks: readonly number[]): Promise<Page> {
    const bytes = new Uint8Array(PAGE);
    await this.image.file.read(offset, bytes, 0, PAGE);
    for (const block of blocks) this.image.table.putEntry(block, bytes);
    return { offset, bytes };
  }
}
