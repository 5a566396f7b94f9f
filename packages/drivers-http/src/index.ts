/**
 * Block drivers http and https: files on web servers as read-only images.
 *
 * @packageDocumentation
 */
import { httpDrivers } from './drivers.js';

const drivers = httpDrivers();

/** The driver for `http://` names; it goes through no proxy. */
export const { http } = drivers;
/** The driver for `https://` names; it goes through no proxy. */
export const { https } = drivers;

export { httpDrivers, type HttpDriverOptions } from './drivers.js';
export { proxyFromEnvironment } from './proxy.js';
