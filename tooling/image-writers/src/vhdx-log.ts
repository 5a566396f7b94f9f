/** Entries of the log of VHDX images, and what its structures share: checksums and identifiers. Section "Log" of the specification. */

/** A page with its new content, or a stretch of zeroes; bytes. */
export type LogChange = { readonly offset: number; readonly page: Buffer } | { readonly offset: number; readonly zeroes: number };

export interface LogEntryWish {
  readonly id: string;
  readonly sequence: number;
  /** Where the sequence of entries begins that this one ends, in the log. */
  readonly tail: number;
  /** Bytes that the file has. */
  readonly end: number;
  /** As many as fit with their descriptors into one page. */
  readonly changes: readonly LogChange[];
}

const PAGE = 4096;

export class LogEntry {
  readonly bytes: Buffer;

  constructor({ id, sequence, tail, end, changes }: LogEntryWish) {
    const pages = changes.flatMap((change) => ('page' in change ? [change.page] : []));
    const bytes = (this.bytes = Buffer.alloc(PAGE * (1 + pages.length)));
    bytes.write('loge');
    bytes.writeUInt32LE(bytes.length, 8);
    bytes.writeUInt32LE(tail, 12);
    bytes.writeBigUInt64LE(BigInt(sequence), 16);
    bytes.writeUInt32LE(changes.length, 24);
    guid(bytes, 32, id);
    bytes.writeBigUInt64LE(BigInt(end), 48);
    bytes.writeBigUInt64LE(BigInt(end), 56);
    changes.forEach((change, index) => {
      const at = 64 + index * 32;
      if ('page' in change) {
        // The first eight bytes of the page and its last four: their places in the log are for a signature and the sequence.
        bytes.write('desc', at);
        bytes.set(change.page.subarray(PAGE - 4), at + 4);
        bytes.set(change.page.subarray(0, 8), at + 8);
      } else {
        bytes.write('zero', at);
        bytes.writeBigUInt64LE(BigInt(change.zeroes), at + 8);
      }
      bytes.writeBigUInt64LE(BigInt(change.offset), at + 16);
      bytes.writeBigUInt64LE(BigInt(sequence), at + 24);
    });
    pages.forEach((page, index) => {
      const at = PAGE * (1 + index);
      bytes.write('data', at);
      bytes.writeUInt32LE(Math.floor(sequence / 2 ** 32), at + 4);
      bytes.set(page.subarray(8, PAGE - 4), at + 8);
      bytes.writeUInt32LE(sequence % 2 ** 32, at + PAGE - 4);
    });
    bytes.writeUInt32LE(crc32c(bytes), 4);
  }
}

/** Castagnoli's, bit by bit. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f6_3b78);
  }
  return ~crc >>> 0;
}

/** Its first three parts are little-endian. */
export function guid(bytes: Uint8Array, at: number, text: string): void {
  const raw = Buffer.from(text.replaceAll('-', ''), 'hex');
  raw.subarray(0, 4).reverse();
  raw.subarray(4, 6).reverse();
  raw.subarray(6, 8).reverse();
  bytes.set(raw, at);
}
