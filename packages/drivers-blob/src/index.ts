/**
 * Block driver over bytes that the program already holds: a Blob or a Uint8Array.
 *
 * @packageDocumentation
 */
export {};
