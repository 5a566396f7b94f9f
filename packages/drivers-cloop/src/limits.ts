/** What the format is allowed here, which is what the reference allows. Bytes, but for the number of blocks. */

export const SECTOR = 512;
export const MAX_BLOCK = 64 * 1024 * 1024;
/** A stream is refused where it takes more than twice the largest block. */
export const MAX_PACKED = 2 * MAX_BLOCK;
export const MAX_BLOCKS = 0x1fff_ffff;
export const MAX_TABLE = 512 * 1024 * 1024;
