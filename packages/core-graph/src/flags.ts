/** Bits of the data plane: flags of write requests, permissions on a node, and what a node may be asked at most. */

/** Flags of `write` and `writeZeroes`; or-ed together. */
export const WriteFlag = {
  None: 0,
  /** The data is on stable storage when the request completes (force unit access). */
  Fua: 1,
  /** `writeZeroes` only: space may be given back, as long as the range reads as zeroes. */
  MayUnmap: 2,
  /** `writeZeroes` only: fail with kind `unsupported` rather than write zero bytes one by one. */
  NoFallback: 4,
  /** The write does not change what the guest sees (copy-on-read, stream): needs `WriteUnchanged` only. */
  Unchanged: 8,
  /** `write` only: store compressed. Whole clusters (the last one may be short), each written once. */
  Compressed: 16,
} as const;

/** Whether `flags` has all bits of `flag`. */
export function hasFlag(flags: number, flag: number): boolean {
  return (flags & flag) === flag;
}

/** What a parent does with a node, and what it lets others do. The bits are those of QEMU's image locks. */
export const Permission = {
  None: 0,
  ConsistentRead: 1,
  Write: 2,
  WriteUnchanged: 4,
  Resize: 8,
  All: 15,
} as const;

/** Names of the permissions, by bit, in the words of QEMU's messages. */
export const PERMISSION_NAMES = ['consistent read', 'write', 'write unchanged', 'resize'] as const;

/** What a parent holds on a node and what it lets other parents hold at the same time. */
export interface Access {
  readonly permissions: number;
  readonly shared: number;
}

/** What a driver asks of the node in front of it; all in bytes. Zero means "no limit". */
export interface NodeLimits {
  /**
   * Offsets and lengths of requests are multiples of this; the node pads others. A power of two, at least 1. Where the
   * size is no multiple of it, a padded request passes the end by less than one block: the driver reads zeroes there, and
   * a write extends the image, so that only a growable one may have such a size.
   */
  readonly alignment: number;
  /** Addresses of buffers are multiples of this (O_DIRECT); buffers of the graph's pool always suffice. */
  readonly memoryAlignment: number;
  /** Longest read or write that the driver takes at once. */
  readonly maxTransfer: number;
  /** Length that the driver handles best: a cluster, a stripe. */
  readonly optimalTransfer: number;
  /** Granularity below which zeroing and discarding cost more than they save. */
  readonly zeroAlignment: number;
  readonly maxZeroes: number;
  readonly discardAlignment: number;
  readonly maxDiscard: number;
}

/** Limits of a driver that takes anything. */
export const NO_LIMITS: NodeLimits = {
  alignment: 1,
  memoryAlignment: 1,
  maxTransfer: 0,
  optimalTransfer: 0,
  zeroAlignment: 0,
  maxZeroes: 0,
  discardAlignment: 0,
  maxDiscard: 0,
};

/** Largest offset or size, in bytes, that the data plane handles: offsets are plain numbers. */
export const MAX_SIZE = Number.MAX_SAFE_INTEGER;
