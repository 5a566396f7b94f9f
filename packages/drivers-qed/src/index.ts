/**
 * Block driver for QED images.
 *
 * @packageDocumentation
 */
export { qed } from './driver.js';
