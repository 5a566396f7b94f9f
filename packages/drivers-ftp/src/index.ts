/**
 * Block drivers ftp and ftps: files on FTP servers as read-only images.
 *
 * @packageDocumentation
 */
import { ftpDrivers } from './drivers.js';

const drivers = ftpDrivers();

/** The driver for `ftp://` names. */
export const { ftp } = drivers;
/** The driver for `ftps://` names: encrypted from the first byte on, unless the options say otherwise. */
export const { ftps } = drivers;

export { ftpDrivers, type FtpDriverOptions } from './drivers.js';
