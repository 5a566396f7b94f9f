/**
 * Block driver for VHDX images, fixed, dynamic and differencing.
 *
 * @packageDocumentation
 */
export { vhdx } from './driver.js';
