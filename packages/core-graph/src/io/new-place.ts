/** Room in an image for content that comes from elsewhere past the image's own writing: taken before, and linked afterwards. */
import type { BlockNode } from '../node.js';
import type { AsideCopied, AsideRun } from './copy-aside.js';

/** Where new content of a range may be put; nobody sees it yet. All in bytes. */
export interface NewPlace {
  /** The child that holds it. */
  readonly node: BlockNode;
  /** The place there. */
  readonly offset: number;
  /** How much of the range it has room for, from its front. */
  readonly length: number;
  /**
   * To be called once, also where nothing came of it. `stored` are the runs of the range, in their order, that lie there one behind the
   * other: these are what the image holds from now on. The room that is left is given back. What is not stored stays what it was.
   */
  settle(stored: readonly AsideRun[]): Promise<void>;
}

/** What there is between the runs of zeroes of a copy, from its front as far as it came. */
export function storedBy({ length, zeroes }: AsideCopied): AsideRun[] {
  const stored: AsideRun[] = [];
  let at = 0;
  for (const run of [...zeroes, { at: length, length: 0 }]) {
    if (run.at > at) stored.push({ at, length: run.at - at });
    at = run.at + run.length;
  }
  return stored;
}
