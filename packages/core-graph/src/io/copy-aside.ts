/**
 * Copying from file to file beside the event loop: ranges that no layer has anything to do with, from the file where the bytes lie as they
 * are to the file of a target that keeps them so.
 */
import { isPromise, type MaybePromise } from '../completion.js';
import type { BlockNode } from '../node.js';
import type { DriverNode } from '../driver-node.js';

/** A range for `DriverNode.copyAside`; all in bytes. */
export interface AsideCopy {
  readonly offset: number;
  readonly length: number;
  /** Another node of the same kind, and the place there. */
  readonly target: DriverNode;
  readonly targetOffset: number;
  /** Runs of zeroes are looked for in steps of so many bytes from `offset` on, and not written; 0: not at all. */
  readonly granularity: number;
  /** Whether they are to be told of: somebody has to write them. */
  readonly tellZeroes: boolean;
}

/** What a copy is asked for, wherever the bytes lie. */
export type AsideWish = Pick<AsideCopy, 'granularity' | 'tellZeroes'> & {
  /** Shorter pieces of a file than this are not worth it, but for the last one. */
  readonly least: number;
};

/** How far it came. */
export interface AsideCopied {
  /** Bytes from the front that are copied, or zeroes. Fewer than were asked for after a failure, and where the zeroes lie very scattered. */
  readonly length: number;
  /** The runs of zeroes among them, where they were to be told; `at` counts from the front. */
  readonly zeroes: readonly { readonly at: number; readonly length: number }[];
  readonly failure?: { readonly verb: 'read' | 'write'; readonly at: number; readonly error: Error } | undefined;
}

interface Place {
  /** From the image down to the file. */
  readonly way: readonly BlockNode[];
  readonly offset: number;
  readonly length: number;
}

export class AsideTarget {
  private constructor(
    private readonly way: readonly BlockNode[],
    private readonly shift: number,
  ) {}

  /** Undefined where a write to `node` is more than a write to a file. */
  static of(node: BlockNode): AsideTarget | undefined {
    const way = [node];
    let shift = 0;
    for (let at = node; at.driver.copyAside === undefined; way.push(at)) {
      const { fixedOffset } = at.driver;
      const below = at.children.get('file')?.node;
      if (fixedOffset === undefined || below === undefined) return undefined;
      shift += fixedOffset;
      at = below;
    }
    return new AsideTarget(way, shift);
  }

  /**
   * Copies `length` bytes, or fewer, from `offset` of `source` to `targetOffset`. Nobody else writes there meanwhile. Undefined where they
   * have to be read and written.
   */
  copy(source: BlockNode, offset: number, targetOffset: number, length: number, wish: AsideWish): MaybePromise<AsideCopied | undefined> {
    const place = placeOf([source], offset, length);
    const go = (found: Place | undefined): Promise<AsideCopied> | undefined =>
      found === undefined || found.length < Math.min(length, wish.least) ? undefined : this.#copy(found, targetOffset, wish);
    return isPromise(place) ? place.then(go) : go(place);
  }

  #copy(place: Place, targetOffset: number, { granularity, tellZeroes }: AsideWish): Promise<AsideCopied> | undefined {
    const { way, offset, length } = place;
    const at = targetOffset + this.shift;
    const from = way[way.length - 1];
    const to = this.way[this.way.length - 1];
    if (this.way.some((node) => !node.writesPlainly) || at + length > to.size) return undefined;
    const done = from.driver.copyAside?.({ offset, length, target: to.driver, targetOffset: at, granularity, tellZeroes });
    if (done === undefined) return undefined;
    for (const node of this.way) node.wrote(at + length);
    // Whoever closes or drains one of these nodes waits for the copy.
    const requests = [...way, ...this.way].map((node) => node.requests.begin(at, length, false));
    return done.finally(() => {
      for (const request of requests) request.finish();
    });
  }
}

/** Where the bytes at `offset` of the last node of `way` lie as they are; undefined where somebody has to make them first. */
function placeOf(way: readonly BlockNode[], offset: number, length: number): MaybePromise<Place | undefined> {
  const node = way[way.length - 1];
  const { driver } = node;
  const inside = Math.min(length, driver.size - offset);
  if (!node.readsPlainly || inside <= 0) return undefined;
  if (driver.copyAside !== undefined) return { way, offset, length: inside };
  const file = node.children.get('file')?.node;
  if (driver.fixedOffset !== undefined) return file && placeOf([...way, file], offset + driver.fixedOffset, inside);
  const extent = driver.extent?.(offset, inside);
  const goOn = (found: typeof extent): MaybePromise<Place | undefined> => {
    if (found === undefined || isPromise(found)) return undefined;
    const { allocated, data, zero, compressed, hostOffset } = found;
    const within = Math.min(found.length, inside);
    if (!allocated) {
      const backing = node.backing?.node;
      return zero || backing === undefined ? undefined : placeOf([...way, backing], offset, within);
    }
    if (!data || zero || compressed || hostOffset < 0) return undefined;
    const child = driver.dataChild === undefined ? (node.children.get('data-file') ?? node.children.get('file')) : driver.dataChild(offset);
    // A filter's child shows what the filter makes of it.
    return child === undefined || child.role === 'filtered' ? undefined : placeOf([...way, child.node], hostOffset, within);
  };
  return isPromise(extent) ? extent.then(goOn) : goOn(extent);
}
