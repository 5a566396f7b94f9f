/**
 * What is changed in memory comes to disk here, in an order that any power cut may interrupt: first the bitmaps of new blocks, and the
 * footer behind the last of them; then, when those and all data are stable, what refers to them: the entries of new blocks, and bits of older
 * ones. A cut leaves at worst blocks that nothing refers to, and the copy of the footer at the beginning.
 */
import { FlushQueue } from '@blk/cluster-map';
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
  /** Blocks that are ready on disk, but whose entries could not be written. */
  readonly #retry = new Set<number>();

  constructor(private readonly image: DynamicImage) {
    this.#queue = new FlushQueue({ dirty: () => this.#dirty(), plain: () => image.file.flush(), write: () => this.#work() });
  }

  /** Puts all that was written before this call on stable storage. Flushes at the same time become one. */
  flush(): Completion {
    return this.#queue.flush();
  }

  #dirty(): boolean {
    const { table, bitmaps, end, footerOffset } = this.image;
    return table.fresh.size > 0 || end !== footerOffset || this.#retry.size > 0 || bitmaps.dirty().next().done !== true;
  }

  async #work(): Promise<void> {
    const { image } = this;
    const { table, end, file } = image;
    const fresh = [...table.fresh];
    const { first, then } = this.#changes(new Set(fresh));
    try {
      await this.#prepared(fresh);
      await this.#write(first);
      if (end !== image.footerOffset) await file.write(end, image.footer, 0, image.footer.length);
      await file.flush();
      image.footerOffset = end;
      for (const block of fresh) {
        table.fresh.delete(block);
        this.#retry.add(block);
      }
      const entries = [...this.#retry];
      await this.#write(table.dirtyParts(entries));
      await this.#write(then);
      if (entries.length + then.length > 0) await file.flush();
      for (const block of entries) this.#retry.delete(block);
    } catch (error) {
      for (const { bitmap } of [...first, ...then]) bitmap.dirty = true;
      throw error;
    } finally {
      for (const { bitmap } of [...first, ...then]) bitmap.users--;
    }
  }

  /** The changed bitmaps as they are now: those of new blocks, which nothing refers to, and those of others. */
  #changes(fresh: ReadonlySet<number>): { readonly first: readonly Change[]; readonly then: readonly Change[] } {
    const first: Change[] = [];
    const then: Change[] = [];
    for (const [block, bitmap] of this.image.bitmaps.dirty()) {
      (fresh.has(block) ? first : then).push({ offset: this.image.blockOffset(block), bytes: bitmap.bytes.slice(), bitmap });
      bitmap.dirty = false;
      // Kept in memory until it is certain that disk and memory are the same.
      bitmap.users++;
    }
    return { first, then };
  }

  /** The space of new blocks is fit for use, and those of which all sectors are there say so. */
  async #prepared(fresh: readonly number[]): Promise<void> {
    const { image } = this;
    const bytes = new Uint8Array(image.bitmapBytes).fill(0xff);
    for (const block of fresh) {
      const prepared = image.prepared(block);
      if (prepared !== undefined) await prepared;
    }
    await this.#write(fresh.filter((block) => image.bitmaps.cached(block) === undefined).map((block) => ({ offset: image.blockOffset(block), bytes })));
  }

  async #write(pieces: Iterable<{ readonly offset: number; readonly bytes: Uint8Array }>): Promise<void> {
    for (const { offset, bytes } of pieces) {
      const done = this.image.file.write(offset, bytes, 0, bytes.length);
      if (done !== undefined) await done;
    }
  }
}
