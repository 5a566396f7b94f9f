/**
 * Block drivers for files and block devices of the host: file and host_device.
 *
 * @packageDocumentation
 */
import { fileDrivers } from './drivers.js';

const drivers = fileDrivers();

/** Regular files of the host. */
export const file = drivers.file;
/** Block devices of the host. */
export const hostDevice = drivers.hostDevice;

export { fileDrivers, type FileDrivers, type FileDriversOptions } from './drivers.js';
export type { FileOptions } from './open.js';
export type { Calls, LockKind, Native, NativeLoader, NoWaitCalls, Ring, RingKind } from './native/native.js';
