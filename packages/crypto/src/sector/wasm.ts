/**
 * The loops over bytes that JavaScript is too slow for: XOR and copy of 16-byte blocks with steps, and the tweaks of XTS.
 * The module is so small that it is written down here as instructions and put together when it is first needed.
 */

/** All pointers and steps are bytes in the instance's memory; counts are blocks of 16 bytes, at least one. */
export interface BlockLoops {
  /** `into[i * intoStep] ^= from[i * fromStep]`. */
  xor(into: number, from: number, count: number, intoStep: number, fromStep: number): void;
  /** `into[i * intoStep] = from[i * fromStep]`. */
  copy(into: number, from: number, count: number, intoStep: number, fromStep: number): void;
  /**
   * From the first tweak of each of `sectors` sectors, at `first`: the tweaks of all their `blocks` blocks, at `tweaks`; and XORs them into
   * the data at `data`.
   */
  tweak(tweaks: number, data: number, first: number, sectors: number, blocks: number): void;
}

/** The loops over the first `bytes` of a memory of their own. */
export function blockLoops(bytes: number): { readonly loops: BlockLoops; readonly memory: Uint8Array } {
  const pages = Math.ceil(bytes / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  compiled ??= new WebAssembly.Module(assemble());
  const instance = new WebAssembly.Instance(compiled, { e: { m: memory } });
  return { loops: instance.exports as unknown as BlockLoops, memory: new Uint8Array(memory.buffer) };
}

/** Code without state, whoever runs it. */
let compiled: WebAssembly.Module | undefined;

const I32 = 0x7f;
const I64 = 0x7e;
const EMPTY = 0x40;
const END = 0x0b;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
/** Small numbers only: one byte of signed LEB128. */
const i32 = (value: number): number[] => [0x41, value & 0x7f];
const add = (local: number, value: readonly number[]): number[] => [...get(local), ...value, 0x6a, ...set(local)];
/** `do { body; counter--; } while (counter != 0)`. */
const countDown = (counter: number, body: readonly number[]): number[] => [
  0x03, EMPTY, ...body, ...get(counter), ...i32(1), 0x6b, 0x22, counter, 0x0d, 0, END,
];
const load128 = (pointer: number): number[] => [...get(pointer), 0xfd, 0x00, 0x04, 0x00];
const STORE_128 = [0xfd, 0x0b, 0x04, 0x00];
const XOR_128 = [0xfd, 0x51];
const load64 = (pointer: number, offset: number): number[] => [...get(pointer), 0x29, 0x03, offset];
const store64 = (offset: number): number[] => [0x37, 0x03, offset];
const XOR_64 = 0x85;

/** Locals 0 to 4 as in the interface: into, from, count, intoStep, fromStep. */
const step = [...add(0, get(3)), ...add(1, get(4))];
const XOR_BODY = countDown(2, [...get(0), ...load128(0), ...load128(1), ...XOR_128, ...STORE_128, ...step]);
const COPY_BODY = countDown(2, [...get(0), ...load128(1), ...STORE_128, ...step]);

/** Locals: 0 tweaks, 1 data, 2 first, 3 sectors, 4 blocks; 5 blocks left; 6 and 7 the tweak, low and high; 8 the bit that goes round. */
const TWEAK_BODY = countDown(3, [
  ...load64(2, 0), ...set(6),
  ...load64(2, 8), ...set(7),
  ...add(2, i32(16)),
  ...get(4), ...set(5),
  ...countDown(5, [
    ...get(0), ...get(6), ...store64(0),
    ...get(0), ...get(7), ...store64(8),
    ...get(1), ...load64(1, 0), ...get(6), XOR_64, ...store64(0),
    ...get(1), ...load64(1, 8), ...get(7), XOR_64, ...store64(8),
    ...add(0, i32(16)),
    ...add(1, i32(16)),
    // Times x in GF(2^128): the bit that falls out comes back as x^7 + x^2 + x + 1.
    ...get(7), 0x42, 63, 0x87, 0x42, 0x87, 0x01, 0x83, ...set(8),
    ...get(7), 0x42, 1, 0x86, ...get(6), 0x42, 63, 0x88, 0x84, ...set(7),
    ...get(6), 0x42, 1, 0x86, ...get(8), XOR_64, ...set(6),
  ]),
]);

function assemble(): Uint8Array<ArrayBuffer> {
  const functions: readonly (readonly [string, readonly number[], readonly number[]])[] = [
    ['xor', [], XOR_BODY],
    ['copy', [], COPY_BODY],
    ['tweak', [1, I32, 3, I64], TWEAK_BODY],
  ];
  const parameters = [I32, I32, I32, I32, I32];
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [[0x60, parameters.length, ...parameters, 0]]),
    // The memory: module `e`, name `m`, shared by nobody, with a maximum.
    ...section(2, [[1, 0x65, 1, 0x6d, 0x02, 0x00, 0]]),
    ...section(3, functions.map(() => [0])),
    ...section(7, functions.map(([name], index) => [name.length, ...new TextEncoder().encode(name), 0x00, index])),
    ...section(10, functions.map(([, locals, body]) => sized([locals.length / 2, ...locals, ...body, END]))),
  ]);
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  return [id, ...sized([entries.length, ...entries.flat()])];
}

/** Behind its length as unsigned LEB128, of two bytes at most. */
function sized(bytes: readonly number[]): number[] {
  return bytes.length < 128 ? [bytes.length, ...bytes] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7, ...bytes];
}
