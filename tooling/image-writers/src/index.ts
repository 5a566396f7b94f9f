/**
 * Makes images of formats that no tool at hand writes, for tests. Written from the specifications, apart from the drivers.
 *
 * @packageDocumentation
 */
export { bochsImage, type BochsOptions } from './bochs.js';
export { cloopImage, type CloopOptions } from './cloop.js';
