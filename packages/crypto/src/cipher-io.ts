/** Encrypted data in a file: read and decrypted where the caller wants it, encrypted in a buffer of its own and written. */
import type { BufferPool, Completion, Edge } from '@blk/core-graph';
import type { SectorCipher } from './sector/sector-cipher.js';
import type { HeaderStore } from './luks/volume.js';

/** Reads whole sectors from `at` in the file, the first of which has the number `sector`, into `buffer[start, start + length)`. */
export function readSectors(
  file: Edge,
  at: number,
  cipher: SectorCipher,
  sector: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Completion {
  const done = file.read(at, buffer, start, length);
  if (done !== undefined) return decryptAfter(done, cipher, sector, buffer, start, length);
  cipher.decrypt(sector, buffer, start, buffer, start, length);
}

/** Writes them encrypted; the caller's buffer stays as it is. `flags`: those of the graph's `write`. */
export function writeSectors(
  file: Edge,
  at: number,
  cipher: SectorCipher,
  sector: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  pool: BufferPool,
  flags = 0,
): Completion {
  const sealed = pool.take(length);
  let done: Completion;
  try {
    cipher.encrypt(sector, buffer, start, sealed, 0, length);
    done = file.write(at, sealed, 0, length, flags);
  } catch (error) {
    pool.give(sealed);
    throw error;
  }
  if (done === undefined) {
    pool.give(sealed);
    return;
  }
  return done.finally(() => {
    pool.give(sealed);
  });
}

async function decryptAfter(
  reading: Promise<void>,
  cipher: SectorCipher,
  sector: number,
  buffer: Uint8Array,
  start: number,
  length: number,
): Promise<void> {
  await reading;
  cipher.decrypt(sector, buffer, start, buffer, start, length);
}

/** The part of a file from `offset` on, `length` bytes at most, as a place for a LUKS header. */
export function headerStore(file: Edge, offset = 0, length = Infinity): HeaderStore {
  return {
    get size() {
      return Math.min(length, Math.max(0, file.size - offset));
    },
    async read(at, count) {
      const bytes = new Uint8Array(count);
      const done = file.read(offset + at, bytes, 0, count);
      if (done !== undefined) await done;
      return bytes;
    },
    async write(at, bytes) {
      const done = file.write(offset + at, bytes, 0, bytes.length);
      if (done !== undefined) await done;
    },
    async flush() {
      const done = file.flush();
      if (done !== undefined) await done;
    },
  };
}
