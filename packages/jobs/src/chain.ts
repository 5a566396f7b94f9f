/** Backing chains as jobs see them: images one above the other, whatever filters lie between. */
import { isPromise, normalisePath, resolveReference, type BlockNode, type Edge, type Extent, type MaybePromise } from '@blk/core-graph';

/** The image behind the filters that `node` may be the first of. */
export function imageBehind(node: BlockNode): BlockNode {
  let image = node;
  while (image.settings.driver.role === 'filter') {
    const below = image.storage;
    if (below === undefined) break;
    image = below.node;
  }
  return image;
}

/** The image that an image leaves unallocated ranges to. */
export function below(image: BlockNode): BlockNode | undefined {
  const { backing } = image;
  return backing === undefined ? undefined : imageBehind(backing.node);
}

/** The images from `top` down to the one above `base` (undefined: to the last); undefined where `base` is not below `top`. */
export function imagesAbove(top: BlockNode, base: BlockNode | undefined): BlockNode[] | undefined {
  const images: BlockNode[] = [];
  for (let image: BlockNode | undefined = imageBehind(top); image !== undefined; image = below(image)) {
    if (image === base) return images;
    images.push(image);
  }
  return base === undefined ? images : undefined;
}

/**
 * The image below `top` that is meant by a file name: as an image above it has recorded it, or as it is seen from there; undefined where
 * there is none.
 */
export function findBelow(top: BlockNode, name: string): BlockNode | undefined {
  for (let above = imageBehind(top), image = below(above); image !== undefined; above = image, image = below(above)) {
    if (image.filename === name || above.driver.recordedBacking?.filename === name) return image;
    if (samePlace(above, image, name)) return image;
  }
  return undefined;
}

function samePlace(above: BlockNode, image: BlockNode, name: string): boolean {
  try {
    return normalisePath(resolveReference(above.filename, name)) === normalisePath(image.filename);
  } catch {
    // A name that can't be seen from there, such as a relative one below a URL.
    return false;
  }
}

/** The links between images that follow each other in the list. */
export function linksBetween(images: readonly BlockNode[]): Edge[] {
  return images.slice(0, -1).flatMap(({ backing }) => backing ?? []);
}

/** What the images of a list hold of a range. */
export interface ChainPart {
  /** Bytes; greater than zero. */
  readonly length: number;
  /** `none`: the images leave it to whatever is below the last one. */
  readonly kind: 'data' | 'zero' | 'none';
  /** Position in the list of the image that decides. */
  readonly depth: number;
}

/**
 * The part of `[offset, offset + length)` at `offset`. A range behind the end of an image below the first one reads as zeroes, whatever lies
 * further down, so that image decides it.
 */
export function partAt(images: readonly BlockNode[], offset: number, length: number): MaybePromise<ChainPart> {
  return descend(images, 0, offset, length);
}

function descend(images: readonly BlockNode[], depth: number, offset: number, length: number): MaybePromise<ChainPart> {
  if (depth === images.length) return { length, kind: 'none', depth };
  const image = images[depth];
  if (depth > 0 && offset >= image.size) return { length, kind: 'zero', depth };
  const found = image.extent(offset, length);
  return isPromise(found) ? found.then((extent) => decide(images, depth, offset, extent)) : decide(images, depth, offset, found);
}

function decide(images: readonly BlockNode[], depth: number, offset: number, extent: Extent): MaybePromise<ChainPart> {
  if (!extent.allocated) return descend(images, depth + 1, offset, extent.length);
  return { length: extent.length, kind: extent.zero ? 'zero' : 'data', depth };
}
