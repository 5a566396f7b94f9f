/** The two ways in which clusters may be compressed; an image has one of them. */
import { deflateRaw, deflateZstd, inflateRaw, inflateRawInto, inflateZstd, inflateZstdInto, StreamError } from '@blk/compression';
import type { Completion, MaybePromise } from '@blk/core-graph';
import { Incompatible } from './feature-bits.js';

/** By the number that the header has for it. */
export const COMPRESSION_TYPES = ['zlib', 'zstd'] as const;
export type CompressionType = (typeof COMPRESSION_TYPES)[number];

/** How single clusters are compressed. Errors are `StreamError`s, thrown or as rejections. */
export interface Compression {
  readonly name: CompressionType;
  /** The `size` bytes of a stream, whatever follows it. */
  inflate(bytes: Uint8Array, size: number): MaybePromise<Uint8Array>;
  /** The same into memory that is there, for one of many. `bytes` is not looked at after the call. */
  inflateInto(bytes: Uint8Array, into: Uint8Array, start: number, size: number): Completion;
  /** In another thread. */
  deflate(bytes: Uint8Array): Promise<Uint8Array>;
}

/** That of an image with these incompatible features. */
export function compressionOf(incompatible: bigint): Compression {
  return (incompatible & Incompatible.CompressionType) === 0n ? zlib : zstd;
}

/** Readers of qcow2 have a window of 4 KiB. */
const WINDOW = { windowBits: 12 } as const;

const zlib: Compression = {
  name: 'zlib',
  inflate: (bytes, size) => {
    const content = inflateRaw(bytes, size);
    if (content.length !== size) throw new StreamError(`holds ${content.length} bytes instead of ${size}`);
    return content;
  },
  inflateInto: inflateRawInto,
  deflate: (bytes) => deflateRaw(bytes, WINDOW),
};

const zstd: Compression = {
  name: 'zstd',
  inflate: inflateZstd,
  inflateInto: inflateZstdInto,
  deflate: deflateZstd,
};
