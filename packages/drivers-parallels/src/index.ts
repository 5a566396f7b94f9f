/**
 * Block driver for the expandable images of Parallels.
 *
 * @packageDocumentation
 */
export { parallels } from './driver.js';
