/** Logs written from the specification: what of them counts, what is refused, and that the reference makes the same of it. */
import { UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, saveDisk } from '@blk/driver-conformance';
import { VhdxLogEntry, type VhdxLogChange } from '@blk/image-writers';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { expect, test } from 'vitest';
import { crc32c } from '../src/format.js';
import { BAT, Bench, compareWith, patched, u32, u64 } from './support.js';

const oracle = skipUnless('qemu-img');
const MIB = 1 << 20;
const LOG = MIB;
const PAGE = 4096;
const ID = '12345678-9abc-4def-8123-456789abcdef';
const ID_BYTES = [0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xef, 0x4d, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const END = 5 * MIB;
const CONTENT = prng(1).bytes(MIB);

/** A change of the table: these blocks are at the end of the file. */
function blocksAtEnd(...blocks: readonly number[]): VhdxLogChange {
  const page = Buffer.alloc(PAGE);
  for (let block = 0; block < 5; block++) page.set(blocks.includes(block) ? u64(4 * MIB + 6) : u64(2), block * 8);
  return { offset: BAT, page };
}

function entry(sequence: number, changes: readonly VhdxLogChange[], tail = 0): Uint8Array {
  return Uint8Array.from(new VhdxLogEntry({ id: ID, sequence, tail, end: END, changes }).bytes);
}

/** With other bytes at some offsets, and a right checksum. */
function changed(bytes: Uint8Array, patches: Readonly<Record<number, readonly number[]>>): Uint8Array {
  const copy = bytes.slice();
  for (const [at, values] of Object.entries(patches)) copy.set(values, Number(at));
  copy.set(u32(crc32c(copy, 4)), 4);
  return copy;
}

/** An image of five blocks, none of them in the table unless `there` is; the last MiB of the file is as a block. The log has these entries, by offset. */
async function logged(entries: Readonly<Record<number, Uint8Array>>, { there = false, size = END } = {}): Promise<MemoryDisk> {
  const made = (await new Bench().create(5 * MIB, { block_size: MIB })).toBytes();
  const bytes = new Uint8Array(END);
  bytes.set(patched(made, { header: { 48: ID_BYTES }, raw: there ? { [BAT]: u64(4 * MIB + 6) } : {} }));
  bytes.set(CONTENT, 4 * MIB);
  for (const [at, content] of Object.entries(entries)) bytes.set(content, LOG + Number(at));
  return new MemoryDisk({ content: bytes.slice(0, size) });
}

const GOOD = entry(7, [blocksAtEnd(0)]);
/** In block 0. */
const FIRST = new Uint8Array(5 * MIB);
FIRST.set(CONTENT);
const ZEROES = new Uint8Array(5 * MIB);

/** Entries that are not whole, each in one way. Of those with a right checksum the reference refuses most, and does not look at the ones before. */
const BROKEN: readonly (readonly [name: string, bytes: Uint8Array])[] = (() => {
  const whole = entry(8, [blocksAtEnd(1)]);
  const torn = whole.slice();
  torn[PAGE + 2000] ^= 1;
  return [
    ['a torn page', torn],
    ['a page of another round', changed(whole, { [2 * PAGE - 4]: u32(6) })],
    ['a page of another round, by the upper half', changed(whole, { [PAGE + 4]: u32(1) })],
    ['a page that is none', changed(whole, { [PAGE]: [0] })],
    ['a descriptor of another round', changed(whole, { [64 + 24]: u64(6) })],
    ['a descriptor of no kind', changed(whole, { 64: [0] })],
    ['a change of half a page', changed(whole, { [64 + 16]: u64(BAT + 512) })],
    ['zeroes for half a page', entry(8, [{ offset: BAT, zeroes: 512 }])],
    ['zeroes beyond all numbers', changed(entry(8, [{ offset: BAT, zeroes: PAGE }]), { [64 + 8]: u64(2 ** 60) })],
    ['more descriptors than fit', changed(whole, { 24: u32(1000) })],
    ['less pages than descriptors', changed(whole, { 24: u32(2), [64 + 32]: [...whole.subarray(64, 96)] })],
    ['another identifier', changed(whole, { 32: [0] })],
    ['a length of no whole pages', changed(whole, { 8: u32(2 * PAGE - 512) })],
    ['a tail that is no entry', changed(whole, { 12: u32(64 * PAGE) })],
  ];
})();

const ALIKE = ['a torn page', 'more descriptors than fit', 'another identifier', 'a length of no whole pages'];

interface Count {
  readonly name: string;
  /** By the offset in the log. */
  readonly entries: Readonly<Record<number, Uint8Array>>;
  readonly expected: Uint8Array;
  readonly there?: boolean;
  /** The reference makes the same of it; true unless given. */
  readonly alike?: boolean;
}

const COUNTS: readonly Count[] = [
  { name: 'one entry', entries: { 0: GOOD }, expected: FIRST },
  { name: 'one entry, somewhere', entries: { [40 * PAGE]: changed(GOOD, { 12: u32(40 * PAGE) }) }, expected: FIRST },
  // The reference takes the older one, which begins behind the newer.
  { name: 'the newest of two that do not follow each other', entries: { 0: entry(9, [blocksAtEnd(0)]), [2 * PAGE]: entry(7, [blocksAtEnd(1)], 2 * PAGE) }, expected: FIRST, alike: false },
  { name: 'two entries, the later over the earlier', entries: { 0: entry(7, [blocksAtEnd(1)]), [2 * PAGE]: entry(8, [blocksAtEnd(0)]) }, expected: FIRST },
  { name: 'an entry without changes behind one with', entries: { 0: GOOD, [2 * PAGE]: entry(8, []) }, expected: FIRST },
  { name: 'a stretch of zeroes', entries: { 0: entry(7, [{ offset: BAT, zeroes: 2 * PAGE }]) }, expected: ZEROES, there: true },
  ...BROKEN.map(([name, bytes]) => ({ name: `the entry before ${name}`, entries: { 0: GOOD, [2 * PAGE]: bytes }, expected: FIRST, alike: ALIKE.includes(name) })),
];

test.each(COUNTS)('what counts: $name', async ({ entries, expected, there = false, alike = true }) => {
  const bench = new Bench();
  const disk = await logged(entries, { there });
  const theirs = new MemoryDisk({ content: disk.toBytes() });
  expectSameBytes(await bench.content(disk), expected);
  expectSameBytes(disk.toBytes(), theirs.toBytes());
  await bench.graph.release(await bench.open(disk));
  expectSameBytes(await bench.content(disk), expected);
  if (oracle.skip) return;
  using dir = tempDir();
  saveDisk(disk, dir.file('ours'));
  await compareWith(dir.file('ours'), expected);
  if (!alike) return;
  saveDisk(theirs, dir.file('theirs'));
  expect(await qemuImg('check', '-r', 'all', '-f', 'vhdx', dir.file('theirs'))).toMatchObject({ code: 0 });
  await compareWith(dir.file('theirs'), expected);
});

test('a file that was to grow has the size that the log tells, in memory and when it is written', async () => {
  const bench = new Bench();
  const disk = await logged({ 0: changed(GOOD, { 48: u64(4 * MIB), 56: u64(END) }) }, { size: 4 * MIB });
  expectSameBytes(await bench.content(disk), ZEROES);
  expect(disk.size).toBe(4 * MIB);
  await bench.graph.release(await bench.open(disk));
  expect(disk.size).toBe(END);
  expectSameBytes(await bench.content(disk), ZEROES);
});

test('a check with repair puts the log into its place, and tells of it once', async () => {
  const bench = new Bench();
  const disk = await logged({ 0: GOOD });
  await expect(bench.check(disk)).rejects.toMatchObject({ kind: 'permission', message: expect.stringMatching(/needs to be replayed/) as string });
  expect((await bench.check(disk, 'all')).result).toMatchObject({ corruptionsFixed: 1 });
  expect((await bench.check(disk)).result).toMatchObject({ corruptionsFixed: 0 });
  expectSameBytes(await bench.content(disk), FIRST);
});

const page = Buffer.alloc(PAGE);
const claim = (at: number): Uint8Array => changed(entry(7, [blocksAtEnd(0)], at), { 8: u32(MIB) });
const REFUSED: readonly (readonly [name: string, entries: Readonly<Record<number, Uint8Array>>, message: RegExp])[] = [
  ...BROKEN.map(([name, bytes]) => [name, { 0: bytes }, /^The log is corrupt: it should hold changes, but has no whole sequence/] as const),
  ['an entry number zero', { 0: entry(0, [blocksAtEnd(0)]) }, /^The log is corrupt: it should hold changes/],
  ['a change of a header', { 0: entry(7, [{ offset: 0x10000, page }]) }, /^The log is corrupt: it changes 4096 bytes at 65536, over the headers or itself/],
  ['a change of the other header', { 0: entry(7, [{ offset: 0x20000, page }]) }, /at 131072, over the headers or itself/],
  ['a change of the log', { 0: entry(7, [{ offset: LOG + 100 * PAGE, page }]) }, /at 1458176, over the headers or itself/],
  ['zeroes that reach into the log', { 0: entry(7, [{ offset: LOG - PAGE, zeroes: 2 * PAGE }]) }, /it changes 8192 bytes at 1044480, over the headers or itself/],
  ['a change beyond the end', { 0: entry(7, [{ offset: END, page }]) }, /at 5242880, beyond the end/],
  ['a file that was cut short since', { 0: changed(GOOD, { 48: u64(END + MIB), 56: u64(END + MIB) }) }, /^The image had 6291456 bytes when its log was written, and has 5242880 now/],
  ['entries over each other', { 0: claim(0), [2 * PAGE]: claim(2 * PAGE), [4 * PAGE]: claim(4 * PAGE) }, /^The log is corrupt: its entries lie over each other/],
];

test.each(REFUSED)('refused: %s', async (_name, entries, message) => {
  const disk = await logged(entries);
  const before = disk.toBytes();
  for (const readOnly of [true, false]) {
    await expect(new Bench().open(disk, {}, { readOnly })).rejects.toMatchObject({ kind: 'invalid-image', message: expect.stringMatching(message) as string });
  }
  expectSameBytes(disk.toBytes(), before);
});

test('refused: a log that takes more memory than the policy allows', async () => {
  const disk = await logged({ 0: GOOD });
  const open = (maxMetadataBytes: number): Promise<unknown> => new Bench({ ...UNTRUSTED, maxMetadataBytes }).open(disk, {}, { readOnly: true });
  await expect(open(MIB - 1)).rejects.toMatchObject({ kind: 'policy', message: expect.stringMatching(/^A log of 1048576 bytes is beyond the limit of 1048575 bytes/) as string });
  await expect(open(MIB)).resolves.toBeDefined();
});
