/** ADC, Apple Data Compression: literals and matches, each behind a byte that says which. */
import type { Decoder } from './decoders.js';

/** Makes a decoder. Its text is part of the threads' program, so it uses nothing from outside its braces. */
export function makeAdc(): Decoder {
  return (bytes, into, start, size) => {
    const end = start + size;
    let at = 0;
    let to = start;
    while (at < bytes.length && to < end) {
      const code = bytes[at];
      if (code >= 0x80) {
        const length = (code & 0x7f) + 1;
        if (at + 1 + length > bytes.length || to + length > end) throw new Error('a literal passes the end');
        into.set(bytes.subarray(at + 1, at + 1 + length), to);
        at += 1 + length;
        to += length;
        continue;
      }
      const long = code >= 0x40;
      const length = long ? (code & 0x3f) + 4 : ((code >> 2) & 0xf) + 3;
      if (at + (long ? 3 : 2) > bytes.length || to + length > end) throw new Error('a match passes the end');
      const distance = (long ? (bytes[at + 1] << 8) | bytes[at + 2] : ((code & 3) << 8) | bytes[at + 1]) + 1;
      if (distance > to - start) throw new Error('a match begins before the content');
      at += long ? 3 : 2;
      for (const stop = to + length; to < stop; to++) into[to] = into[to - distance];
    }
    if (at < bytes.length) throw new Error('longer');
    return to - start;
  };
}
