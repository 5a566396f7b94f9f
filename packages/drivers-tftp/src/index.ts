/**
 * Block driver tftp: files on TFTP servers as read-only images.
 *
 * @packageDocumentation
 */
export { tftp } from './driver.js';
