/**
 * What qemu-img does, as functions: create, info, map, convert, compare, resize.
 *
 * @packageDocumentation
 */
export * from './io/index.js';
