/**
 * The first encryption of qcow and qcow2: AES-128-CBC with the passphrase itself as the key. Nothing in an image tells whether a
 * key is the right one, and a passphrase this short is soon guessed; it is here for images that exist.
 */
import { SectorCipher } from './sector/sector-cipher.js';

const KEY_BYTES = 16;

/** The cipher for a passphrase: its first 16 bytes, filled up with zeroes. Sectors are those of the disk, not of the file. */
export function legacyAes(passphrase: Uint8Array): SectorCipher {
  const key = new Uint8Array(KEY_BYTES);
  key.set(passphrase.subarray(0, KEY_BYTES));
  return new SectorCipher({ mode: 'cbc', iv: { name: 'plain64' } }, key);
}
