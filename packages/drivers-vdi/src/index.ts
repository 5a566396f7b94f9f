/**
 * Block driver for VDI images of VirtualBox.
 *
 * @packageDocumentation
 */
export { vdi } from './driver.js';
