/**
 * The log, written: pages are promised here before they change in their places. Each entry stands for itself, since the one before it has been
 * applied by then; it stays whole until the next one is, so that the log always has a valid end.
 */
import type { Edge } from '@blk/core-graph';
import { crc32c, newId, PAGE, putId, putText, putU64, viewOf, ZERO_ID } from './format.js';
import type { HeaderFile } from './header.js';
import { DESCRIPTOR, ENTRY_HEADER } from './log.js';

export interface Page {
  /** A multiple of 4096. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const ONE_DESCRIPTOR_PAGE = (PAGE - ENTRY_HEADER) / DESCRIPTOR;

export class LogWriter {
  #logId = ZERO_ID;
  #sequence = 0n;
  #next = 0;

  constructor(
    private readonly file: Edge,
    private readonly header: HeaderFile,
    private readonly random: (into: Uint8Array<ArrayBuffer>) => void,
  ) {}

  /** Most pages of one transaction: an entry takes at most a quarter of the log. */
  get most(): number {
    return Math.min(ONE_DESCRIPTOR_PAGE, this.header.current.logLength / PAGE / 4 - 1);
  }

  /** Changes the pages, all of them or none whatever happens meanwhile; on stable storage afterwards. */
  async commit(pages: readonly Page[]): Promise<void> {
    const { file, header } = this;
    const { logOffset, logLength } = header.current;
    // Each round of the ring has an identifier of its own: else the reference replays what is left of the last round in place of the first entry.
    if (this.#next === 0) this.#logId = newId(this.random);
    const bytes = this.#encode(pages);
    await file.write(logOffset + this.#next, bytes, 0, bytes.length);
    await file.flush();
    this.#next = this.#next + bytes.length > logLength * 0.75 ? 0 : this.#next + bytes.length;
    // Only now there is something that the header can refer to.
    if (header.current.logId !== this.#logId) await header.update({ logId: this.#logId });
    for (const { offset, bytes: page } of pages) {
      const done = file.write(offset, page, 0, PAGE);
      if (done !== undefined) await done;
    }
    await file.flush();
  }

  /** All is in its place: the log is empty. */
  async close(): Promise<void> {
    if (this.header.current.logId !== ZERO_ID) await this.header.update({ logId: ZERO_ID });
  }

  #encode(pages: readonly Page[]): Uint8Array {
    this.#sequence++;
    const bytes = new Uint8Array(PAGE * (1 + pages.length));
    const view = viewOf(bytes);
    putText(bytes, 0, 'loge');
    view.setUint32(8, bytes.length, true);
    view.setUint32(12, this.#next, true);
    view.setBigUint64(16, this.#sequence, true);
    view.setUint32(24, pages.length, true);
    putId(bytes, 32, this.#logId);
    putU64(view, 48, this.file.size);
    putU64(view, 56, this.file.size);
    pages.forEach(({ offset, bytes: page }, index) => {
      const at = ENTRY_HEADER + index * DESCRIPTOR;
      putText(bytes, at, 'desc');
      bytes.set(page.subarray(PAGE - 4), at + 4);
      bytes.set(page.subarray(0, 8), at + 8);
      putU64(view, at + 16, offset);
      view.setBigUint64(at + 24, this.#sequence, true);
      const sector = PAGE * (1 + index);
      bytes.set(page, sector);
      putText(bytes, sector, 'data');
      view.setUint32(sector + 4, Number(this.#sequence >> 32n), true);
      view.setUint32(sector + 4092, Number(this.#sequence & 0xffff_ffffn), true);
    });
    view.setUint32(4, crc32c(bytes, 4), true);
    return bytes;
  }
}
