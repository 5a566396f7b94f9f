/** What stream and commit have to copy: what the images above a base hold, front to back, in pieces. */
import { isPromise, type BlockNode, type MaybePromise } from '@blk/core-graph';
import { partAt, type ChainPart } from './chain.js';
import type { CopyPiece } from './copy-engine.js';

/** Longest range that is made zero at once: guests may wait for it. */
const ZEROES = 32 * 1024 * 1024;

export interface ChainPlanOptions {
  /** From the top down. */
  readonly images: readonly BlockNode[];
  /** Ranges that the images from the first on to this one decide are there already; 0: none. */
  readonly present: number;
  /** End of the disk; bytes. */
  readonly end: number;
  /** Longest piece of data; pieces end at multiples of `align` where they are cut. */
  readonly piece: number;
  readonly align: number;
  /** Ranges of zeroes have to be stored as such. */
  readonly zeroes: boolean;
}

export class ChainPlan {
  #at = 0;
  /** A part that was looked at and did not go with the piece before. */
  #looked: ChainPart | undefined;

  constructor(private readonly options: ChainPlanOptions) {}

  next(): MaybePromise<CopyPiece | undefined> {
    if (this.#at >= this.options.end) return undefined;
    const part = this.#look();
    return isPromise(part) ? part.then((found) => this.#pieceOf(found)) : this.#pieceOf(part);
  }

  /** The part at the present place. */
  #look(): MaybePromise<ChainPart> {
    const looked = this.#looked;
    this.#looked = undefined;
    return looked ?? partAt(this.options.images, this.#at, this.options.end - this.#at);
  }

  #pieceOf(part: ChainPart): MaybePromise<CopyPiece> {
    const offset = this.#at;
    const action = this.#actionOf(part);
    if (action === 'skip') return this.#taken(action, offset, part.length, part);
    if (action === 'zero') return this.#taken(action, offset, this.#cut(offset, Math.min(part.length, ZEROES), part.length), part);
    const most = this.#cut(offset, this.options.piece, Infinity);
    if (part.length >= most) return this.#taken(action, offset, most, part);
    this.#at += part.length;
    return this.#extend(offset, most);
  }

  /** Data that follows goes with the piece, whichever image holds it. */
  #extend(offset: number, most: number): MaybePromise<CopyPiece> {
    for (;;) {
      const length = this.#at - offset;
      if (length >= most || this.#at >= this.options.end) return { action: 'data', offset, length };
      const part = this.#look();
      if (isPromise(part)) return part.then((found) => this.#extendBy(found, offset, most) ?? this.#extend(offset, most));
      const ended = this.#extendBy(part, offset, most);
      if (ended !== undefined) return ended;
    }
  }

  #extendBy(part: ChainPart, offset: number, most: number): CopyPiece | undefined {
    if (this.#actionOf(part) !== 'data') {
      this.#looked = part;
      return { action: 'data', offset, length: this.#at - offset };
    }
    const length = Math.min(part.length, offset + most - this.#at);
    this.#at += length;
    if (length < part.length) this.#looked = { ...part, length: part.length - length };
    return undefined;
  }

  #taken(action: CopyPiece['action'], offset: number, length: number, part: ChainPart): CopyPiece {
    this.#at = offset + length;
    if (length < part.length) this.#looked = { ...part, length: part.length - length };
    return { action, offset, length };
  }

  #actionOf({ kind, depth }: ChainPart): CopyPiece['action'] {
    if (kind === 'none' || depth < this.options.present) return 'skip';
    return kind === 'data' ? 'data' : this.options.zeroes ? 'zero' : 'skip';
  }

  /** Shortens a piece so that it ends at a multiple of `align`, unless it ends where its part does. */
  #cut(offset: number, wanted: number, length: number): number {
    if (wanted >= length) return length;
    const { align } = this.options;
    const end = Math.floor((offset + wanted) / align) * align;
    return end > offset ? end - offset : wanted;
  }
}
