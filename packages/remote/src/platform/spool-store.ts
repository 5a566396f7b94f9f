/** Where a spool keeps its bytes in a browser: in memory, in blocks that do not move when it grows. */
import type { SpoolStore } from '../spool-store.js';

/** Bytes of a spool unless the options say otherwise. */
export const DEFAULT_CAP = 256 * 1024 * 1024;

const BLOCK = 1024 * 1024;

export async function openStore(): Promise<SpoolStore> {
  const blocks: Uint8Array[] = [];
  /** Goes through the part of each block that the range covers. */
  const forEach = (offset: number, length: number, work: (block: Uint8Array, from: number, to: number, at: number) => void): void => {
    for (let at = 0; at < length; ) {
      const from = (offset + at) % BLOCK;
      const to = Math.min(BLOCK, from + length - at);
      work((blocks[Math.floor((offset + at) / BLOCK)] ??= new Uint8Array(BLOCK)), from, to, at);
      at += to - from;
    }
  };
  return {
    write: (offset, bytes) => {
      forEach(offset, bytes.length, (block, from, to, at) => { block.set(bytes.subarray(at, at + to - from), from); });
    },
    read: (offset, buffer, start, length) => {
      forEach(offset, length, (block, from, to, at) => { buffer.set(block.subarray(from, to), start + at); });
    },
    close: async () => { blocks.length = 0; },
  };
}
