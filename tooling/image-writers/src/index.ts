/**
 * Makes images of formats that no tool at hand writes, for tests. Written from the specifications, apart from the drivers.
 *
 * @packageDocumentation
 */
export { cloopImage, type CloopOptions } from './cloop.js';
