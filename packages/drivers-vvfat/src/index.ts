/**
 * Block driver that shows a directory of the host as a FAT disk: vvfat.
 *
 * @packageDocumentation
 */
export { vvfat, vvfatDriver, type VvfatDriverOptions } from './driver.js';
export { fatImage, type FatImage } from './image.js';
export type { DiskOptions } from './open.js';
