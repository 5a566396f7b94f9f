/**
 * Block drivers for files and block devices of the host: file, host_device, host_cdrom and host_floppy.
 *
 * @packageDocumentation
 */
import { fileDrivers } from './drivers.js';

const drivers = fileDrivers();

/** Regular files of the host. */
export const file = drivers.file;
/** Block devices of the host. */
export const hostDevice = drivers.hostDevice;
/** Drives for discs. */
export const hostCdrom = drivers.hostCdrom;
/** Drives for floppy disks. */
export const hostFloppy = drivers.hostFloppy;
/** Starts the threads that copy from file to file, for whoever knows that there will be much to copy: they start by themselves when there is. */
export const prepareCopies = drivers.prepareCopies;

export { fileDrivers, type FileDrivers, type FileDriversOptions } from './drivers.js';
export type { FileOptions } from './open.js';
export type { Calls, LockKind, Native, NativeLoader, NoWaitCalls, Ring, RingKind } from './native/native.js';
