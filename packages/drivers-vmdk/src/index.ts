/**
 * Block driver for VMDK images.
 *
 * @packageDocumentation
 */
export { vmdk } from './driver.js';
