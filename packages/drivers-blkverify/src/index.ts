/**
 * Block driver that compares an image with a raw one at every read: blkverify.
 *
 * @packageDocumentation
 */
export { blkverify } from './driver.js';
