/**
 * The protocol driver nbd: exports of NBD servers as images.
 *
 * @packageDocumentation
 */
export { nbd, nbdDriver, type NbdDriverOptions } from './driver.js';
