/** LZFSE: blocks that are raw, LZVN, or matches and literals in streams of finite state entropy. */
import type { Decoder } from './decoders.js';

/** Makes a decoder. Its text is part of the threads' program, so it uses nothing from outside its braces. */
export function makeLzfse(): Decoder {
  /** Symbols and states of literal runs (L), match lengths (M), distances (D) and literals, in the order of their frequencies in a block. */
  const SYMBOLS = [20, 20, 64, 256];
  const STATES = [64, 64, 256, 1024];
  const MOST_MATCHES = 10_000;
  const MOST_LITERALS = 40_000;
  const BLOCK = { end: 0x2478_7662, raw: 0x2d78_7662, plainTables: 0x3178_7662, packedTables: 0x3278_7662, lzvn: 0x6e78_7662 };
  /** Extra bits of each symbol; the first value of one follows on the last of the symbol before. */
  const EXTRA_L = [...Array<number>(16).fill(0), 2, 3, 5, 8];
  const EXTRA_M = [...Array<number>(16).fill(0), 3, 5, 8, 11];
  const EXTRA_D = Array.from({ length: 64 }, (_, symbol) => symbol >> 2);
  const fail = (what: string): never => { throw new Error(what); };

  /** A decoding table: for each state the symbol, the bits to be read, and what is added to them for the next state. */
  interface Table { readonly symbol: Uint8Array; readonly bits: Uint8Array; readonly next: Int16Array }
  const makeTable = (frequencies: Uint16Array, states: number): Table => {
    const table: Table = { symbol: new Uint8Array(states), bits: new Uint8Array(states), next: new Int16Array(states) };
    let state = 0;
    for (let symbol = 0; symbol < frequencies.length; symbol++) {
      const frequency = frequencies[symbol];
      if (frequency === 0) continue;
      if (state + frequency > states) fail('frequencies beyond the states');
      const most = Math.clz32(frequency) - Math.clz32(states);
      const split = ((2 * states) >> most) - frequency;
      for (let index = 0; index < frequency; index++, state++) {
        table.symbol[state] = symbol;
        table.bits[state] = index < split ? most : most - 1;
        table.next[state] = index < split ? ((frequency + index) << most) - states : (index - split) << (most - 1);
      }
    }
    return table;
  };
  const firstValues = (extra: readonly number[]): number[] => {
    const values: number[] = [];
    let value = 0;
    for (const bits of extra) {
      values.push(value);
      value += 2 ** bits;
    }
    return values;
  };
  const [BASE_L, BASE_M, BASE_D] = [firstValues(EXTRA_L), firstValues(EXTRA_M), firstValues(EXTRA_D)];

  let bytes: Uint8Array = new Uint8Array(0);
  /** The bits of a stream are read from its end to its start. */
  let place = 0;
  let floor = 0;
  let buffer = 0;
  let count = 0;
  const begin = (from: number, to: number, spare: number): void => {
    if (spare > 0 || spare < -7) fail('spare bits');
    floor = from;
    place = to;
    buffer = count = 0;
    if (spare < 0) {
      if (place <= floor) fail('truncated');
      buffer = bytes[--place];
      count = 8 + spare;
      if (buffer >> count !== 0) fail('spare bits');
    }
  };
  const pull = (wanted: number): number => {
    while (count < wanted) {
      if (place <= floor) fail('truncated');
      buffer = ((buffer << 8) | bytes[--place]) & 0x7fff_ffff;
      count += 8;
    }
    count -= wanted;
    const value = (buffer >>> count) & ((1 << wanted) - 1);
    buffer &= (1 << count) - 1;
    return value;
  };

  const u16 = (at: number): number => bytes[at] | (bytes[at + 1] << 8);
  const u32 = (at: number): number => (u16(at) | (u16(at + 2) << 16)) >>> 0;
  /** `width` bits, 20 at most, from bit `bit` on of the 64-bit words at `at`. */
  const field = (at: number, bit: number, width: number): number => {
    const from = at + (bit >> 3);
    return (u32(from) >>> (bit & 7)) & ((1 << width) - 1);
  };

  /** The frequencies in `bytes[at, end)`, in codes of 2 to 14 bits. */
  const unpackFrequencies = (at: number, end: number): Uint16Array => {
    const all = new Uint16Array(360);
    const SHORT_BITS = [2, 3, 2, 5, 2, 3, 2, 8, 2, 3, 2, 5, 2, 3, 2, 14];
    let word = 0;
    let have = 0;
    for (let index = 0; index < all.length; index++) {
      while (have < 14 && at < end) {
        word |= bytes[at++] << have;
        have += 8;
      }
      const code = word & 31;
      const used = SHORT_BITS[code & 15];
      if (used > have) fail('truncated');
      if (used === 14) all[index] = 24 + ((word >> 4) & 0x3ff);
      else if (used === 8) all[index] = 8 + ((word >> 4) & 0xf);
      else if (used === 5) all[index] = 4 + ((code >> 3) & 3);
      else if (used === 3) all[index] = (code & 4) === 0 ? 2 : 3;
      else all[index] = (code >> 1) & 1;
      word >>>= used;
      have -= used;
    }
    if (have >= 8 || at !== end) fail('frequencies of another length');
    return all;
  };

  interface Block {
    readonly raw: number; readonly literals: number; readonly literalBytes: number; readonly literalBits: number; readonly literalStates: readonly number[];
    readonly matches: number; readonly matchBytes: number; readonly matchBits: number; readonly states: readonly number[]; readonly frequencies: Uint16Array; readonly body: number;
  }
  const need = (at: number, length: number): void => { if (at + length > bytes.length) fail('truncated'); };
  const packedHeader = (at: number): Block => {
    need(at, 32);
    const body = at + u32(at + 24);
    need(body, 0);
    if (body < at + 32) fail('a short header');
    return {
      raw: u32(at + 4), literals: field(at + 8, 0, 20), literalBytes: field(at + 8, 20, 20), matches: field(at + 8, 40, 20), literalBits: field(at + 8, 60, 3) - 7,
      literalStates: [0, 10, 20, 30].map((bit) => field(at + 16, bit, 10)), matchBytes: field(at + 16, 40, 20), matchBits: field(at + 16, 60, 3) - 7,
      states: [32, 42, 52].map((bit) => field(at + 24, bit, 10)), frequencies: unpackFrequencies(at + 32, body), body,
    };
  };
  const plainHeader = (at: number): Block => {
    need(at, 770);
    return {
      raw: u32(at + 4), literals: u32(at + 12), matches: u32(at + 16), literalBytes: u32(at + 20), matchBytes: u32(at + 24), literalBits: u32(at + 28) | 0,
      literalStates: [0, 1, 2, 3].map((index) => u16(at + 32 + 2 * index)), matchBits: u32(at + 40) | 0, states: [0, 1, 2].map((index) => u16(at + 44 + 2 * index)),
      frequencies: Uint16Array.from({ length: 360 }, (_, index) => u16(at + 50 + 2 * index)), body: at + 770,
    };
  };

  const literals = new Uint8Array(MOST_LITERALS);
  const readLiterals = (block: Block, table: Table): void => {
    begin(block.body, block.body + block.literalBytes, block.literalBits);
    const states = Int32Array.from(block.literalStates);
    for (let index = 0; index < block.literals; index++) {
      const state = states[index & 3];
      literals[index] = table.symbol[state];
      states[index & 3] = table.next[state] + pull(table.bits[state]);
    }
  };

  /** Where the block ends in the output, after `to`. */
  const unpackBlock = (block: Block, into: Uint8Array, start: number, to: number, end: number): number => {
    const { literals: literalCount, matches, states } = block;
    if (literalCount > MOST_LITERALS || literalCount % 4 !== 0 || matches > MOST_MATCHES || to + block.raw > end) fail('too much');
    need(block.body, block.literalBytes + block.matchBytes);
    const tables: Table[] = [];
    for (let kind = 0, from = 0; kind < 4; from += SYMBOLS[kind++]) tables.push(makeTable(block.frequencies.subarray(from, from + SYMBOLS[kind]), STATES[kind]));
    if (states.some((state, kind) => state >= STATES[kind]) || block.literalStates.some((state) => state >= STATES[3])) fail('no such state');
    const [tableL, tableM, tableD, tableLiterals] = tables;
    readLiterals(block, tableLiterals);
    begin(block.body + block.literalBytes, block.body + block.literalBytes + block.matchBytes, block.matchBits);
    let [stateL, stateM, stateD] = states;
    const stop = to + block.raw;
    let used = 0;
    let distance = 0;
    for (let index = 0; index < matches; index++) {
      const symbolL = tableL.symbol[stateL];
      stateL = tableL.next[stateL] + pull(tableL.bits[stateL]);
      const run = BASE_L[symbolL] + pull(EXTRA_L[symbolL]);
      const symbolM = tableM.symbol[stateM];
      stateM = tableM.next[stateM] + pull(tableM.bits[stateM]);
      const length = BASE_M[symbolM] + pull(EXTRA_M[symbolM]);
      const symbolD = tableD.symbol[stateD];
      stateD = tableD.next[stateD] + pull(tableD.bits[stateD]);
      const further = BASE_D[symbolD] + pull(EXTRA_D[symbolD]);
      if (further !== 0) distance = further;
      if (used + run > literalCount || to + run + length > stop) fail('a match passes the end');
      into.set(literals.subarray(used, used + run), to);
      used += run;
      to += run;
      if (length > 0 && (distance === 0 || distance > to - start)) fail('a match begins before the content');
      for (const last = to + length; to < last; to++) into[to] = into[to - distance];
    }
    return to === stop ? to : fail('a block of another length');
  };

  const unpackLzvn = (at: number, last: number, into: Uint8Array, start: number, to: number, stop: number): number => {
    let distance = 0;
    for (;;) {
      // The end is marked by eight bytes, so the longest code is always there.
      need(at, 3);
      if (at >= last) fail('truncated');
      const code = bytes[at++];
      if (code === 0x06) return to === stop ? to : fail('a block of another length');
      if (code === 0x0e || code === 0x16) continue;
      let run = code >> 6;
      let length = ((code >> 3) & 7) + 3;
      const low = code & 7;
      if (code >= 0xf0) {
        run = 0;
        length = code === 0xf0 ? bytes[at++] + 16 : code & 15;
      } else if (code >= 0xe0) {
        run = code === 0xe0 ? bytes[at++] + 16 : code & 15;
        length = 0;
      } else if (code >= 0xd0 || (code >= 0x70 && code < 0x80)) {
        fail('no such code');
      } else if (code >= 0xa0 && code < 0xc0) {
        run = (code >> 3) & 3;
        length = (((code & 7) << 2) | (bytes[at] & 3)) + 3;
        distance = (bytes[at] >> 2) | (bytes[at + 1] << 6);
        at += 2;
      } else if (low === 7) {
        distance = u16(at);
        at += 2;
      } else if (low === 6) {
        // The distance before.
        if (run === 0) fail('no such code');
      } else {
        distance = (low << 8) | bytes[at++];
      }
      if (at + run > last || to + run + length > stop) fail('a match passes the end');
      into.set(bytes.subarray(at, at + run), to);
      at += run;
      to += run;
      if (length > 0 && (distance === 0 || distance > to - start)) fail('a match begins before the content');
      for (const end = to + length; to < end; to++) into[to] = into[to - distance];
    }
  };

  return (source, into, start, size) => {
    bytes = source;
    const end = start + size;
    let to = start;
    for (let at = 0; ; ) {
      need(at, 4);
      const magic = u32(at);
      if (magic === BLOCK.end) return to - start;
      need(at, 8);
      const raw = u32(at + 4);
      if (to + raw > end) fail('longer');
      if (magic === BLOCK.raw) {
        need(at, 8 + raw);
        into.set(bytes.subarray(at + 8, at + 8 + raw), to);
        to += raw;
        at += 8 + raw;
      } else if (magic === BLOCK.lzvn) {
        need(at, 12);
        const last = at + 12 + u32(at + 8);
        need(last, 0);
        to = unpackLzvn(at + 12, last, into, start, to, to + raw);
        at = last;
      } else if (magic === BLOCK.plainTables || magic === BLOCK.packedTables) {
        const block = magic === BLOCK.plainTables ? plainHeader(at) : packedHeader(at);
        to = unpackBlock(block, into, start, to, end);
        at = block.body + block.literalBytes + block.matchBytes;
      } else {
        fail('no block');
      }
    }
  };
}
