/**
 * Writing metadata in an order that survives a power cut at any moment: the data and the number of blocks first, a flush of the file,
 * then the entries of the map that refer to them, and the last flush. So an entry on disk never refers to data that is not there, and
 * never to a block that the header leaves to the next who needs one. At worst the header counts blocks that nothing refers to.
 */
import type { Completion } from '@blk/core-graph';
import { withAllocated } from './header.js';
import type { VdiImage } from './image.js';
import { settled } from './pending.js';

export class Flusher {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(private readonly image: Pick<VdiImage, 'file' | 'map' | 'space' | 'header'>) {}

  /** Puts all that was done before this call on stable storage. */
  flush(): Completion {
    if (this.#running === undefined && !this.image.map.dirty) return this.image.file.flush();
    if (this.#running === undefined) return this.#start();
    // One flush that begins after this moment serves all who ask until then.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#running ?? this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const run = this.#run().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }

  async #run(): Promise<void> {
    const { file, map, space } = this.image;
    const { header } = this.image;
    const pieces = map.takeDirty();
    try {
      if (header.allocated !== space.end && pieces.length > 0) {
        const counted = withAllocated(header, space.end);
        await settled(file.write(0, counted.bytes, 0, counted.bytes.length));
        this.image.header = counted;
      }
      await settled(file.flush());
      for (const { offset, bytes } of pieces) await settled(file.write(header.mapOffset + offset, bytes, 0, bytes.length));
      if (pieces.length > 0) await settled(file.flush());
    } catch (error) {
      map.restore(pieces);
      throw error;
    }
  }
}
