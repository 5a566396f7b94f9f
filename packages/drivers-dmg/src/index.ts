/**
 * Block driver for disk images of Apple (UDIF).
 *
 * @packageDocumentation
 */
export { dmg } from './driver.js';
