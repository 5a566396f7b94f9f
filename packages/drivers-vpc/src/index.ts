/**
 * Block driver for VHD images (vpc), fixed, dynamic and differencing.
 *
 * @packageDocumentation
 */
export { vpc } from './driver.js';
