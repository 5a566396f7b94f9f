/**
 * The blk program: qemu-img, qemu-io, qemu-nbd and qemu-storage-daemon in one.
 *
 * @packageDocumentation
 */
export {};
