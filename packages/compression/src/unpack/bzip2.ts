/** bzip2: blocks of a sorted text, Huffman-coded, each with its checksum. */
import type { Decoder } from './decoders.js';

/** Makes a decoder of single streams. Its text is part of the threads' program, so it uses nothing from outside its braces. */
export function makeBzip2(): Decoder {
  const LOOKUP_BITS = 10;
  const MAX_CODE = 20;
  const GROUP = 50;
  const crcTable = new Int32Array(256).map((_, byte) => {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
    return crc;
  });
  /** A code as canonical Huffman codes are decoded: short ones by a table of length and symbol, the others bit by bit. */
  interface Code { readonly lookup: Uint16Array; readonly limit: Int32Array; readonly base: Int32Array; readonly symbols: Uint16Array }
  let text = new Uint32Array(0);
  let bytes: Uint8Array = new Uint8Array(0);
  let at = 0;
  let buffer = 0;
  let count = 0;

  const fail = (what: string): never => { throw new Error(what); };
  /** Makes sure of `wanted` bits, 24 at most; behind the end there are zeroes, but not many. */
  const fill = (wanted: number): void => {
    for (; count < wanted; count += 8) {
      if (at > bytes.length + 3) fail('truncated');
      buffer = (buffer << 8) | (at < bytes.length ? bytes[at] : 0);
      at++;
    }
  };
  const bits = (wanted: number): number => {
    fill(wanted);
    count -= wanted;
    return (buffer >>> count) & ((1 << wanted) - 1);
  };

  const readCode = (symbols: number): Code => {
    const lengths = new Uint8Array(symbols);
    let length = bits(5);
    for (let symbol = 0; symbol < symbols; symbol++) {
      for (;;) {
        if (length < 1 || length > MAX_CODE) fail('a code is too long');
        if (bits(1) === 0) break;
        length += bits(1) === 0 ? 1 : -1;
      }
      lengths[symbol] = length;
    }
    const code: Code = { lookup: new Uint16Array(1 << LOOKUP_BITS), limit: new Int32Array(MAX_CODE + 2).fill(-1), base: new Int32Array(MAX_CODE + 2), symbols: new Uint16Array(symbols) };
    let next = 0;
    let index = 0;
    for (let bit = 1; bit <= MAX_CODE; bit++, next <<= 1) {
      code.base[bit] = index - next;
      for (let symbol = 0; symbol < symbols; symbol++) {
        if (lengths[symbol] !== bit) continue;
        if (next >= 1 << bit) fail('a code is too full');
        if (bit <= LOOKUP_BITS) code.lookup.fill((symbol << 5) | bit, next << (LOOKUP_BITS - bit), (next + 1) << (LOOKUP_BITS - bit));
        code.symbols[index++] = symbol;
        code.limit[bit] = next++;
      }
    }
    return code;
  };

  const decode = (code: Code): number => {
    fill(MAX_CODE);
    const found = code.lookup[(buffer >>> (count - LOOKUP_BITS)) & ((1 << LOOKUP_BITS) - 1)];
    if (found !== 0) {
      count -= found & 31;
      return found >> 5;
    }
    for (let bit = LOOKUP_BITS + 1; bit <= MAX_CODE; bit++) {
      const value = (buffer >>> (count - bit)) & ((1 << bit) - 1);
      if (value > code.limit[bit]) continue;
      count -= bit;
      return code.symbols[value + code.base[bit]];
    }
    return fail('no such code');
  };

  const readAlphabet = (): Uint8Array => {
    const groups = bits(16);
    const used: number[] = [];
    for (let group = 0; group < 16; group++) {
      if ((groups & (0x8000 >> group)) === 0) continue;
      const members = bits(16);
      for (let member = 0; member < 16; member++) if ((members & (0x8000 >> member)) !== 0) used.push(group * 16 + member);
    }
    return used.length === 0 ? fail('no symbols') : Uint8Array.from(used);
  };

  const readSelectors = (codes: number): Uint8Array => {
    const selectors = new Uint8Array(bits(15));
    const order = [0, 1, 2, 3, 4, 5];
    for (let index = 0; index < selectors.length; index++) {
      let place = 0;
      while (bits(1) === 1) if (++place >= codes) fail('no such code');
      order.unshift(...order.splice(place, 1));
      selectors[index] = order[0];
    }
    return selectors;
  };

  /** The symbols of a block into `text`, most recent first and in runs; how often there is each byte into `counts`. How many there are. */
  const readText = (most: number, counts: Uint32Array): number => {
    const front = readAlphabet();
    const symbols = front.length + 2;
    const codes = bits(3);
    if (codes < 2 || codes > 6) fail('no codes');
    const selectors = readSelectors(codes);
    const tables = Array.from({ length: codes }, () => readCode(symbols));
    let length = 0;
    let run = 0;
    let weight = 1;
    for (let index = 0; ; index++) {
      const group = Math.floor(index / GROUP);
      if (group >= selectors.length) fail('no more selectors');
      const symbol = decode(tables[selectors[group]]);
      if (symbol < 2) {
        run += weight << symbol;
        weight <<= 1;
        if (run > most) fail('a block is too long');
        continue;
      }
      if (run > 0) {
        if (length + run > most) fail('a block is too long');
        text.fill(front[0], length, length + run);
        counts[front[0]] += run;
        length += run;
        run = 0;
        weight = 1;
      }
      if (symbol === symbols - 1) return length;
      if (length >= most) fail('a block is too long');
      const byte = front[symbol - 1];
      front.copyWithin(1, 0, symbol - 1);
      front[0] = byte;
      counts[byte]++;
      text[length++] = byte;
    }
  };

  /** Unsorts the text: the upper bits of each place say which place follows. */
  const unsort = (length: number, counts: Uint32Array): void => {
    let sum = 0;
    for (let byte = 0; byte < 256; byte++) {
      const here = counts[byte];
      counts[byte] = sum;
      sum += here;
    }
    for (let index = 0; index < length; index++) text[counts[text[index] & 0xff]++] |= index << 8;
  };

  return (source, into, start, size) => {
    bytes = source;
    at = count = 0;
    if (bits(24) !== 0x42_5a68) fail('no stream');
    const level = bits(8) - 0x30;
    if (level < 1 || level > 9) fail('no stream');
    const most = level * 100_000;
    if (text.length < most) text = new Uint32Array(most);
    const end = start + size;
    let to = start;
    let streamCrc = 0;
    for (;;) {
      const first = bits(24);
      const second = bits(24);
      const expected = (bits(16) << 16) | bits(16);
      if (first === 0x17_7245 && second === 0x38_5090) {
        if (expected !== streamCrc || at - (count >> 3) > bytes.length) fail('a wrong checksum');
        return to - start;
      }
      if (first !== 0x31_4159 || second !== 0x26_5359) fail('no block');
      if (bits(1) === 1) fail('a block of an old kind');
      const origin = bits(24);
      const counts = new Uint32Array(256);
      const length = readText(most, counts);
      if (origin >= length) fail('no such place');
      unsort(length, counts);
      let crc = -1;
      let place = text[origin] >>> 8;
      let same = 0;
      let last = -1;
      for (let index = 0; index < length; index++) {
        const entry = text[place];
        const byte = entry & 0xff;
        place = entry >>> 8;
        if (same === 4) {
          // Behind four equal bytes stands how many more of them there are.
          if (to + byte > end) fail('longer');
          for (const stop = to + byte; to < stop; to++) {
            into[to] = last;
            crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ last];
          }
          same = 0;
          last = -1;
          continue;
        }
        same = byte === last ? same + 1 : 1;
        last = byte;
        if (to >= end) fail('longer');
        into[to++] = byte;
        crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ byte];
      }
      crc = ~crc;
      if (crc !== expected) fail('a wrong checksum');
      streamCrc = ((streamCrc << 1) | (streamCrc >>> 31)) ^ crc;
    }
  };
}
