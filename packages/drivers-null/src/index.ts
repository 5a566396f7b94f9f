/**
 * Block drivers that store nothing: null-co and null-aio.
 *
 * @packageDocumentation
 */
export { nullAio, nullCo } from './driver.js';
