/** The label of the disk as the 11 bytes that FAT keeps. */
import { vvfatError } from './errors.js';

const LENGTH = 11;

/** Throws for what no label can be. As in the reference, lower case and what else systems have come to take is left alone. */
export function labelBytes(label: string): Uint8Array {
  const text = new TextEncoder().encode(label);
  if (text.length > LENGTH) throw vvfatError({ what: 'label-length' });
  // A first byte of E5 would be a deleted entry; a control character, or nothing but spaces, no entry at all.
  if (text.some((byte) => byte < 0x20 || byte === 0x7f) || text[0] === 0xe5 || label.trim() === '') throw vvfatError({ what: 'label', label });
  const bytes = new Uint8Array(LENGTH).fill(0x20);
  bytes.set(text);
  return bytes;
}
