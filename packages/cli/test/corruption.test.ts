// Damage that is met while an image is used, beside qemu-io: what is refused, what is said, and what is marked in the image.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { qemuImg, qemuIo, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { main } from '../src/main.js';
import { Anatomy, type Damage } from './damage.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const COPIED = 1n << 63n;

const MODES = [
  '', 'overlap-check=none', 'overlap-check=constant', 'overlap-check=cached', 'overlap-check=all',
  'overlap-check.template=none,overlap-check.main-header=on,overlap-check.inactive-l2=on,overlap-check.snapshot-table=on',
  'overlap-check.template=all,overlap-check.active-l1=off,overlap-check.refcount-block=off',
];

/** Where a data cluster is said to lie: on another structure. */
const PLACES: Record<string, (image: Anatomy) => number> = {
  'L1 table': (i) => i.l1,
  'its own L2 table': (i) => i.l2,
  'refcount table': (i) => i.refcountTable,
  'refcount block': (i) => i.refcountBlock,
  'snapshot table': (i) => i.snapshots,
  'snapshot L1 table': (i) => i.snapshotL1,
};

interface Case {
  readonly name: string;
  readonly damage: Damage;
  readonly commands: readonly string[];
  readonly options: string;
}

const CASES: readonly Case[] = [
  ...Object.entries(PLACES).flatMap(([name, place]) =>
    MODES.map((options) => ({
      name: `data in the ${name}, ${options === '' ? 'as it is' : options}`,
      damage: (i: Anatomy) => { i.put64(i.l2 + 16, COPIED | BigInt(place(i))); },
      commands: ['write -P 9 8k 4k', 'read 0 4k'],
      options,
    })),
  ),
  ...['L1 table', 'refcount table', 'refcount block', 'snapshot table', 'snapshot L1 table'].map((name) => ({
    name: `a count of 0 for the ${name}`,
    damage: (i: Anatomy) => { i.refcount(PLACES[name](i) / 4096, 0); },
    commands: ['write -P 9 3M 4k', 'read 0 4k'],
    options: '',
  })),
  ...[
    { name: 'L1 unaligned', damage: (i: Anatomy) => { i.change64(i.l1, (e) => e + 512n); }, commands: ['write 8k 4k', 'read 0 4k'] },
    { name: 'data unaligned, written', damage: (i: Anatomy) => { i.change64(i.l2 + 16, (e) => e + 512n); }, commands: ['write 8k 4k', 'read 0 4k'] },
    { name: 'data unaligned, read', damage: (i: Anatomy) => { i.change64(i.l2 + 16, (e) => e + 512n); }, commands: ['read 8k 4k', 'read 0 4k'] },
    { name: 'kept for zeroes, unaligned, written', damage: (i: Anatomy) => { i.change64(i.l2 + 16, (e) => e + 513n); }, commands: ['write 8k 4k', 'read 0 4k'] },
    { name: 'data unaligned, zeroed', damage: (i: Anatomy) => { i.change64(i.l2 + 16, (e) => e + 512n); }, commands: ['write -z 8k 4k', 'read 0 4k'] },
    { name: 'refcount block unaligned', damage: (i: Anatomy) => { i.change64(i.refcountTable, (e) => e + 512n); }, commands: ['write 3M 4k', 'read 0 4k'] },
    { name: 'the corrupt bit', damage: (i: Anatomy) => { i.put64(72, 2); }, commands: ['write 8k 4k'] },
    { name: 'the dirty bit and counts of 0', damage: (i: Anatomy) => { i.put64(72, 1); i.put64(i.refcountTable, 0); }, commands: ['write -P 9 8k 4k', 'read -P 9 8k 4k'] },
  ].map((one) => ({ ...one, options: '' })),
];

describe.skipIf(needs.skip)(needs.title('damage in use'), () => {
  let dir: TempDir;
  let base: Uint8Array;

  beforeAll(async () => {
    dir = tempDir();
    for (const side of ['mine', 'theirs']) mkdirSync(dir.file(side));
    const file = dir.file('base.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', file, '4M');
    await qemuIo(file, ['write -P 1 0 64k', 'write -P 2 2M 32k'], { format: 'qcow2' });
    await qemuImg('snapshot', '-c', 's1', file);
    await qemuIo(file, ['write -P 3 8k 16k'], { format: 'qcow2' });
    base = new Uint8Array(readFileSync(file));
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  test.each(CASES)('$name', async ({ damage, commands, options }) => {
    const image = new Anatomy(base.slice());
    damage(image);
    for (const side of ['mine', 'theirs']) writeFileSync(dir.file(`${side}/t`), image.bytes);
    const words = (side: string): string[] => [
      '--image-opts', `driver=qcow2,file.filename=${dir.file(side)}/t${options === '' ? '' : `,${options}`}`, ...commands.flatMap((c) => ['-c', c]),
    ];
    let out = '';
    let err = '';
    const io = {
      stdin: Readable.from([]),
      out: (text: string) => { out += text; },
      err: (text: string) => { err += text; },
      env: {},
      signal: new AbortController().signal,
    };
    const code = await main(words('mine'), io, 'qemu-io');
    const theirs = await run('qemu-io', words('theirs'));
    expect({ code, out: steady(out) }).toEqual({ code: theirs.code, out: steady(theirs.stdout) });
    expect(corruptionLines(err)).toEqual(corruptionLines(theirs.stderr));
    const marks = ['mine', 'theirs'].map((side) => new Anatomy(new Uint8Array(readFileSync(dir.file(`${side}/t`)))).u64(72));
    expect(marks[0]).toBe(marks[1]);
  });
});

/** Without the times. */
function steady(text: string): string {
  return text.replace(/^.* ops; .*$/gm, '');
}

/** What is said of the damage. */
function corruptionLines(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('qcow2: '));
}
