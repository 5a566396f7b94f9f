/** xz files whose blocks are LZMA2 and nothing else, as Apple's tools write them. */
import type { Decoder } from './decoders.js';

/** Makes a decoder. Its text is part of the threads' program, so it uses nothing from outside its braces. */
export function makeXz(): Decoder {
  const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];
  const LZMA2 = 0x21;
  const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
  const fail = (what: string): never => { throw new Error(what); };
  let bytes: Uint8Array = new Uint8Array(0);
  let into: Uint8Array = new Uint8Array(0);
  /** Of the output: where the dictionary begins, where the next byte goes, where there is no more room. */
  let base = 0;
  let to = 0;
  let end = 0;

  const crc32Table = new Int32Array(256).map((_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb8_8320 : 0);
    return crc;
  });
  /** CRC-64 in two halves. */
  const crc64Low = new Int32Array(256);
  const crc64High = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const odd = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (odd === 0) continue;
      low ^= 0xd787_0f42;
      high ^= 0xc96c_5795;
    }
    crc64Low[byte] = low;
    crc64High[byte] = high;
  }
  const crc32 = (data: Uint8Array, from: number, stop: number): number => {
    let crc = -1;
    for (let at = from; at < stop; at++) crc = (crc >>> 8) ^ crc32Table[(crc ^ data[at]) & 0xff];
    return ~crc;
  };
  const i32 = (at: number): number => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  const crc64Fits = (data: Uint8Array, from: number, stop: number, at: number): boolean => {
    let low = -1;
    let high = -1;
    for (let place = from; place < stop; place++) {
      const index = (low ^ data[place]) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ crc64Low[index];
      high = (high >>> 8) ^ crc64High[index];
    }
    return ~low === i32(at) && ~high === i32(at + 4);
  };

  // Probabilities, laid out one array behind the other.
  const HALF = 1024;
  const IS_MATCH = 0, IS_REP = 192, IS_REP0 = 204, IS_REP1 = 216, IS_REP2 = 228, IS_REP0_LONG = 240, SLOTS = 432, SPECIAL = 688, ALIGN = 816, MATCH_LENGTH = 832, REP_LENGTH = 1346, LITERAL = 1860;
  const probabilities = new Uint16Array(LITERAL + 0x300 * 16);
  let literalContext = 0;
  let literalPosition = 0;
  let positionBits = 0;
  let state = 0;
  let rep0 = 0, rep1 = 0, rep2 = 0, rep3 = 0;
  const resetState = (): void => {
    probabilities.fill(HALF);
    state = rep0 = rep1 = rep2 = rep3 = 0;
  };

  // Both are 32 bits without a sign, held with one: so they are small integers to the engine, which it keeps without an object.
  let range = 0;
  let code = 0;
  let at = 0;
  let last = 0;
  const shift = (): void => {
    if (at >= last) fail('truncated');
    range <<= 8;
    code = (code << 8) | bytes[at++];
  };
  const bit = (index: number): number => {
    if (range >>> 24 === 0) shift();
    const probability = probabilities[index];
    const bound = Math.imul(range >>> 11, probability);
    if (code >>> 0 < bound >>> 0) {
      range = bound;
      probabilities[index] = probability + ((2048 - probability) >>> 5);
      return 0;
    }
    range = (range - bound) | 0;
    code = (code - bound) | 0;
    probabilities[index] = probability - (probability >>> 5);
    return 1;
  };
  const tree = (index: number, depth: number): number => {
    let node = 1;
    for (let level = 0; level < depth; level++) node = (node << 1) | bit(index + node);
    return node - (1 << depth);
  };
  const reverseTree = (index: number, depth: number): number => {
    let node = 1;
    let value = 0;
    for (let level = 0; level < depth; level++) {
      const found = bit(index + node);
      node = (node << 1) | found;
      value |= found << level;
    }
    return value;
  };
  const direct = (wanted: number): number => {
    let value = 0;
    for (let left = wanted; left > 0; left--) {
      if (range >>> 24 === 0) shift();
      range >>>= 1;
      const found = code >>> 0 >= range ? 1 : 0;
      if (found === 1) code = (code - range) | 0;
      value = (value << 1) | found;
    }
    return value;
  };
  const matchLength = (index: number, position: number): number => {
    if (bit(index) === 0) return 2 + tree(index + 2 + (position << 3), 3);
    if (bit(index + 1) === 0) return 10 + tree(index + 130 + (position << 3), 3);
    return 18 + tree(index + 258, 8);
  };
  const matchDistance = (length: number): number => {
    const slot = tree(SLOTS + (Math.min(length, 5) - 2) * 64, 6);
    if (slot < 4) return slot;
    const extra = (slot >> 1) - 1;
    const first = (2 | (slot & 1)) << extra;
    if (slot < 14) return first + reverseTree(SPECIAL + first - slot, extra);
    return ((first + (direct(extra - 4) << 4)) >>> 0) + reverseTree(ALIGN, 4);
  };
  const literal = (): void => {
    const before = to > base ? into[to - 1] : 0;
    const position = (to - base) & ((1 << literalPosition) - 1);
    const index = LITERAL + 0x300 * ((position << literalContext) + (before >> (8 - literalContext)));
    let symbol = 1;
    if (state >= 7) {
      let match = into[to - rep0 - 1];
      while (symbol < 0x100) {
        const expected = (match >> 7) & 1;
        match <<= 1;
        const found = bit(index + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | found;
        if (found !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | bit(index + symbol);
    into[to++] = symbol;
    state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  };
  /** The length of a match whose distance was there before; 1 for a single byte. */
  const repeated = (position: number): number => {
    if (bit(IS_REP0 + state) === 0) {
      if (bit(IS_REP0_LONG + (state << 4) + position) === 0) {
        state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance = rep1;
      if (bit(IS_REP1 + state) === 1) {
        if (bit(IS_REP2 + state) === 0) {
          distance = rep2;
        } else {
          distance = rep3;
          rep3 = rep2;
        }
        rep2 = rep1;
      }
      rep1 = rep0;
      rep0 = distance;
    }
    state = state < 7 ? 8 : 11;
    return matchLength(REP_LENGTH, position);
  };
  const unpackChunk = (stop: number): void => {
    const mask = (1 << positionBits) - 1;
    while (to < stop) {
      const position = (to - base) & mask;
      if (bit(IS_MATCH + (state << 4) + position) === 0) {
        literal();
        continue;
      }
      let length: number;
      if (bit(IS_REP + state) === 1) {
        length = repeated(position);
      } else {
        rep3 = rep2;
        rep2 = rep1;
        rep1 = rep0;
        state = state < 7 ? 7 : 10;
        length = matchLength(MATCH_LENGTH, position);
        rep0 = matchDistance(length);
      }
      if (rep0 >= to - base) fail('a match begins before the content');
      if (to + length > stop) fail('a match passes the end');
      for (const until = to + length; to < until; to++) into[to] = into[to - rep0 - 1];
    }
  };

  const need = (length: number): void => { if (at + length > bytes.length) fail('truncated'); };
  const unpackLzma2 = (): void => {
    base = to;
    let hasProperties = false;
    for (;;) {
      need(1);
      const control = bytes[at++];
      if (control === 0) return;
      need(5);
      if (control >= 0x80) {
        const length = (((control & 31) << 16) | (bytes[at] << 8) | bytes[at + 1]) + 1;
        const packed = ((bytes[at + 2] << 8) | bytes[at + 3]) + 1;
        at += 4;
        const reset = (control >> 5) & 3;
        if (reset === 3) base = to;
        if (reset >= 2) {
          const properties = bytes[at++];
          if (properties >= 225) fail('no such properties');
          literalContext = properties % 9;
          literalPosition = Math.floor(properties / 9) % 5;
          positionBits = Math.floor(properties / 45);
          if (literalContext + literalPosition > 4) fail('no such properties');
          hasProperties = true;
        }
        if (!hasProperties) fail('no properties');
        if (reset >= 1) resetState();
        need(packed);
        if (to + length > end) fail('longer');
        last = at + packed;
        if (packed < 5 || bytes[at] !== 0) fail('no chunk');
        range = -1;
        code = (bytes[at + 1] << 24) | (bytes[at + 2] << 16) | (bytes[at + 3] << 8) | bytes[at + 4];
        at += 5;
        unpackChunk(to + length);
        at = last;
      } else if (control <= 2) {
        const length = ((bytes[at] << 8) | bytes[at + 1]) + 1;
        at += 2;
        need(length);
        if (to + length > end) fail('longer');
        if (control === 1) base = to;
        into.set(bytes.subarray(at, at + length), to);
        at += length;
        to += length;
      } else {
        fail('no chunk');
      }
    }
  };

  const skipNumber = (): void => {
    for (let count = 0; count < 9; count++) {
      need(1);
      if (bytes[at++] < 0x80) return;
    }
    fail('no number');
  };

  return (source, target, start, size) => {
    bytes = source;
    into = target;
    to = start;
    end = start + size;
    at = 0;
    need(12);
    if (MAGIC.some((byte, index) => bytes[index] !== byte) || bytes[6] !== 0 || bytes[7] > 15 || i32(8) !== crc32(bytes, 6, 8)) fail('no stream');
    const check = bytes[7];
    at = 12;
    for (;;) {
      need(1);
      const header = (bytes[at] + 1) * 4;
      // The index, in the place of a further block.
      if (bytes[at] === 0) return to - start;
      need(header);
      const body = at + header;
      if (i32(body - 4) !== crc32(bytes, at, body - 4)) fail('a wrong checksum');
      const flags = bytes[at + 1];
      if ((flags & 0x3f) !== 0) fail('a filter besides LZMA2');
      at += 2;
      if ((flags & 0x40) !== 0) skipNumber();
      if ((flags & 0x80) !== 0) skipNumber();
      if (bytes[at] !== LZMA2 || bytes[at + 1] !== 1) fail('a filter besides LZMA2');
      const first = to;
      at = body;
      unpackLzma2();
      at = body + Math.ceil((at - body) / 4) * 4;
      need(CHECK_BYTES[check]);
      if (check === 1 && i32(at) !== crc32(into, first, to)) fail('a wrong checksum');
      if (check === 4 && !crc64Fits(into, first, to, at)) fail('a wrong checksum');
      at += CHECK_BYTES[check];
    }
  };
}
