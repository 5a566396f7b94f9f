/**
 * Writing metadata in an order that survives a power cut at any moment: the data and the number of blocks first, a flush of the file,
 * then the entries of the map that refer to them, and the last flush. So an entry on disk never refers to data that is not there, and
 * never to a block that the header leaves to the next who needs one. At worst the header counts blocks that nothing refers to.
 */
import type { Completion } from '@blk/core-graph';
import { withAllocated } from './header.js';
import type { VdiImage } from './image.js';
import { FlushQueue, settled } from '@blk/cluster-map';

export class Flusher {
  readonly #queue: FlushQueue;

  constructor(private readonly image: Pick<VdiImage, 'file' | 'map' | 'space' | 'header'>) {
    this.#queue = new FlushQueue({ dirty: () => image.map.dirty, plain: () => image.file.flush(), write: () => this.#run() });
  }

  /** Puts all that was done before this call on stable storage. */
  flush(): Completion {
    return this.#queue.flush();
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
