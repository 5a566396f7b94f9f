/**
 * Block driver that makes requests fail, or stop, at chosen moments: blkdebug.
 *
 * @packageDocumentation
 */
export { blkdebug, blkdebugDriver, type BlkdebugDriverOptions } from './driver.js';
