/**
 * New blocks come to the table here: first all data is stable, then the log promises the changed pages of the table, then they change. A
 * power cut leaves blocks that nothing refers to, or a log to be replayed, and no half of a change.
 */
import { FlushQueue, settled, type TablePiece } from '@blk/cluster-map';
import type { Completion } from '@blk/core-graph';
import { PAGE } from './format.js';
import type { Page } from './log-writer.js';
import type { VhdxImage } from './vhdx-image.js';

/** Bytes that belong into a page. */
interface Part {
  readonly within: number;
  readonly bytes: Uint8Array;
}

export class Flusher {
  readonly #queue: FlushQueue;

  constructor(private readonly image: VhdxImage) {
    this.#queue = new FlushQueue({ dirty: () => image.table.pieces.dirty, plain: () => image.file.flush(), write: () => this.#work() });
  }

  /** Puts all that was written before this call on stable storage. Flushes at the same time become one. */
  flush(): Completion {
    return this.#queue.flush();
  }

  async #work(): Promise<void> {
    const { file, log, table } = this.image;
    const { pieces, end } = table;
    const changed = pieces.takeDirty();
    let written = false;
    try {
      await this.image.allPrepared();
      if (file.node.driver.growable === true && file.size < end) await file.node.truncate(end);
      await settled(file.flush());
      const all = [...partsByPage(changed)];
      for (let from = 0; from < all.length; from += log.most) {
        const pages: Page[] = [];
        for (const [offset, parts] of all.slice(from, from + log.most)) pages.push(await this.#page(offset, parts));
        await log.commit(pages);
      }
      written = true;
    } finally {
      pieces.settle(changed, written);
    }
  }

  /** A page as it is on disk, with these changes. */
  async #page(offset: number, parts: readonly Part[]): Promise<Page> {
    const bytes = new Uint8Array(PAGE);
    await settled(this.image.file.read(offset, bytes, 0, PAGE));
    for (const part of parts) bytes.set(part.bytes, part.within);
    return { offset, bytes };
  }
}

/** By the offset of each page in the file. */
function partsByPage(pieces: readonly TablePiece[]): Map<number, Part[]> {
  const pages = new Map<number, Part[]>();
  for (const { page: { hostOffset }, offset, bytes } of pieces) {
    for (let done = 0; done < bytes.length; ) {
      const at = hostOffset + offset + done;
      const within = at % PAGE;
      const part = { within, bytes: bytes.subarray(done, done + PAGE - within) };
      const others = pages.get(at - within);
      if (others === undefined) pages.set(at - within, [part]);
      else others.push(part);
      done += part.bytes.length;
    }
  }
  return pages;
}
