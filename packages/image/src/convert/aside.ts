/** Ranges of a copy that a thread moves from file to file, while the event loop moves others. */
import { AsideTarget, type AsideCopied, type AsideWish, type Backend } from '@blk/core-graph';
import type { Sources } from './sources.js';

/** Bytes copied before the thread is worth its start. */
export const WORTH_ASIDE = 32 * 1024 * 1024;
/** Bytes that the thread is told at once; as many more wait for it, so that it always has some. */
export const ASIDE_ORDER = 8 * 1024 * 1024;
/** Shorter ranges take less time here than it takes to tell the thread of them. */
export const LEAST_ASIDE = 512 * 1024;

export class Aside {
  private constructor(
    private readonly sources: Pick<Sources, 'at'>,
    private readonly target: AsideTarget,
    private readonly wish: AsideWish,
  ) {}

  /** Undefined where what is written has to pass somebody. */
  static of(sources: Pick<Sources, 'at'>, target: Backend, wish: Omit<AsideWish, 'least' | 'here'>): Aside | undefined {
    const file = AsideTarget.of(target);
    return file && new Aside(sources, file, { ...wish, least: LEAST_ASIDE });
  }

  /** Copies from `offset` on, `length` bytes or fewer; with memory of `ASIDE_PIECE` bytes on the event loop. Undefined: they have to be read and written. */
  async copy(offset: number, length: number, here?: Uint8Array): Promise<AsideCopied | undefined> {
    const { node, inside, left } = this.sources.at(offset);
    const copied = await this.target.copy(node, inside, offset, Math.min(left, length), here === undefined ? this.wish : { ...this.wish, here });
    return copied?.length === 0 && copied.failure === undefined ? undefined : copied;
  }
}
