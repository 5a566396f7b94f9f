/**
 * Block driver that keeps a disk several times and lets its copies vote: quorum.
 *
 * @packageDocumentation
 */
export { quorum } from './driver.js';
