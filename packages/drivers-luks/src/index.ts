/**
 * Block driver for LUKS containers, version 1.
 *
 * @packageDocumentation
 */
export { luks } from './driver.js';
