/** The parts of one open image, put together. */
import { Bits } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { FREE, ZERO, type BlockMap } from './block-map.js';
import { vdiError } from './errors.js';
import { Flusher } from './flusher.js';
import type { VdiHeader } from './header.js';
import { Space } from './space.js';

export class VdiImage {
  readonly flusher: Flusher;
  readonly space: Space;
  /** Blocks of the disk that are getting a place in the file, and when that is over. */
  readonly busy = new Map<number, Promise<void>>();

  /** Throws where the map does not fit together. */
  constructor(
    readonly file: Edge,
    public header: VdiHeader,
    readonly map: BlockMap,
    readonly readOnly: boolean,
  ) {
    this.space = spaceOf(this);
    this.flusher = new Flusher(this);
  }

  /** Where a block of the file begins. */
  hostOf(entry: number): number {
    return this.header.dataOffset + entry * this.header.blockSize;
  }
}

/** Every entry refers to a block of its own, inside the file. */
function spaceOf(image: Pick<VdiImage, 'file' | 'header' | 'map'>): Space {
  const { file, header, map } = image;
  const { blockSize, blocks, dataOffset, size } = header;
  const used = new Bits(blocks);
  let end = 0;
  for (let block = 0; block < blocks; block++) {
    const entry = map.get(block);
    if (entry === FREE || entry === ZERO) continue;
    if (entry >= blocks) throw vdiError({ what: 'block-range', block, found: entry, blocks });
    if (used.has(entry)) throw vdiError({ what: 'block-shared', block, found: entry });
    // What lies behind the end of the disk need not be there.
    const length = Math.max(0, Math.min(blockSize, size - block * blockSize));
    const hostEnd = dataOffset + entry * blockSize + length;
    if (hostEnd > file.size) throw vdiError({ what: 'block-beyond-end', block, end: hostEnd, fileSize: file.size });
    used.add(entry);
    end = Math.max(end, entry + 1);
  }
  return new Space(image, used, end);
}
