/**
 * Copying from file to file beside the event loop: ranges that no layer has anything to do with, from the file where the bytes lie as they
 * are to the file of a target that keeps them so.
 */
import { isPromise, type MaybePromise } from '../completion.js';
import type { BlockNode } from '../node.js';
import type { DriverNode } from '../driver-node.js';
import type { Extent } from '../extent.js';
import { storedBy } from './new-place.js';

/**
 * What becomes of runs of zeroes: they are left out, told of because somebody has to write them, or told of and what follows moves up: all that
 * is written lies one behind the other from `targetOffset` on.
 */
export type AsideZeroes = 'skip' | 'tell' | 'pack';

/** A range for `DriverNode.copyAside`; all in bytes. */
export interface AsideCopy {
  readonly offset: number;
  readonly length: number;
  /** Another node of the same kind, and the place there. */
  readonly target: DriverNode;
  readonly targetOffset: number;
  /** Runs of zeroes are looked for in steps of so many bytes from `offset` on, and not written; 0: not at all. */
  readonly granularity: number;
  readonly zeroes: AsideZeroes;
}

/** What a copy is asked for, wherever the bytes lie. */
export type AsideWish = Pick<AsideCopy, 'granularity'> & {
  /** Whether runs of zeroes are to be told of: somebody has to write them. */
  readonly tellZeroes: boolean;
  /** Shorter pieces of a file than this are not worth it, but for the last one. */
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

/** A node, and the place in it of what is copied. */
interface Step {
  readonly node: BlockNode;
  readonly offset: number;
}

interface Place {
  /** From the image down to the file. */
  readonly way: readonly Step[];
  readonly length: number;
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
      const found = placeOf([{ node: source, offset }], length);
      const place = isPromise(found) ? await found : found;
      if (place === undefined || place.length < Math.min(length, wish.least)) return undefined;
      const into = this.way.map((step) => ({ node: step.node, offset: targetOffset + step.offset }));
      if (!isFile(into)) return await this.#copyToNew(place, into, wish);
      return await this.#copy(place, into, wish.granularity, wish.tellZeroes ? 'tell' : 'skip');
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

  #copy({ way, length }: Place, into: readonly Step[], granularity: number, zeroes: AsideZeroes): Promise<AsideCopied> | undefined {
    const from = way[way.length - 1];
    const to = into[into.length - 1];
    if (!this.#allows(into, length, zeroes === 'pack')) return undefined;
    const done = from.node.driver.copyAside?.({ offset: from.offset, length, target: to.node.driver, targetOffset: to.offset, granularity, zeroes });
    if (done === undefined) return undefined;
    for (const { node, offset } of into) node.wrote(offset + length);
    // Whoever closes or drains one of these nodes waits for the copy.
    const requests = [...way, ...into].map(({ node, offset }) => node.requests.begin(offset, length, false));
    return done.finally(() => {
      for (const request of requests) request.finish();
    });
  }

  /** To an image that takes room for it first, and holds it only afterwards. */
  async #copyToNew({ way, length }: Place, into: readonly Step[], wish: AsideWish): Promise<AsideCopied | undefined> {
    if (!this.#allows(into, length, false)) return undefined;
    const requests = into.map(({ node, offset }) => node.requests.begin(offset, length, false));
    try {
      const { node, offset } = into[into.length - 1];
      const room = await node.driver.takePlace?.(offset, length, wish.granularity);
      if (room === undefined) return undefined;
      let copied: AsideCopied | undefined;
      try {
        const below = wayDown(room.node, room.offset);
        if (isFile(below)) copied = await this.#copy({ way, length: room.length }, [...into, ...below], wish.granularity, 'pack');
      } finally {
        await room.settle(copied === undefined ? [] : storedBy(copied));
      }
      return copied && { ...copied, zeroes: wish.tellZeroes ? copied.zeroes : [] };
    } finally {
      for (const request of requests) request.finish();
    }
  }
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

/** Where the bytes at the last of `way` lie as they are; undefined where somebody has to make them first. */
function placeOf(way: readonly Step[], length: number): MaybePromise<Place | undefined> {
  const { node, offset } = way[way.length - 1];
  const { driver } = node;
  const inside = Math.min(length, driver.size - offset);
  if (!node.readsPlainly || inside <= 0) return undefined;
  if (driver.copyAside !== undefined) return { way, length: inside };
  const file = node.children.get('file')?.node;
  if (driver.fixedOffset !== undefined) return file && placeOf([...way, { node: file, offset: offset + driver.fixedOffset }], inside);
  const extent = driver.extent?.(offset, inside);
  const goOn = (found: Extent | undefined): MaybePromise<Place | undefined> => {
    if (found === undefined) return undefined;
    const { allocated, data, zero, compressed, hostOffset } = found;
    const within = Math.min(found.length, inside);
    if (!allocated) {
      const backing = node.backing?.node;
      return zero || backing === undefined ? undefined : placeOf([...way, { node: backing, offset }], within);
    }
    if (!data || zero || compressed || hostOffset < 0) return undefined;
    const child = driver.dataChild === undefined ? (node.children.get('data-file') ?? node.children.get('file')) : driver.dataChild(offset);
    // A filter's child shows what the filter makes of it.
    return child === undefined || child.role === 'filtered' ? undefined : placeOf([...way, { node: child.node, offset: hostOffset }], within);
  };
  return isPromise(extent) ? extent.then(goOn) : goOn(extent);
}
