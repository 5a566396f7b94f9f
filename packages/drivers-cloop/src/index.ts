/**
 * Block driver for cloop images, version 2.
 *
 * @packageDocumentation
 */
export { cloop } from './driver.js';
