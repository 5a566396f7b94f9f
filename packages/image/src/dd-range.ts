/** Which bytes `dd` copies. */

export interface DdBlocks {
  readonly blockSize: number;
  readonly count?: number;
  readonly skip?: number;
}

export interface DdRange {
  readonly start: number;
  readonly length: number;
  /** The part would begin behind the end of what is looked at. */
  readonly beyond: boolean;
}

/** Of an input of `size` bytes. As the reference tool has it, `count` cuts the input before `skip` leaves blocks out of the rest. */
export function ddRange(size: number, { blockSize, count, skip = 0 }: DdBlocks): DdRange {
  const end = count === undefined ? size : Math.min(size, count * blockSize);
  const start = skip * blockSize;
  return { start, length: Math.max(0, end - start), beyond: start > end };
}
