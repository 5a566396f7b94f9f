/**
 * Block driver over bytes that the program already holds: a Blob or a Uint8Array.
 *
 * @packageDocumentation
 */
export { blob, blobSource, type BlobSource, type BlobSourceOptions } from './driver.js';
export { MemorySource, type MemorySourceOptions } from './memory-source.js';
