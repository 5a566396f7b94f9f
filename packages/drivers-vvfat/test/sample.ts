/** A small floppy disk whose bytes the tests change directly. */
import type { TempDir } from '@blk/oracle';
import { shortSum } from '../src/fat/names.js';
import { Guest } from './guest.js';
import { putFiles } from './support.js';

const FLOPPY = { fatType: 12, floppy: true };
/** Places on a floppy disk of 1.44 MB: tables of 9 sectors, 224 entries of the root directory, clusters of a sector. */
export const TABLE = 512;
export const TABLE_BYTES = 9 * 512;
const ROOT = TABLE + 2 * TABLE_BYTES;
export const DATA = ROOT + 224 * 32;

/** `A` of three clusters (2 to 4), `B` of one (5), and `S` (6) with `C` in it (7), whose folder begins with two entries. */
export async function sample(dir: TempDir): Promise<Guest> {
  putFiles(dir.file('d'), { A: Buffer.alloc(1500, 97), B: 'b', 'S/C': 'c' });
  return Guest.open(dir, FLOPPY);
}

/** Entries of the root directory: the label, A, B, S. */
export const entry = (index: number): number => ROOT + 32 * index;
export const word = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);

/** Sets an entry of both tables. */
export async function link(guest: Guest, cluster: number, value: number): Promise<void> {
  for (const table of [TABLE, TABLE + TABLE_BYTES]) {
    const at = table + cluster + (cluster >> 1);
    const [low = 0, high = 0] = await guest.disk.read(at, 2);
    const old = low | (high << 8);
    await guest.disk.write(at, word(cluster % 2 === 0 ? (old & 0xf000) | value : (old & 0x000f) | (value << 4)));
  }
}

/** A file without content behind the last entry of the root directory. */
export async function addFile(guest: Guest, name: string, long = ''): Promise<void> {
  const slots = Math.ceil(long.length / LONG_UNITS.length);
  const bytes = new Uint8Array(32 * (slots + 1));
  const short = bytes.subarray(32 * slots);
  short.set(Buffer.from(name.padEnd(11), 'latin1'));
  short[11] = 32;
  for (let number = slots; number > 0; number--) {
    const slot = bytes.subarray(32 * (slots - number), 32 * (slots - number + 1));
    slot[0] = number | (number === slots ? 0x40 : 0);
    slot[11] = 15;
    slot[13] = shortSum(short);
    for (const [unit, place] of LONG_UNITS.entries()) {
      const at = (number - 1) * LONG_UNITS.length + unit;
      slot.set(word(at < long.length ? long.charCodeAt(at) : at === long.length ? 0 : 0xffff), place);
    }
  }
  return guest.disk.write(entry(4), bytes);
}

const LONG_UNITS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
