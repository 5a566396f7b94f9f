/**
 * Block driver for qcow2 images, versions 2 and 3.
 *
 * @packageDocumentation
 */
export { qcow2 } from './driver.js';
