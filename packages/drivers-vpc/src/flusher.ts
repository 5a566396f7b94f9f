/**
 * What is changed in memory comes to disk here, in an order that any power cut may interrupt: first the bitmaps of new blocks, and the
 * footer behind the last of them; then, when those and all data are stable, what refers to them: the entries of new blocks, and bits of older
 * ones. A cut leaves at worst blocks that nothing refers to, and the copy of the footer at the beginning.
 */
import { FlushQueue, settled, type TablePiece } from '@blk/cluster-map';
import type { Completion } from '@blk/core-graph';
import type { DynamicImage } from './dynamic-image.js';
import type { SectorBitmap } from './sector-bitmaps.js';

interface Change {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly bitmap: SectorBitmap;
}

export class Flusher {
  readonly #queue: FlushQueue;

  constructor(private readonly image: DynamicImage) {
    this.#queue = new FlushQueue({ dirty: () => this.#dirty(), plain: () => image.file.flush(), write: () => this.#work() });
  }

  /** Puts all that was written before this call on stable storage. Flushes at the same time become one. */
  flush(): Completion {
    return this.#queue.flush();
  }

  #dirty(): boolean {
    const { table, bitmaps, fresh, footerOffset } = this.image;
    return fresh.size > 0 || table.end !== footerOffset || table.pieces.dirty || bitmaps.dirty().next().done !== true;
  }

  async #work(): Promise<void> {
    const { image } = this;
    const { table, file } = image;
    const { end } = table;
    const fresh = [...image.fresh];
    const entries = table.pieces.takeDirty();
    const { first, then } = this.#changes();
    let written = false;
    try {
      await this.#writeFresh(fresh);
      await this.#write(first);
      if (end !== image.footerOffset) await settled(file.write(end, image.footer, 0, image.footer.length));
      await settled(file.flush());
      image.footerOffset = end;
      // From now on they are as good as others, should their entries fail to be written.
      for (const block of fresh) image.fresh.delete(block);
      await this.#write(entries.map(placed));
      await this.#write(then);
      if (entries.length + then.length > 0) await settled(file.flush());
      written = true;
    } finally {
      if (!written) for (const { bitmap } of [...first, ...then]) bitmap.dirty = true;
      for (const { bitmap } of [...first, ...then]) bitmap.users--;
      table.pieces.settle(entries, written);
    }
  }

  /** The changed bitmaps as they are now: those of new blocks, which nothing refers to, and those of others. */
  #changes(): { readonly first: readonly Change[]; readonly then: readonly Change[] } {
    const first: Change[] = [];
    const then: Change[] = [];
    for (const [block, bitmap] of this.image.bitmaps.dirty()) {
      (this.image.fresh.has(block) ? first : then).push({ offset: bitmap.offset, bytes: bitmap.bytes.slice(), bitmap });
      bitmap.dirty = false;
      // Kept in memory until it is certain that disk and memory are the same.
      bitmap.users++;
    }
    return { first, then };
  }

  /** The space of new blocks is fit for use, and those of which all sectors are there say so. Their pieces of the table are in memory, since they are not written. */
  async #writeFresh(fresh: readonly number[]): Promise<void> {
    const { image } = this;
    const bytes = new Uint8Array(image.bitmapBytes).fill(0xff);
    for (const block of fresh) {
      const prepared = image.prepared(block);
      if (prepared !== undefined) await prepared;
    }
    await this.#write(fresh.filter((block) => image.bitmaps.cached(block) === undefined).map((block) => ({ offset: image.table.offsetOf(block), bytes })));
  }

  async #write(pieces: Iterable<{ readonly offset: number; readonly bytes: Uint8Array }>): Promise<void> {
    for (const { offset, bytes } of pieces) await settled(this.image.file.write(offset, bytes, 0, bytes.length));
  }
}

function placed({ page, offset, bytes }: TablePiece): { readonly offset: number; readonly bytes: Uint8Array } {
  return { offset: page.hostOffset + offset, bytes };
}
