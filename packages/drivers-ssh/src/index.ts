/**
 * The protocol driver ssh: files on SSH servers as images.
 *
 * @packageDocumentation
 */
export { ssh, sshDriver, type SshDriverOptions } from './driver.js';
