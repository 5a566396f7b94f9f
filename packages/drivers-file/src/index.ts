/**
 * Block drivers for files and block devices of the host: file and host_device.
 *
 * @packageDocumentation
 */
export {};
