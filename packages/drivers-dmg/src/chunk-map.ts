/** All chunks of a disk by their place on it. */
import type { Chunk } from './block-table.js';
import { dmgError } from './errors.js';

export class ChunkMap {
  /** In the order of the disk. */
  readonly chunks: readonly Chunk[];

  /** Throws where two of them hold the same sector. */
  constructor(chunks: readonly Chunk[]) {
    this.chunks = [...chunks].sort((a, b) => a.start - b.start);
    for (let index = 1; index < this.chunks.length; index++) {
      const before = this.chunks[index - 1];
      if (this.chunks[index].start < before.start + before.sectors) throw dmgError({ what: 'overlap', sector: this.chunks[index].start });
    }
  }

  /** Index of the last chunk that begins at or before `sector`, which need not reach it; -1 where there is none. */
  indexAt(sector: number): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.chunks[middle].start <= sector) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Chunk `index`, if there is one and it holds `sector`. */
  holding(index: number, sector: number): Chunk | undefined {
    const chunk = this.chunks.at(index);
    return index >= 0 && chunk !== undefined && chunk.start <= sector && sector < chunk.start + chunk.sectors ? chunk : undefined;
  }

  /** The sector where the chunks from `index` on that follow without a gap and are `like` it end; not much beyond `end`. */
  runEnd(index: number, end: number, like: (chunk: Chunk) => boolean): number {
    let at = this.chunks[index].start + this.chunks[index].sectors;
    for (let next = index + 1; at < end && next < this.chunks.length; next++) {
      const chunk = this.chunks[next];
      if (chunk.start !== at || !like(chunk)) break;
      at += chunk.sectors;
    }
    return at;
  }
}
