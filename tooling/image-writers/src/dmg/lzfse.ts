/** LZFSE: raw blocks, LZVN blocks, and blocks of matches and literals in finite state entropy, with packed and with plain tables. */
import { packLzvn } from './lzvn.js';
import { findPieces, type Piece } from './matches.js';

/** `bvx-`, `bvxn`, `bvx2`, `bvx1`. */
export type LzfseBlock = 'raw' | 'lzvn' | 'packed' | 'plain';

const LITERAL_STATES = 1024;
const EXTRA = {
  L: [...Array<number>(16).fill(0), 2, 3, 5, 8],
  M: [...Array<number>(16).fill(0), 3, 5, 8, 11],
  D: Array.from({ length: 64 }, (_, symbol) => symbol >> 2),
};
const STATES = { L: 64, M: 64, D: 256 };

/** Bytes of content in a block, about: it ends with a match. */
const BLOCK = 32768;

/** One stream: `blocks` in turns, whose matches reach back over all of what is before, and the end. */
export function packLzfse(content: Uint8Array, blocks: readonly LzfseBlock[] = ['packed']): Uint8Array {
  const parts: Uint8Array[] = [];
  const pieces = findPieces(content, { literals: 315, shortest: 4, longest: 2359, distance: 262_139 });
  for (let at = 0, index = 0, first = 0; at < content.length; index++) {
    let end = at;
    let last = first;
    while (last < pieces.length && end - at < BLOCK) end += pieces[last].literals + pieces[last++].length;
    const bytes = content.subarray(at, end);
    const kind = blocks[index % blocks.length];
    if (kind === 'raw') parts.push(head('bvx-', bytes.length), bytes);
    else if (kind === 'lzvn') {
      const packed = packLzvn(bytes);
      parts.push(head('bvxn', bytes.length, packed.length), packed);
    } else parts.push(packBlock(bytes, pieces.slice(first, last), kind));
    at = end;
    first = last;
  }
  return new Uint8Array(Buffer.concat([...parts, Buffer.from('bvx$')]));
}

function head(magic: string, ...numbers: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 + 4 * numbers.length);
  bytes.write(magic, 'latin1');
  for (const [index, value] of numbers.entries()) bytes.writeUInt32LE(value, 4 + 4 * index);
  return bytes;
}

/** Bits written one behind the other, the first in the lowest place. */
class Bits {
  readonly bytes: number[] = [];
  #buffer = 0;
  #count = 0;

  push(value: number, width: number): void {
    this.#buffer |= value << this.#count;
    this.#count += width;
    for (; this.#count >= 8; this.#count -= 8) {
      this.bytes.push(this.#buffer & 0xff);
      this.#buffer >>>= 8;
    }
  }

  /** Fills up the last byte; minus the bits that it lacked. */
  finish(): number {
    const spare = this.#count === 0 ? 0 : this.#count - 8;
    if (this.#count > 0) this.push(0, 8 - this.#count);
    return spare;
  }
}

/** The entropy coder of one kind of symbols; it runs backwards, from the last symbol to the first. */
class Coder {
  state = 0;
  readonly frequencies: Uint16Array;
  /** Of each state of the decoder: its symbol, the bits it reads, and what it adds to them. */
  readonly #table: { readonly symbol: number; readonly bits: number; readonly next: number }[] = [];
  readonly #first: number[] = [];

  constructor(symbols: readonly number[], kinds: number, private readonly states: number) {
    this.frequencies = normalised(symbols, kinds, states);
    for (let symbol = 0; symbol < kinds; symbol++) {
      this.#first.push(this.#table.length);
      const frequency = this.frequencies[symbol];
      if (frequency === 0) continue;
      let most = 0;
      while (frequency << (most + 1) <= states * 2 - 1) most++;
      const split = ((2 * states) >> most) - frequency;
      for (let index = 0; index < frequency; index++) {
        this.#table.push(index < split
          ? { symbol, bits: most, next: ((frequency + index) << most) - states }
          : { symbol, bits: most - 1, next: (index - split) << (most - 1) });
      }
    }
  }

  /** Writes what leads from the state before this symbol to the present one. */
  push(symbol: number, bits: Bits, state = this.state): number {
    const first = this.#first[symbol];
    for (let index = first; index < first + this.frequencies[symbol]; index++) {
      const entry = this.#table[index];
      if (state < entry.next || state >= entry.next + 2 ** entry.bits) continue;
      bits.push(state - entry.next, entry.bits);
      this.state = index;
      return index;
    }
    throw new Error(`no state of ${this.states} leads to ${state}`);
  }
}

/** Frequencies that add up to `states`, none of those in use 0. */
function normalised(symbols: readonly number[], kinds: number, states: number): Uint16Array {
  const counts = new Uint16Array(kinds);
  for (const symbol of symbols) counts[symbol] = Math.min(65535, counts[symbol] + 1);
  const total = Math.max(1, symbols.length);
  const found = counts.map((count) => (count === 0 ? 0 : Math.max(1, Math.floor((count * states) / total))));
  if (symbols.length === 0) found[0] = states;
  for (let sum = found.reduce((a, b) => a + b, 0); sum !== states; sum += sum < states ? 1 : -1) {
    const largest = found.indexOf(Math.max(...found));
    found[largest] += sum < states ? 1 : -1;
  }
  return found;
}

function symbolOf(value: number, extra: readonly number[]): { readonly symbol: number; readonly rest: number } {
  let rest = value;
  let symbol = 0;
  for (; rest >= 2 ** extra[symbol]; symbol++) rest -= 2 ** extra[symbol];
  return { symbol, rest };
}

function packBlock(content: Uint8Array, pieces: readonly Piece[], kind: 'packed' | 'plain'): Uint8Array {
  const { literals, literalCoder, literalBits, literalStates, spare } = packLiterals(content, pieces);
  const matches = packMatches(pieces);
  const frequencies = [...matches.coders.L.frequencies, ...matches.coders.M.frequencies, ...matches.coders.D.frequencies, ...literalCoder.frequencies];
  const states = [matches.coders.L.state, matches.coders.M.state, matches.coders.D.state];
  const header = kind === 'plain' ? plainHeader : packedHeader;
  return Buffer.concat([
    header({ raw: content.length, literals, literalBytes: literalBits.bytes.length, spare, literalStates, matches: pieces.length, matchBytes: matches.bits.bytes.length, matchSpare: matches.spare, states, frequencies }),
    Uint8Array.from(literalBits.bytes), Uint8Array.from(matches.bits.bytes),
  ]);
}

function packLiterals(content: Uint8Array, pieces: readonly Piece[]) {
  const text: number[] = [];
  let at = 0;
  for (const { literals, length } of pieces) {
    text.push(...content.subarray(at, at + literals));
    at += literals + length;
  }
  // Four states take turns.
  while (text.length % 4 !== 0) text.push(text[0]);
  const literalCoder = new Coder(text, 256, LITERAL_STATES);
  const literalBits = new Bits();
  const literalStates = [0, 0, 0, 0];
  for (let index = text.length - 1; index >= 0; index--) literalStates[index & 3] = literalCoder.push(text[index], literalBits, literalStates[index & 3]);
  return { literals: text.length, literalCoder, literalBits, literalStates, spare: literalBits.finish() };
}

function packMatches(pieces: readonly Piece[]) {
  let last = 0;
  const values = pieces.map(({ literals, length, distance }) => {
    // 0: the distance of the match before.
    const D = length === 0 || distance === last ? 0 : distance;
    if (length > 0) last = distance;
    return { L: symbolOf(literals, EXTRA.L), M: symbolOf(length, EXTRA.M), D: symbolOf(D, EXTRA.D) };
  });
  const coder = (name: 'L' | 'M' | 'D'): Coder => new Coder(values.map((value) => value[name].symbol), EXTRA[name].length, STATES[name]);
  const coders = { L: coder('L'), M: coder('M'), D: coder('D') };
  const bits = new Bits();
  for (const value of values.reverse()) {
    for (const name of ['D', 'M', 'L'] as const) {
      bits.push(value[name].rest, EXTRA[name][value[name].symbol]);
      coders[name].push(value[name].symbol, bits);
    }
  }
  return { coders, bits, spare: bits.finish() };
}

interface Header {
  readonly raw: number; readonly literals: number; readonly literalBytes: number; readonly spare: number; readonly literalStates: readonly number[];
  readonly matches: number; readonly matchBytes: number; readonly matchSpare: number; readonly states: readonly number[]; readonly frequencies: readonly number[];
}

function plainHeader(header: Header): Uint8Array {
  const bytes = Buffer.alloc(770);
  bytes.set(head('bvx1', header.raw, header.literalBytes + header.matchBytes, header.literals, header.matches, header.literalBytes, header.matchBytes));
  bytes.writeInt32LE(header.spare, 28);
  for (const [index, state] of header.literalStates.entries()) bytes.writeUInt16LE(state, 32 + 2 * index);
  bytes.writeInt32LE(header.matchSpare, 40);
  for (const [index, state] of header.states.entries()) bytes.writeUInt16LE(state, 44 + 2 * index);
  for (const [index, frequency] of header.frequencies.entries()) bytes.writeUInt16LE(frequency, 50 + 2 * index);
  return bytes;
}

function packedHeader(header: Header): Uint8Array {
  const tables = packFrequencies(header.frequencies);
  const words = [
    [[header.literals, 20], [header.literalBytes, 20], [header.matches, 20], [header.spare + 7, 3]],
    [...header.literalStates.map((state) => [state, 10]), [header.matchBytes, 20], [header.matchSpare + 7, 3]],
    [[32 + tables.length, 32], ...header.states.map((state) => [state, 10])],
  ].map((fields) => {
    let word = 0n;
    let shift = 0n;
    for (const [value, width] of fields) {
      word |= BigInt(value) << shift;
      shift += BigInt(width);
    }
    return word;
  });
  const bytes = Buffer.alloc(32);
  bytes.set(head('bvx2', header.raw));
  for (const [index, word] of words.entries()) bytes.writeBigUInt64LE(word, 8 + 8 * index);
  return Buffer.concat([bytes, tables]);
}

/** Codes of 2 bits for the smallest, and up to 14 for the others. */
function packFrequencies(frequencies: readonly number[]): Uint8Array {
  const bits = new Bits();
  for (const frequency of frequencies) {
    if (frequency < 2) bits.push(frequency << 1, 2);
    else if (frequency < 4) bits.push(1 | ((frequency - 2) << 2), 3);
    else if (frequency < 8) bits.push(3 | ((frequency - 4) << 3), 5);
    else if (frequency < 24) bits.push(7 | ((frequency - 8) << 4), 8);
    else bits.push(15 | ((frequency - 24) << 4), 14);
  }
  bits.finish();
  return Uint8Array.from(bits.bytes);
}
