// Images of every format with damaged headers and tables, read by both programs: where both read one, they read the same. A check that ours ends soon, and
// with an error of its own, comes with that. BLK_SWEEP=1 tries more, BLK_SEED others, and BLK_COUNT so many of each image.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { bochsImage, cloopImage, dmgImage, sampleContent, vhdImage, vhdxImage } from '@blk/image-writers';
import { createImage, prng, qemuIo, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn } from './img-support.js';
import { sealVhdx } from './vhdx-fields.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const sweep = process.env['BLK_SWEEP'] === '1';
const SEED = Number(process.env['BLK_SEED'] ?? 20_272);
const COUNT = Number(process.env['BLK_COUNT'] ?? (sweep ? 1000 : 15));
/** Milliseconds of the processor. */
const SOON = 1500;

type Random = ReturnType<typeof prng>;
/** Where fields are: from where on, and how many bytes; less than 0: from the end. */
type Region = readonly [start: number, length: number];

interface Base {
  readonly name: string;
  readonly format: string;
  readonly image: (dir: TempDir) => Promise<Uint8Array> | Uint8Array;
  readonly regions: readonly Region[];
  readonly bigEndian?: boolean;
  /** Makes checksums right again. */
  readonly seal?: (bytes: Uint8Array) => void;
  /** The reference reads it only when it was repaired. */
  readonly repaired?: boolean;
  /** Whether it may read otherwise here, on purpose. */
  readonly differs?: (ours: Uint8Array, theirs: Uint8Array, said: string) => boolean;
}

function made(format: string, options = '', size = '8M'): Base['image'] {
  return async (dir) => {
    await createImage(dir.file('made'), format, size, ...(options === '' ? [] : ['-o', options]));
    for (const write of ['write -P 1 64k 64k', 'write -P 2 2M 32k', 'write -P 3 1M 4k', 'write -P 5 7M 100k']) {
      expect(await qemuIo(dir.file('made'), [write], { format })).toMatchObject({ code: 0 });
    }
    return readFileSync(dir.file('made'));
  };
}

const SPARSE = new Uint8Array(3 << 20);
SPARSE.set(sampleContent(1, 300_000));
SPARSE.set(sampleContent(2, 200_000), 2 << 20);

/** The redundant directory serves here; there, what the damaged one says. */
const redundant: Base['differs'] = (_ours, _theirs, said) => said.includes('the redundant one is used');
/** Of a size that the footers tell in different ways, and sectors that their bitmap does not have. */
const byFooterAndBitmap: Base['differs'] = (ours, theirs) => theirs.every((byte, at) => at >= ours.length || ours[at] === byte || ours[at] === 0);

const BASES: readonly Base[] = [
  { name: 'qcow', format: 'qcow', image: made('qcow'), regions: [[0, 64], [48, 64], [512, 9000]], bigEndian: true },
  { name: 'qed', format: 'qed', image: made('qed', 'cluster_size=4k,table_size=2'), regions: [[0, 64], [4096, 64], [0x3000, 0x2000]] },
  { name: 'vdi', format: 'vdi', image: made('vdi'), regions: [[64, 448], [512, 64]] },
  { name: 'vhdx', format: 'vhdx', image: made('vhdx', 'block_size=1M'), regions: [[0x10000, 80], [0x30000, 80], [0x200000, 256], [0x210000, 96], [0x300000, 80]], seal: sealVhdx },
  { name: 'vhdx, a log', format: 'vhdx', image: () => vhdxImage(SPARSE, { logEntries: 2 }), regions: [[0x10000, 80], [0x100000, 128], [0x102000, 128]], seal: sealVhdx, repaired: true },
  { name: 'vpc', format: 'vpc', image: made('vpc'), regions: [[0, 96], [512, 128], [1536, 32], [-512, 96]], bigEndian: true, seal: sealVhd, differs: byFooterAndBitmap },
  { name: 'vpc, small blocks', format: 'vpc', image: () => vhdImage(SPARSE, { blockSize: 65536, creator: 'win ' }), regions: [[0, 96], [512, 128], [1536, 200], [-512, 96]], bigEndian: true, seal: sealVhd, differs: byFooterAndBitmap },
  { name: 'vmdk', format: 'vmdk', image: made('vmdk'), regions: [[0, 80], [512, 600], [10_240, 4096]], differs: redundant },
  { name: 'vmdk, zero grains', format: 'vmdk', image: made('vmdk', 'zeroed_grain=on'), regions: [[0, 80], [512, 600], [10_240, 4096]], differs: redundant },
  { name: 'parallels', format: 'parallels', image: made('parallels', 'cluster_size=4k'), regions: [[0, 64], [64, 4096]] },
  { name: 'bochs', format: 'bochs', image: () => bochsImage(SPARSE), regions: [[64, 48], [512, 800], [1280, 600]] },
  { name: 'bochs, version 1', format: 'bochs', image: () => bochsImage(SPARSE, { version: 1 }), regions: [[64, 48], [512, 800], [1280, 600]] },
  { name: 'cloop', format: 'cloop', image: () => cloopImage(SPARSE), regions: [[128, 8], [128, 400]], bigEndian: true },
  {
    name: 'dmg', format: 'dmg', regions: [[-512, 512], [-20, 20]], bigEndian: true,
    image: () => dmgImage([{ chunks: [{ kind: 'raw', content: SPARSE.subarray(0, 65536) }, { kind: 'zero', sectors: 9 }] }, { chunks: [{ kind: 'zlib', content: SPARSE.subarray(0, 131_072) }] }]),
  },
];

/** Footer, copy and dynamic header: the complement of the sum of all bytes. */
function sealVhd(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [start, length, field] of [[0, 512, 64], [512, 1024, 36], [bytes.length - 512, 512, 64]]) {
    if (start < 0 || start + length > bytes.length) continue;
    view.setUint32(start + field, 0);
    view.setUint32(start + field, ~bytes.subarray(start, start + length).reduce((sum, byte) => sum + byte, 0) >>> 0);
  }
}

/** What stands in a field, changed as damage or an attacker would. */
function changed(old: bigint, bits: number, fileSize: number, random: Random): bigint {
  const values = [
    0n, 1n, BigInt(random.below(256)), -1n, 1n << BigInt(bits - 1), old + 1n, old - 1n, old * 2n, old ^ (1n << BigInt(random.below(bits))), old + 512n, old + 65_536n,
    BigInt(Math.floor(fileSize / random.pick([1, 512, 4096, 65_536, 1 << 20]))),
  ];
  return BigInt.asUintN(bits, random.pick(values));
}

/** A copy with one to four fields changed, or one that is cut short; and what was done. */
function damage(whole: Uint8Array, { regions, bigEndian = false, seal }: Base, random: Random): { readonly bytes: Uint8Array; readonly what: string } {
  const bytes = random.below(16) === 0 ? whole.slice(0, random.below(whole.length)) : whole.slice();
  const view = new DataView(bytes.buffer);
  const what = [`${bytes.length} bytes`];
  for (let edit = random.below(3) === 0 ? 0 : 3; edit < 4; edit++) {
    const [start, length] = random.pick(regions);
    const width = random.pick([4, 8]);
    const at = (start < 0 ? bytes.length : 0) + start + width * random.below(Math.floor(length / width));
    if (at < 0 || at + width > bytes.length) continue;
    const old = width === 8 ? view.getBigUint64(at, !bigEndian) : BigInt(view.getUint32(at, !bigEndian));
    const value = changed(old, width * 8, bytes.length, random);
    if (width === 8) view.setBigUint64(at, value, !bigEndian);
    else view.setUint32(at, Number(value), !bigEndian);
    what.push(`0x${at.toString(16)}: 0x${old.toString(16)} to 0x${value.toString(16)}`);
  }
  if (random.below(8) > 0 && bytes.length > 0x50000) seal?.(bytes);
  return { bytes, what: what.join(', ') };
}

describe.skipIf(needs.skip)(needs.title('what both read of damaged images is the same'), () => {
  test.each(BASES)('$name', { timeout: sweep ? 3_600_000 : 120_000 }, async (base) => {
    using dir = tempDir();
    const { format, differs, repaired = false } = base;
    // A header may ask for more than a machine has.
    const reference = (...args: readonly string[]): Promise<number | undefined> =>
      run('sh', ['-c', 'ulimit -v 4194304; exec qemu-img "$@"', 'qemu-img', ...args], { cwd: dir.path, timeout: 10_000 }).then(({ code }) => code, () => undefined);
    const whole = new Uint8Array(await base.image(dir));
    const random = prng(SEED);
    const words = ['dd', '-f', format, '-O', 'raw', 'bs=1M', 'count=12', 'if=image'];
    const found: string[] = [];
    let both = 0;
    for (let round = 0; round < COUNT; round++) {
      const { bytes, what } = round === 0 ? { bytes: whole, what: 'nothing' } : damage(whole, base, random);
      for (const name of ['mine', 'theirs']) rmSync(dir.file(name), { force: true });
      writeFileSync(dir.file('image'), bytes);
      const begin = process.cpuUsage();
      const mine = await oursIn([...words, 'of=mine'], dir.path);
      const { user, system } = process.cpuUsage(begin);
      if ((user + system) / 1000 > SOON) found.push(`${what}: took ${Math.round((user + system) / 1000)} ms`);
      if (/unexpected failure|\n\s+at /.test(mine.stderr) || (mine.code !== 0 && mine.stderr === '')) found.push(`${what}: ${mine.stderr}`);
      if (mine.code !== 0) continue;
      if (repaired) await reference('check', '-q', '-f', format, '-r', 'all', 'image');
      if ((await reference(...words, 'of=theirs')) !== 0 || !existsSync(dir.file('theirs'))) continue;
      both++;
      const [ours, theirs] = ['mine', 'theirs'].map((name) => readFileSync(dir.file(name)));
      if (!ours.equals(theirs) && differs?.(ours, theirs, mine.stderr) !== true) found.push(`${what}: reads otherwise`);
    }
    expect(found).toEqual([]);
    expect(both).toBeGreaterThan(0);
  });
});
