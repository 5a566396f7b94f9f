/** Which blocks of the file are in use, and the next ones to be taken: first those that nobody uses, then new ones at the end. */
import type { Bits } from '@blk/cluster-map';
import { noSpace } from './errors.js';
import type { VdiImage } from './image.js';

/** A block of the file that nothing refers to yet. */
export interface TakenBlock {
  readonly index: number;
  /** The file has nothing there: it reads as zeroes. */
  readonly virgin: boolean;
}

export class Space {
  /** Behind the last block in use; what the header records. */
  #end: number;
  /** No unused block is below. */
  #lowest = 0;
  /** Blocks from here on have never been in the file. */
  #fresh: number;

  /** `used`: the blocks of the file in use, all below `end`. */
  constructor(
    private readonly image: Pick<VdiImage, 'file' | 'header'>,
    private readonly used: Bits,
    end: number,
  ) {
    const { file, header } = image;
    this.#end = end;
    this.#fresh = Math.max(0, Math.ceil((file.size - header.dataOffset) / header.blockSize));
  }

  get end(): number {
    return this.#end;
  }

  /** Throws kind `no-space` where the file has no room and can't grow. */
  take(): TakenBlock {
    const { file, header } = this.image;
    while (this.#lowest < this.#end && this.used.has(this.#lowest)) this.#lowest++;
    const index = this.#lowest;
    const growable = file.node.driver.growable === true;
    if (!growable && header.dataOffset + (index + 1) * header.blockSize > file.size) throw noSpace(file);
    const virgin = growable && index >= this.#fresh;
    this.used.add(index);
    this.#lowest = index + 1;
    this.#end = Math.max(this.#end, index + 1);
    this.#fresh = Math.max(this.#fresh, index + 1);
    return { index, virgin };
  }

  giveBack(index: number): void {
    this.used.delete(index);
    this.#lowest = Math.min(this.#lowest, index);
  }
}
