/** What a range of an image is: data, zeroes, or left to the backing file. */
export interface Extent {
  /** Length in bytes, greater than zero. */
  readonly length: number;
  /** The bytes are stored: reading reads them from somewhere. */
  readonly data: boolean;
  /** The range reads as zeroes. */
  readonly zero: boolean;
  /** This image decides the content, rather than its backing file. */
  readonly allocated: boolean;
  /** The bytes are stored compressed. */
  readonly compressed: boolean;
  /**
   * Where the bytes lie, raw and uncompressed, in the node's data child (or in the file itself, for a protocol);
   * -1 where they lie nowhere or not raw.
   */
  readonly hostOffset: number;
}

export function dataExtent(length: number, hostOffset: number): Extent {
  return { length, data: true, zero: false, allocated: true, compressed: false, hostOffset };
}

export function compressedExtent(length: number): Extent {
  return { length, data: true, zero: false, allocated: true, compressed: true, hostOffset: -1 };
}

/** A range that the image itself says is zero; `hostOffset` where space is reserved for it, else -1. */
export function zeroExtent(length: number, hostOffset = -1): Extent {
  return { length, data: false, zero: true, allocated: true, compressed: false, hostOffset };
}

/**
 * A range that the image leaves to its backing file (zeroes where there is none); `hostOffset` where space is reserved for
 * it, else -1.
 */
export function unallocatedExtent(length: number, hostOffset = -1): Extent {
  return { length, data: false, zero: false, allocated: false, compressed: false, hostOffset };
}

/** An extent with everything the same as before but its length, for example cut at a request's end. */
export function resized(extent: Extent, length: number): Extent {
  return extent.length === length ? extent : { ...extent, length };
}

/** An extent of an image and its whole backing chain, with its place in it. */
export interface ChainExtent extends Extent {
  /** Position in bytes. */
  readonly offset: number;
  /** 0: the image itself decides; 1: its backing file; and so on. */
  readonly depth: number;
}
