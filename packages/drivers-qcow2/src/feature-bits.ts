/** Feature bits of the header that the specification gives a meaning. */
export const Incompatible = {
  Dirty: 1n << 0n,
  Corrupt: 1n << 1n,
  DataFile: 1n << 2n,
  CompressionType: 1n << 3n,
  ExtendedL2: 1n << 4n,
} as const;

export const Compatible = { LazyRefcounts: 1n << 0n } as const;

export const Autoclear = {
  /** The persistent bitmaps are up to date. */
  Bitmaps: 1n << 0n,
  /** The external data file is a raw image by itself. */
  RawData: 1n << 1n,
} as const;
