/**
 * Block driver that stores what it reads: the filter copy-on-read.
 *
 * @packageDocumentation
 */
export { copyOnRead } from './driver.js';
