/**
 * Block driver for qcow images, version 1.
 *
 * @packageDocumentation
 */
export { qcow } from './driver.js';
