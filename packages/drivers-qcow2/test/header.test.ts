/** The header and everything else that a hostile file can lie about. */
import { BlockError } from '@blk/core-graph';
import { prng } from '@blk/driver-conformance';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseHeader } from '../src/header.js';
import { Bench, done, readAll, write } from './support.js';
import { MemoryDisk } from '@blk/driver-conformance';

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
function u64(value: number): number[] {
  return [...u32(Math.floor(value / 2 ** 32)), ...u32(value % 2 ** 32)];
}

async function empty(options: Record<string, unknown> = {}): Promise<Uint8Array> {
  const bench = new Bench();
  return (await bench.create(64 << 20, options)).toBytes();
}

function patched(bytes: Uint8Array, patches: Record<number, number[]>): Uint8Array {
  const copy = bytes.slice();
  for (const [at, values] of Object.entries(patches)) copy.set(values, Number(at));
  return copy;
}

/** `[name, patches, message]`; the messages are the reference's where it has one. */
const refused: [string, Record<number, number[]>, string | RegExp][] = [
  ['another magic', { 0: [1, 2, 3, 4] }, 'Image is not in qcow2 format'],
  ['version 1', { 4: u32(1) }, 'Unsupported qcow2 version 1'],
  ['version 4', { 4: u32(4) }, 'Unsupported qcow2 version 4'],
  ['clusters of 256 bytes', { 20: u32(8) }, 'Unsupported cluster size: 2^8'],
  ['clusters of 4 MiB', { 20: u32(22) }, 'Unsupported cluster size: 2^22'],
  ['a short header', { 100: u32(96) }, 'qcow2 header too short'],
  ['a long header', { 100: u32(70000) }, 'qcow2 header exceeds cluster size'],
  ['a long backing name', { 8: u64(1000), 16: u32(1024) }, 'Backing file name too long'],
  ['a backing name elsewhere', { 8: u64(70000), 16: u32(5) }, 'Invalid backing file offset'],
  ['a huge disk', { 24: u64(2 ** 60) }, 'Image is too big'],
  ['an unknown cipher', { 32: u32(3) }, 'Unsupported encryption method 3'],
  ['LUKS without its header', { 32: u32(2) }, 'Missing CRYPTO header for crypt method 2'],
  ['no L1 table', { 36: u32(0) }, /^L1 table is too small/],
  ['a huge L1 table', { 36: u32(2 ** 22 + 1) }, /^Active L1 table too large/],
  ['an L1 table longer than the file', { 36: u32(1 << 20) }, /^Active L1 table reaches to .* beyond the end of the file/],
  ['a misaligned L1 table', { 40: u64(0x30100) }, 'Active L1 table offset invalid'],
  ['an L1 table at 2^63', { 40: u64(2 ** 63) }, 'Active L1 table offset invalid'],
  ['a misaligned refcount table', { 48: u64(0x10100) }, 'Reference count table offset invalid'],
  ['no refcount table', { 56: u32(0) }, 'Image does not contain a reference count table'],
  ['a huge refcount table', { 56: u32(129) }, /^Reference count table too large/],
  ['too many snapshots', { 60: u32(70000) }, 'Snapshot table too large'],
  ['a misaligned snapshot table', { 60: u32(1), 64: u64(0x30100) }, 'Snapshot table offset invalid'],
  ['an unknown feature', { 72: u64(1 << 5) }, 'Unsupported qcow2 feature(s): Unknown incompatible feature: 20'],
  ['an unknown feature, 63', { 72: u64(2 ** 63) }, 'Unsupported qcow2 feature(s): Unknown incompatible feature: 8000000000000000'],
  [
    'a feature that the image names',
    { 72: u64(0x60), 0x78: [0, 5, ...new TextEncoder().encode('weird feature\0')] },
    'Unsupported qcow2 feature(s): weird feature, Unknown incompatible feature: 40',
  ],
  ['an external data file without a name', { 72: u64(4) }, "'data-file' is required for this image"],
  ['extended L2 entries of small clusters', { 72: u64(16), 20: u32(12) }, 'Unsupported subcluster size: 128'],
  ['a compression type without its bit', { 104: [1] }, 'qcow2: Compression type incompatible feature bit must be set'],
  ['a compression bit without a type', { 72: u64(8) }, 'qcow2: Compression type incompatible feature bit must not be set'],
  ['compression type 2', { 72: u64(8), 104: [2] }, 'qcow2: unknown compression type: 2'],
  ['wide refcounts', { 96: u32(7) }, 'Reference count entry width too large; may not exceed 64 bits'],
  ['a long extension', { 0x74: u32(0x7fffffff) }, 'Header extension too large'],
  ['a long format name', { 0x70: u32(0xe2792aca) }, 'ERROR: ext_backing_format: len=384 too large (>=16)'],
  ['a bad bitmaps extension', { 0x70: u32(0x23852875), 0x74: u32(10) }, 'bitmaps_ext: Invalid extension length'],
  ['an encryption header without encryption', { 0x70: u32(0x0537be77), 0x74: u32(16) }, 'CRYPTO header extension only expected with LUKS encryption method'],
];

describe('header', () => {
  test.each(refused)('refuses %s', async (_name, patches, message) => {
    const disk = new MemoryDisk({ content: patched(await empty(), patches) });
    const opened = new Bench().open(disk, {}, true);
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toBeInstanceOf(BlockError);
  });

  test('takes any place of a snapshot table that has no entries, up to 63 bits', async () => {
    const opened = async (bytes: number[]): Promise<string> => {
      const disk = new MemoryDisk({ content: patched(await empty(), { 64: bytes }) });
      return new Bench().open(disk, {}, true).then(() => 'open', (error: BlockError) => error.message);
    };
    expect(await opened([0x40, 0, 0, 0, 0, 0, 0, 0])).toBe('open');
    expect(await opened([0x80, 0, 0, 0, 0, 0, 0, 0])).toBe('Snapshot table offset invalid');
    expect(await opened([0, 0, 0, 0, 0, 0, 0, 1])).toBe('Snapshot table offset invalid');
  });

  test('any bytes give a header or a BlockError', () => {
    const magic = fc.constant(Uint8Array.from([0x51, 0x46, 0x49, 0xfb, 0, 0, 0]));
    const likely = fc.tuple(magic, fc.constantFrom(2, 3), fc.uint8Array({ maxLength: 700 })).map(([head, version, rest]) => Uint8Array.from([...head, version, ...rest]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), likely), (bytes) => {
        try {
          parseHeader(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(BlockError);
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test('a corrupt image is read, not written', async () => {
    const disk = new MemoryDisk({ content: patched(await empty(), { 72: u64(2) }) });
    const bench = new Bench();
    await expect(bench.open(disk)).rejects.toThrow('qcow2: Image is corrupt; cannot be opened read/write');
    const node = await bench.open(disk, {}, true);
    expect((await node.driver.info?.())?.specific?.data['corrupt']).toBe(true);
  });

  test('tables beyond the policy are refused before they are read', async () => {
    const bytes = patched(await empty(), { 36: u32(1 << 22) });
    const policy = { allowReference: () => false, allowProbing: false, maxChainDepth: 1, maxMetadataBytes: 1 << 20 };
    await expect(new Bench(policy).open(new MemoryDisk({ content: bytes }), {}, true)).rejects.toMatchObject({ kind: 'policy' });
  });
});

describe('damaged tables', () => {
  async function image(): Promise<Uint8Array> {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, { cluster_size: 4096 });
    const node = await bench.open(disk);
    await write(node, 0, new Uint8Array(65536).fill(1));
    await done(node.write(65536, new Uint8Array(4096).fill(2), 0, 4096, 16));
    await bench.graph.release(node);
    return disk.toBytes();
  }
  const L1 = 3 * 4096;
  const l2Of = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(L1 + 4);

  test.each([
    ['a misaligned L2 table', (b: Uint8Array) => patched(b, { [L1]: [0x80, ...u64(l2Of(b) + 512).slice(1)] }), /^L2 table offset 0x[0-9a-f]+ unaligned \(L1 index: 0\)$/],
    ['an L2 table beyond the end', (b: Uint8Array) => patched(b, { [L1]: u64(0x7000000) }), /beyond the end of the file/],
    ['an L2 table at 2^55', (b: Uint8Array) => patched(b, { [L1]: u64(2 ** 55) }), /beyond the end of the file/],
    ['a misaligned cluster', (b: Uint8Array) => patched(b, { [l2Of(b)]: u64(0x5200) }), /^Cluster allocation offset 0x5200 unaligned \(L2 offset: 0x[0-9a-f]+, L2 index: 0\)$/],
    ['a cluster beyond the end', (b: Uint8Array) => patched(b, { [l2Of(b)]: u64(0x7000000) }), /beyond the end of the file/],
    ['a cluster beyond 2^53', (b: Uint8Array) => patched(b, { [l2Of(b)]: u64(2 ** 55) }), /beyond 2\^53/],
    ['a compressed cluster of anything', (b: Uint8Array) => patched(b, { [l2Of(b)]: u64(2 ** 62 + 0x5000) }), /^Compressed cluster at 0x5000/],
    ['a compressed cluster beyond the end', (b: Uint8Array) => patched(b, { [l2Of(b)]: u64(2 ** 62 + 0x7000000) }), /beyond the end/],
  ])('%s is an error, not wrong bytes', async (_name, damage, message) => {
    const bytes = damage(await image());
    for (const readOnly of [true, false]) {
      const bench = new Bench();
      const events: string[] = [];
      bench.graph.subscribe((event) => {
        if (event.type === 'corrupted') events.push(event.report.message);
      });
      const node = await bench.open(new MemoryDisk({ content: bytes }), {}, readOnly);
      await expect(readAll(node)).rejects.toThrow(message);
      await expect(readAll(node)).rejects.toBeInstanceOf(BlockError);
      expect(events.length).toBeLessThanOrEqual(1);
      await bench.graph.release(node).catch(() => undefined);
    }
  });

  test.each([
    ['the header', 0, 'qcow2_header'],
    ['the refcount table', 0x1000, 'refcount table'],
    ['a refcount block', 0x2000, 'refcount block'],
    ['the L1 table', 0x3000, 'active L1 table'],
  ])('data is not written over %s', async (_name, target, title) => {
    const bytes = await image();
    // Bit 0 of an offset of 0 would say zeroes: a freed header cluster comes by the refcounts.
    const damaged = target === 0 ? patched(bytes, { 0x2000: [0, 0] }) : patched(bytes, { [l2Of(bytes)]: u64(2 ** 63 + target) });
    const bench = new Bench();
    const disk = new MemoryDisk({ content: damaged });
    const node = await bench.open(disk);
    await expect((async () => { await write(node, target === 0 ? 512 * 1024 : 0, new Uint8Array(100)); })()).rejects.toThrow(
      `Preventing invalid write on metadata (overlaps with ${title})`,
    );
    // Nothing works any more, and the image says why.
    await expect((async () => { await write(node, 8192, new Uint8Array(100)); })()).rejects.toMatchObject({ kind: 'corrupt' });
    await bench.graph.release(node).catch(() => undefined);
    expect(disk.toBytes()[79] & 2).toBe(2);
  });

  test('mutated metadata neither crashes nor hangs', async () => {
    const bytes = await image();
    const random = prng(77);
    for (let round = 0; round < 250; round++) {
      const copy = bytes.slice();
      const metadata = [0, 0x1000, 0x2000, L1, l2Of(bytes)];
      for (let edits = 1 + random.below(3); edits > 0; edits--) {
        const base = random.pick(metadata);
        const at = base + random.below(base === 0 ? 112 : 160);
        copy[at] = random.pick([0, 255, 1 << random.below(8), random.below(256)]);
      }
      const bench = new Bench({ allowReference: () => false, allowProbing: false, maxChainDepth: 1, maxMetadataBytes: 8 << 20 });
      try {
        const node = await bench.open(new MemoryDisk({ content: copy }), { backing: null }, round % 2 === 0);
        const size = Math.min(node.size, 1 << 20);
        for (let at = 0; at < size; at += 4096) {
          try {
            const piece = new Uint8Array(Math.min(4096, size - at));
            await done(node.read(at, piece, 0, piece.length));
            if (round % 2 === 1 && at % 16384 === 0) await done(node.write(at, piece, 0, Math.min(5000, piece.length)));
          } catch (error) {
            expect(error).toBeInstanceOf(BlockError);
          }
        }
        await bench.graph.release(node);
      } catch (error) {
        expect(error).toBeInstanceOf(BlockError);
      }
    }
  });
});
