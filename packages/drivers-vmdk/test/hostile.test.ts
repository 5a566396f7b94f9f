/** Damaged and malicious images: refused by name where they are opened, or an error where the damage is met. */
import { BlockError, UNTRUSTED } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, prng, readAll } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseDescriptor } from '../src/descriptor.js';
import { parseSparseHeader } from '../src/sparse-header.js';
import { Bench, COPY, DIRECTORY, edited, sample, TABLE, type Edit } from './support.js';

const oracle = skipUnless('qemu-img');

/** Headers that the reference refuses as well, and in the same words. */
const BOTH: [string, Edit[], string][] = [
  ['version 4', [[4, 4, 32]], 'Unsupported VMDK version 4'],
  ['version 2^32 - 1', [[4, 0xffff_ffff, 32]], 'Unsupported VMDK version 4294967295'],
  ['grains of nothing', [[20, 0]], 'L1 entry size is invalid'],
  ['grains of 2 GiB', [[20, 0x40_0000]], 'Invalid granularity, image may be corrupt'],
  ['tables of nothing', [[44, 0, 32]], 'L1 entry size is invalid'],
  ['large tables', [[44, 513, 32]], 'L2 table size too big'],
  ['a directory at an end that has no footer', [[56, 2n ** 64n - 1n]], 'Invalid footer'],
  ['more before the grains than there is', [[64, 1 << 20]], 'File truncated, expecting at least 536870912 bytes'],
  ['a disk of 2^73 bytes', [[12, 2n ** 64n - 1n]], 'File too large'],
];
/** What the reference opens. */
const STRICTER: typeof BOTH = [
  ['a type that is not known', [[0x200, 'CID=1\nparentCID=ffffffff\ncreateType="odd"\n#']], "Unsupported image type 'odd'"],
  ['changed line ends', [[73, 0x0d, 8]], 'The image was changed as if it were text'],
  ['another compression', [[77, 2, 16]], 'Unsupported compression 2'],
  ['compressed by the header, not by its flags', [[77, 1, 16]], 'Unsupported compression 1'],
  ['version 0', [[4, 0, 32]], 'Unsupported VMDK version 0'],
  ['a directory beyond the end', [[8, 1, 32], [56, 1 << 30]], 'The grain directory at 0x8000000000 reaches beyond the end of the file'],
  ['a table beyond the end', [[8, 1, 32], [DIRECTORY, 0xff00_0000, 32]], 'A grain table at 0x1fe00000000 reaches beyond the end of the file'],
  ['a descriptor beyond the end', [[28, 1 << 30]], 'The descriptor at 0x8000000000 reaches beyond the end of the file'],
  ['no sectors', [[12, 0], [16, 0, 32]], 'The header tells of no sectors'],
  ['a descriptor of any length', [[36, 1 << 30]], 'The descriptor takes 549755813888 bytes'],
];

describe('headers', () => {
  test.each([...BOTH, ...STRICTER])('%s', async (_name, edits, message) => {
    await expect(new Bench().open(await sample({}, edits), {}, { readOnly: true })).rejects.toThrow(message);
  });

  test('any bytes are a header or an error', () => {
    const good = new Uint8Array(512);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(78), fc.nat(255)), { maxLength: 12 }), fc.uint8Array({ maxLength: 600 }), (changes, rest) => {
        const changed = good.slice();
        changed.set(HEADER);
        for (const [at, value] of changes) changed[at] = value;
        for (const bytes of [changed, rest]) orBlockError(() => parseSparseHeader(bytes));
      }),
      { seed: 1 },
    );
  });
});

/** Version 1, 8 MiB in grains of 64 KiB. */
const HEADER = edited(new Uint8Array(512), [
  [0, 0x564d_444b, 32], [4, 1, 32], [8, 3, 32], [12, 16384], [20, 128], [28, 1], [36, 20], [44, 512, 32], [48, 21], [56, 26], [64, 128], [73, 0x0a0d_200a, 32],
]);

function orBlockError(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
  }
}

describe('descriptors', () => {
  const text = (extent: string, type = 'monolithicFlat'): string => `# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="${type}"\n${extent}\n`;
  const open = (content: string, policy = UNTRUSTED): Promise<unknown> => {
    const bench = new Bench(policy);
    return bench.graph.open({ driver: 'vmdk', file: new MemoryDisk({ content: new TextEncoder().encode(content) }).definition }, { readOnly: true });
  };

  test.each([
    [text('RW 2048 FLAT "x"'), 'Invalid extent line: RW 2048 FLAT "x"'],
    [text('RW 2048 FLAT "x" -1'), 'Invalid extent line'],
    [text('RW 0 FLAT "x" 0'), 'Invalid extent line'],
    [text('RW 9999999999999999 FLAT "x" 0'), 'File too large'],
    [text('RW 99999999999999999999 FLAT "x" 0'), 'Invalid extent line'],
    [text('RW 2048 VMFSRDM "x"'), 'Unsupported extent type'],
    [text('NOACCESS 2048 FLAT "x" 0'), 'Invalid extent line'],
    [text(''), 'The descriptor names no extents'],
    [text('RW 2048 ZERO', 'fullDevice'), "Unsupported image type 'fullDevice'"],
    ['# Disk DescriptorFile\nversion=1\n', 'invalid VMDK image descriptor'],
    [text('RW 2048 ZERO').replace('12345678', 'xyz'), 'Invalid content identifier in the descriptor: xyz'],
    ['#'.repeat(3 << 20), 'invalid VMDK image descriptor'],
  ])('%#: refused', async (content, message) => {
    await expect(open(content)).rejects.toThrow(message);
  });

  test('files of extents are opened where the policy allows it, and nowhere else', async () => {
    for (const name of ['/etc/passwd', '../x', 'x', 'nbd://host/export', 'json:{}']) await expect(open(text(`RW 1 FLAT "${name}" 0`))).rejects.toMatchObject({ kind: 'policy' });
    const asked: string[] = [];
    const policy = { ...UNTRUSTED, allowReference: (reference: string, kind: string) => (asked.push(`${kind} ${reference}`), false) };
    await expect(open(text('RW 1 FLAT "sub/x" 0'), policy)).rejects.toMatchObject({ kind: 'policy' });
    for (const name of ['nbd://host/export', 'json:{}', 'fat:/etc']) await expect(open(text(`RW 1 FLAT "${name}" 0`), policy)).rejects.toMatchObject({ kind: 'policy' });
    // Descriptors name files; a protocol would be a way to wherever the image's maker wants.
    expect(asked).toEqual(['sub/x', './nbd://host/export', './json:{}', './fat:/etc'].map((name) => `data-file memory:${name}`));
  });

  test.each([
    ['UTF-8, whatever it says', 'windows-1252', Buffer.from('Büro 1.vmdk'), 'Büro 1.vmdk'], ['with a mark at the start', 'UTF-8', Buffer.from('日本.vmdk'), '日本.vmdk'],
    ['windows-1252', 'windows-1252', Buffer.from('B\xfcro 1.vmdk', 'latin1'), 'Büro 1.vmdk'],
    ['Shift_JIS', 'Shift_JIS', Buffer.from([0x93, 0xfa, 0x96, 0x7b, 0x2e]), '日本.'], ['an encoding that nobody knows', 'x-odd', Buffer.from([0x61, 0xff]), 'a\ufffd'],
  ])('names of files: %s', (what, encoding, name, expected) => {
    const mark = what.startsWith('with a mark') ? [0xef, 0xbb, 0xbf] : [];
    const lines = ['# Disk DescriptorFile', 'version=1', `encoding="${encoding}"`, 'CID=12345678', 'parentCID=ffffffff', 'createType="monolithicFlat"', 'RW 2048 FLAT "'].join('\r\n');
    const bytes = Buffer.concat([Buffer.from(mark), Buffer.from(lines), name, Buffer.from('" 0\r\n')]);
    expect(parseDescriptor(bytes).extents).toEqual([{ access: 'RW', size: 1 << 20, kind: 'FLAT', filename: expected, start: 0 }]);
  });

  test('any text is a descriptor or an error', () => {
    const word = fc.constantFrom('RW ', 'FLAT', ' "a"', ' 0', '=', 'createType', '"vmfs"', '\n', 'CID', '12', 'parentCID', '#', '\0', ' ');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), fc.uint8Array({ maxLength: 300 }), (words, bytes) => {
        orBlockError(() => parseDescriptor(new TextEncoder().encode(`createType="vmfs"\n${words.join('')}`)));
        orBlockError(() => parseDescriptor(bytes));
      }),
      { seed: 2 },
    );
  });
});

describe('tables and grains', () => {
  test('a grain beyond the end of the file is an error where it is met', async () => {
    const bench = new Bench();
    const node = await bench.open(await sample({}, [[TABLE, 0x7fff_ffff, 32]]), {}, { readOnly: true });
    const buffer = new Uint8Array(512);
    await expect((async () => node.read(0, buffer, 0, 512))()).rejects.toThrow(/lies beyond the end of the file/);
    await node.read(65536, buffer, 0, 512);
    expect(buffer.every((byte) => byte === 1)).toBe(true);
    await bench.graph.release(node);
  });

  test.each([['the descriptor', 1], ['the redundant directory', COPY / 512], ['the redundant table', COPY / 512 + 1], ['the directory', DIRECTORY / 512], ['the table', TABLE / 512 + 1]])(
    'a grain over %s is an error where it is met, and changes nothing', async (_name, sector) => {
      const bench = new Bench();
      // Both tables agree.
      const disk = await sample({}, [[TABLE, sector, 32], [COPY + 512, sector, 32]]);
      const node = await bench.open(disk);
      const before = disk.toBytes();
      const buffer = new Uint8Array(512);
      const message = `A grain can't be at 0x${(sector * 512).toString(16)}`;
      await expect((async () => node.read(0, buffer, 0, 512))()).rejects.toThrow(message);
      await expect((async () => node.write(0, buffer, 0, 512))()).rejects.toThrow(message);
      // But for the content identifier, which comes first.
      expectSameBytes(disk.toBytes().subarray(COPY), before.subarray(COPY));
      await node.read(65536, buffer, 0, 512);
      expect(buffer.every((byte) => byte === 1)).toBe(true);
      await bench.graph.release(node);
      const { lines } = await bench.check(disk);
      expect(lines).toEqual([expect.stringMatching(/^ERROR: cluster for sector 0 lies over the tables/)]);
    });

  test('where the directory is damaged, the redundant one serves, and nothing is written', async () => {
    const bench = new Bench();
    const disk = await sample({}, [[DIRECTORY, 0xff00_0000, 32]]);
    expect((await bench.content(disk)).subarray(0, 131072).every((byte) => byte === 1)).toBe(true);
    expect(bench.warnings).toEqual(['warning: The grain directory is damaged; the redundant one is used in its place']);
    await expect(bench.open(disk)).rejects.toMatchObject({ kind: 'invalid-image' });
    await expect(bench.open(await sample({}, [[DIRECTORY, 0xff00_0000, 32], [COPY, 0xff00_0000, 32]]), {}, { readOnly: true })).rejects.toMatchObject({ kind: 'invalid-image' });
  });

  test('tables beyond the policy are not read', async () => {
    const disk = await sample({}, [[12, 2 ** 40]]);
    await disk.truncate(2 ** 30);
    await expect(new Bench({ ...UNTRUSTED, maxMetadataBytes: 1 << 20 }).open(disk, {}, { readOnly: true })).rejects.toMatchObject({ kind: 'policy' });
  });

  test('whatever bytes are changed, reading gives bytes or an error', async () => {
    const good = (await sample()).toBytes();
    const random = prng(11);
    for (let turn = 0; turn < 150; turn++) {
      const bytes = good.slice();
      for (let change = 0; change <= random.below(4); change++) bytes[random.below(random.pick([80, 600, 16384]))] = random.below(256);
      const bench = new Bench({ ...UNTRUSTED, maxMetadataBytes: 1 << 20 });
      try {
        const node = await bench.open(new MemoryDisk({ content: bytes }), { backing: null }, { readOnly: true });
        if (node.size <= 64 << 20) await readAll(node).catch(orThrow);
        await bench.graph.release(node);
      } catch (error) {
        orThrow(error);
      }
    }
  });
});

function orThrow(error: unknown): void {
  if (!(error instanceof BlockError)) throw error;
}

describe.skipIf(oracle.skip)(oracle.title('beside the reference'), () => {
  test.each(BOTH)('it refuses as well: %s', async (_name, edits, message) => {
    using dir = tempDir();
    writeFileSync(dir.file('x'), (await sample({}, edits)).toBytes());
    const { code, stderr } = await qemuImg('info', '-f', 'vmdk', dir.file('x'));
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
