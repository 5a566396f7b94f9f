/**
 * Block driver that limits I/O per second: the filter throttle.
 *
 * @packageDocumentation
 */
export { throttle } from './driver.js';
