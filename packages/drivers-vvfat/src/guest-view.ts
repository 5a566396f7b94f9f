/** The disk as the guest sees it: what it wrote, over what the directory makes. */
import { dataExtent, resized, type Completion, type Extent } from '@blk/core-graph';
import type { Disk } from './disk.js';
import { SECTOR } from './fat/shape.js';
import type { Overlay } from './overlay.js';

export class GuestView {
  constructor(
    private readonly disk: Disk,
    private readonly overlay: Overlay,
  ) {}

  /** Fills `buffer[start, start + length)` from `offset`. */
  async read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const here = this.#runEnd(at, offset + length) - at;
      const source = this.overlay.has(Math.floor(at / SECTOR)) ? this.overlay : this.disk;
      const wait: Completion = source.read(at, buffer, start + done, here);
      if (wait !== undefined) await wait;
      done += here;
    }
  }

  /** The same in a buffer of its own. */
  async bytes(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.read(offset, bytes, 0, length);
    return bytes;
  }

  extent(offset: number, length: number): Extent {
    const here = this.#runEnd(offset, offset + length) - offset;
    if (this.overlay.has(Math.floor(offset / SECTOR))) return dataExtent(here, -1);
    const extent = this.disk.extent(offset, here);
    return resized(extent, Math.min(extent.length, here));
  }

  /** Where that ends, before `end`, which comes from the same place as what is at `offset`. */
  #runEnd(offset: number, end: number): number {
    const first = Math.floor(offset / SECTOR);
    const count = this.overlay.run(first, Math.ceil(end / SECTOR) - first);
    return Math.min((first + count) * SECTOR, end);
  }
}
