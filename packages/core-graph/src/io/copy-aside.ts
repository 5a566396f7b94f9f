/**
 * Copying from file to file beside the event loop: ranges that no layer has anything to do with, from the file where the bytes lie as they
 * are to the file of a target that keeps them so.
 */
import type { BlockNode } from '../node.js';
import { AsideSource, type AsidePart, type Step } from './aside-source.js';
import { storedBy } from './new-place.js';

/**
 * What becomes of runs of zeroes: they are left out, told of because somebody has to write them, or told of and what follows moves up: all that
 * is written lies one behind the other from `targetOffset` on.
 */
export type AsideZeroes = 'skip' | 'tell' | 'pack';

/** Bytes that are copied at once, and looked through for themselves: steps of a `granularity` that does not divide them end there, too. */
export const ASIDE_PIECE = 1024 * 1024;

/** A range for `DriverNode.copyAside`; all in bytes. */
export interface AsideCopy {
  /** What is copied; all files are of the same kind as the target. */
  readonly parts: readonly AsidePart[];
  /** Bytes of all parts. */
  readonly length: number;
  readonly targetOffset: number;
  /** Runs of zeroes are looked for in steps of so many bytes from the front on, anew in every `ASIDE_PIECE` of them, and not written; 0: not at all. */
  readonly granularity: number;
  readonly zeroes: AsideZeroes;
  /** Memory of `ASIDE_PIECE` bytes: the event loop copies by way of it, as far as nothing has to be waited for. Absent: another thread does. */
  readonly here?: Uint8Array | undefined;
}

/** What a copy is asked for, wherever the bytes lie. */
export type AsideWish = Pick<AsideCopy, 'granularity' | 'here'> & {
  /** Whether runs of zeroes are to be told of: somebody has to write them. */
  readonly tellZeroes: boolean;
  /** Less than this is not worth it, but for the last bytes. */
  readonly least: number;
};

/** Who writes to a target; a `Backend`. */
export interface AsideUser {
  readonly root: BlockNode;
  readonly writeThrough: boolean;
  /** Its requests must not go past it. */
  readonly held: boolean;
}

/** A part of a copied range, in bytes; `at` counts from its front. */
export interface AsideRun {
  readonly at: number;
  readonly length: number;
}

/** How far it came. */
export interface AsideCopied {
  /** Bytes from the front that are copied, or zeroes. Fewer than were asked for after a failure, and where the zeroes lie very scattered. */
  readonly length: number;
  /** The runs of zeroes among them, where they were to be told. */
  readonly zeroes: readonly AsideRun[];
  readonly failure?: { readonly verb: 'read' | 'write'; readonly at: number; readonly error: Error } | undefined;
}

export class AsideTarget {
  /** `way`: from the image down to the file, or to a format that takes room for what is new, each with what is to be added to places in the image. */
  private constructor(
    private readonly user: AsideUser,
    private readonly way: readonly Step[],
  ) {}

  /** Undefined where what `user` writes is more than a write to a file. */
  static of(user: AsideUser): AsideTarget | undefined {
    if (user.writeThrough) return undefined;
    const way = wayDown(user.root, 0);
    return way && new AsideTarget(user, way);
  }

  /**
   * Copies `length` bytes, or fewer, from `offset` of `source` to `targetOffset`. Nobody else writes there meanwhile. Undefined where they
   * have to be read and written, be it to find out what is wrong with them.
   */
  async copy(source: BlockNode, offset: number, targetOffset: number, length: number, wish: AsideWish): Promise<AsideCopied | undefined> {
    try {
      const found = await AsideSource.find(source, offset, length);
      if (found.length === 0 || found.length < Math.min(length, wish.least)) return undefined;
      const into = this.way.map((step) => ({ node: step.node, offset: targetOffset + step.offset }));
      if (!isFile(into)) return await this.#copyToNew(found, into, wish);
      return await this.#copy(found, found.length, into, wish, wish.tellZeroes ? 'tell' : 'skip');
    } catch {
      return undefined;
    }
  }

  /** While it was looked for a place, somebody may have begun to drain the target, or to mind what is written there. */
  #allows(into: readonly Step[], length: number, mayGrow: boolean): boolean {
    const { user } = this;
    const fits = ({ node, offset }: Step): boolean => offset + length <= node.size || (mayGrow && node.driver.growable === true);
    return !user.held && user.root === into[0].node && into.every((step) => step.node.writesPlainly && fits(step));
  }

  /** The first `length` bytes of `source`. */
  #copy(source: AsideSource, length: number, into: readonly Step[], { granularity, here }: AsideWish, zeroes: AsideZeroes): Promise<AsideCopied> | undefined {
    const to = into[into.length - 1];
    if (!source.plain || !this.#allows(into, length, zeroes === 'pack')) return undefined;
    const done = to.node.driver.copyAside?.({ parts: source.upTo(length), length, targetOffset: to.offset, granularity, zeroes, here });
    if (done === undefined) return undefined;
    for (const { node, offset } of into) node.wrote(offset + length);
    // Whoever closes or drains one of these nodes waits for the copy.
    const requests = [...source.begin(), ...into.map(({ node, offset }) => node.requests.begin(offset, length, false))];
    return done.finally(() => {
      for (const request of requests) request.finish();
    });
  }

  /** To an image that takes room for it first, and holds it only afterwards. */
  async #copyToNew(source: AsideSource, into: readonly Step[], wish: AsideWish): Promise<AsideCopied | undefined> {
    const { length } = source;
    if (!this.#allows(into, length, false)) return undefined;
    const requests = into.map(({ node, offset }) => node.requests.begin(offset, length, false));
    try {
      const { node, offset } = into[into.length - 1];
      const room = await node.driver.takePlace?.(offset, length, commonStep(wish.granularity, ASIDE_PIECE));
      if (room === undefined) return undefined;
      let copied: AsideCopied | undefined;
      try {
        const below = wayDown(room.node, room.offset);
        if (isFile(below)) copied = await this.#copy(source, room.length, [...into, ...below], wish, 'pack');
      } finally {
        await room.settle(copied === undefined ? [] : storedBy(copied));
      }
      return copied && { ...copied, zeroes: wish.tellZeroes ? copied.zeroes : [] };
    } finally {
      for (const request of requests) request.finish();
    }
  }
}

/** What both kinds of ends are multiples of. */
function commonStep(granularity: number, piece: number): number {
  return granularity === 0 ? 0 : piece % granularity === 0 ? granularity : commonStep(piece % granularity, granularity);
}

/** From `node` through what only adds to offsets, down to a file, or to a format that takes room in a file for what is new. */
function wayDown(node: BlockNode, offset: number): Step[] | undefined {
  const step: Step = { node, offset };
  const { driver } = node;
  if (driver.copyAside !== undefined) return [step];
  const below = node.children.get('file')?.node;
  if (below === undefined) return undefined;
  const { fixedOffset } = driver;
  if (driver.takePlace !== undefined) return isFile(wayDown(below, 0)) ? [step] : undefined;
  const rest = fixedOffset === undefined ? undefined : wayDown(below, offset + fixedOffset);
  return rest && [step, ...rest];
}

function isFile(way: readonly Step[] | undefined): way is readonly Step[] {
  return way?.[way.length - 1].node.driver.copyAside !== undefined;
}
