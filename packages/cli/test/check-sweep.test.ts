// Every field of the metadata damaged in turn, each with several values: `check -r all` beside the reference. CI takes a sample of
// the cases; BLK_SWEEP=1 takes all of them, BLK_SEED another sample, and BLK_ONLY those whose names it is a pattern of.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createImage, prng, qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { fieldDamages, withDamage, type FieldDamage } from './damage-fields.js';
import { oursIn, reference, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const sweep = process.env['BLK_SWEEP'] === '1';
const SEED = Number(process.env['BLK_SEED'] ?? 20_271);
const ONLY = process.env['BLK_ONLY'];
const SAMPLE = 12;
/** Milliseconds of the processor that one check may take. */
const SOON = 1000;

interface Base {
  readonly name: string;
  /** Options of `create`. */
  readonly options: string;
  /** What is done to it: commands of qemu-io, or `snapshot` and `bitmap` of qemu-img. */
  readonly history: readonly string[];
  readonly snapshots: readonly string[];
}

const BASES: readonly Base[] = [
  {
    name: 'snapshots',
    options: 'cluster_size=4k',
    history: [
      'write -P 1 0 64k', 'write -P 2 2M 32k', 'write -z 128k 32k', 'write -c -P 5 1M 4k', 'write -c -P 6 1028k 4k', 'write -z 8k 4k',
      'snapshot one', 'write -P 3 16k 16k', 'snapshot two', 'write -P 4 24k 16k',
    ],
    snapshots: ['one', 'two'],
  },
  {
    name: 'bitmaps',
    options: 'cluster_size=4k',
    history: ['bitmap first', 'bitmap second', 'write -P 1 0 64k', 'write -P 2 2M 32k'],
    snapshots: [],
  },
  {
    name: 'version 2, small clusters',
    options: 'compat=0.10,cluster_size=512',
    history: ['write -P 1 0 300k', 'snapshot one', 'write -P 2 100k 20k', 'write -c -P 5 1M 512'],
    snapshots: ['one'],
  },
  {
    name: 'counts of one bit',
    options: 'cluster_size=512,refcount_bits=1,lazy_refcounts=on',
    history: ['write -P 1 0 200k', 'write -z 10k 5k', 'write -P 2 1M 300k', 'discard 1100k 10k'],
    snapshots: [],
  },
  {
    name: 'subclusters',
    options: 'cluster_size=16k,extended_l2=on',
    history: ['write -P 1 0 200k', 'write -z 16k 1k', 'write -P 2 2M 700', 'snapshot one', 'write -P 3 3000 9000', 'discard 100k 3k', 'write -c -P 4 3M 16k'],
    snapshots: ['one'],
  },
  {
    name: 'data file',
    options: 'cluster_size=4k,data_file=data',
    history: ['write -P 1 0 64k', 'write -P 2 2M 32k', 'write -z 8k 4k', 'discard 16k 8k'],
    snapshots: [],
  },
];

/** What is known to differ, by base and damage; the reasons are in docs/compatibility.md. */
const KNOWN: readonly { readonly damage: RegExp; readonly verdict: RegExp }[] = [
  { damage: /header: encryption = 1$/, verdict: /encrypt\.key-secret/ },
  { damage: /header: L1 offset = /, verdict: /gives up, the reference ends with 2: .*Active L1 table offset invalid/ },
  { damage: /bitmap \d: table offset = /, verdict: /gives up, the reference ends with 2: .*doesn't satisfy the constraints/ },
  { damage: /bitmap \d: (flags = twice|extra length = 1)$/, verdict: /ends with 0, then the reference finds 1/ },
  // It loses snapshots of images with bitmaps, and so what is wrong with them.
  { damage: /^bitmaps, header: snapshots = /, verdict: /the reference (ends )?with 0/ },
  { damage: /^bitmaps, header: size = one less$/, verdict: /reads '' otherwise/ },
  // Of the last sector it takes nothing where it is not whole.
  { damage: /^bitmaps, header: size = 1$/, verdict: /Could not read bitmap/ },
  // It ends a name at its first zero byte.
  { damage: /snapshot 0: name length = half$/, verdict: /can't read 'one'/ },
  { damage: /L2 entry of .* = at (bitmap directory|refcount block)$/, verdict: /reads '' otherwise/ },
  { damage: /L1 entry \d+ = at L1$/, verdict: /reads '.*' otherwise than before/ },
  { damage: /snapshot \d: L1 offset = bit 63$/, verdict: /ends with 2, then the reference finds 1/ },
];

describe.skipIf(needs.skip)(needs.title('every field in turn'), () => {
  let dir: TempDir;
  beforeAll(() => {
    dir = tempDir();
    for (const side of ['mine', 'theirs']) mkdirSync(dir.file(side));
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  async function make({ options, history }: Base): Promise<Uint8Array> {
    const file = dir.file('base');
    // The data file is the same for all copies.
    await createImage(file, 'qcow2', '4M', '-o', options.replace('data_file=', `data_file=${dir.path}/`));
    for (const line of history) {
      const [verb, name = ''] = line.split(' ');
      const { code, stderr } =
        verb === 'snapshot' ? await qemuImg('snapshot', '-c', name, file)
        : verb === 'bitmap' ? await qemuImg('bitmap', '--add', file, name)
        : await qemuIo(file, [line], { format: 'qcow2' });
      if (code !== 0) throw new Error(`${line}: ${stderr}`);
    }
    return new Uint8Array(readFileSync(file));
  }

  /** Everything that can be read of an image, by name: the disk and its snapshots; undefined where it can't be read. */
  async function contents(side: string, names: readonly string[]): Promise<Map<string, Buffer | undefined>> {
    const all = new Map<string, Buffer | undefined>();
    for (const name of ['', ...names]) {
      const words = name === '' ? [] : ['-l', `snapshot.name=${name}`];
      const { code } = await oursIn(['convert', '-f', 'qcow2', '-O', 'raw', ...words, 't', 'out'], dir.file(side));
      all.set(name, code === 0 ? readFileSync(dir.file(`${side}/out`)) : undefined);
    }
    return all;
  }

  async function theirCheck(side: string, ...words: string[]): Promise<Ran> {
    // It may run out of memory, or never end.
    return reference(['check', '-f', 'qcow2', ...words, 't'], dir.file(side)).catch((error: unknown) => ({ code: 1, stdout: '', stderr: String(error) }));
  }

  /** What is wrong with our repair; empty: nothing. */
  async function judge(image: Uint8Array, names: readonly string[]): Promise<string[]> {
    for (const side of ['mine', 'theirs']) writeFileSync(dir.file(`${side}/t`), image);
    const begin = process.cpuUsage();
    const mine = await oursIn(['check', '-f', 'qcow2', '-r', 'all', 't'], dir.file('mine'));
    const { user, system } = process.cpuUsage(begin);
    const theirs = await theirCheck('theirs', '-r', 'all');
    const problems: string[] = [];
    if ((user + system) / 1000 > SOON) problems.push(`took ${Math.round((user + system) / 1000)} ms`);
    if (/unexpected failure|\n\s+at /.test(mine.stderr)) problems.push(`failed: ${mine.stderr}`);
    if (mine.code === 1) {
      if (theirs.code !== 1) problems.push(`gives up, the reference ends with ${theirs.code}: ${mine.stderr.trim().split('\n').at(-1)}`);
      if (mine.stderr.includes('Could not open') && Buffer.compare(image, readFileSync(dir.file('mine/t'))) !== 0) problems.push('refused, and changed');
      return problems;
    }
    const seen = await theirCheck('mine');
    if (seen.code !== mine.code) problems.push(`ends with ${mine.code}, then the reference finds ${seen.code}: ${seen.stderr.trim().split('\n').at(0)}`);
    if (theirs.code !== 1 && mine.code > theirs.code) problems.push(`ends with ${mine.code}, the reference with ${theirs.code}`);
    const mineHas = await contents('mine', names);
    if (theirs.code === 1) writeFileSync(dir.file('theirs/t'), image);
    const theirsHas = await contents('theirs', names);
    const before = theirs.code === 1 ? 'before' : 'with the reference';
    for (const [name, bytes] of theirsHas) {
      const ours = mineHas.get(name);
      if (bytes === undefined) continue;
      if (ours === undefined) problems.push(`can't read '${name}', which can be read ${before}`);
      else if (!ours.equals(bytes)) problems.push(`reads '${name}' otherwise than ${before}`);
    }
    return problems;
  }

  function pick(cases: readonly FieldDamage[]): readonly FieldDamage[] {
    if (ONLY !== undefined) return cases.filter(({ name }) => new RegExp(ONLY).test(name));
    if (sweep) return cases;
    const random = prng(SEED);
    return Array.from({ length: SAMPLE }, () => cases[random.below(cases.length)]);
  }

  test.each(BASES)('$name', { timeout: sweep || ONLY !== undefined ? 3_600_000 : 120_000 }, async (base) => {
    const image = await make(base);
    const found: string[] = [];
    for (const damage of pick(fieldDamages(image))) {
      for (const problem of await judge(withDamage(image, damage), base.snapshots)) {
        const name = `${base.name}, ${damage.name}`;
        if (!KNOWN.some((known) => known.damage.test(name) && known.verdict.test(problem))) found.push(`${name}: ${problem}`);
      }
    }
    expect(found).toEqual([]);
  });
});
