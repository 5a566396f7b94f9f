/**
 * Inflating and deflating for block drivers, on several threads where that pays.
 *
 * Streams are raw deflate (RFC 1951), zlib's (RFC 1950) and frames of zstd (RFC 8878); bzip2, xz, LZFSE and ADC are read only. What differs between Node and browsers is in `platform`, chosen by export conditions.
 *
 * @packageDocumentation
 */
export { deflateRaw, deflateZlib, inflateRaw, inflateRawInto, inflateZlibInto, unpackInto, type DeflateOptions } from '#deflate';
export { deflateZstd, inflateZstd, inflateZstdInto } from '#zstd';
export type { PackFormat } from './unpack/decoders.js';
export { crc32 } from './crc32.js';
export { StreamError } from './stream-error.js';
