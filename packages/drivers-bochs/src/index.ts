/**
 * Block driver for growing disks of Bochs.
 *
 * @packageDocumentation
 */
export { bochs } from './driver.js';
