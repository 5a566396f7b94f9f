/**
 * Block driver for raw images, with optional offset and size.
 *
 * @packageDocumentation
 */
export { raw } from './driver.js';
