// The commands snapshot and bitmap, and what others tell of snapshots and bitmaps, beside the reference: the same steps on both sides.
import { copyFileSync, mkdirSync } from 'node:fs';
import { qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ours, oursIn, reference, twoSides, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

/** Each a list of commands on a fresh copy of the same folder. */
const SCRIPTS: Readonly<Record<string, readonly string[]>> = {
  'snapshots are taken and listed': [
    'snapshot -l a.qcow2', 'snapshot a.qcow2', 'snapshot -c one a.qcow2', 'snapshot -c two a.qcow2', 'snapshot -c one a.qcow2', 'snapshot -l a.qcow2',
    'snapshot a.qcow2', 'snapshot -q -l a.qcow2', 'snapshot -U -l a.qcow2', 'snapshot --force-share -l a.qcow2', 'info a.qcow2', 'info --output=json a.qcow2',
    'snapshot -c 1 a.qcow2', 'snapshot -a 1 a.qcow2', 'snapshot -d 1 a.qcow2', 'snapshot -l a.qcow2', 'check a.qcow2',
  ],
  'snapshots are applied and deleted': [
    'snapshot -l s.qcow2', 'snapshot -a first s.qcow2', 'info s.qcow2', 'snapshot -a 2 s.qcow2', 'info s.qcow2', 'check s.qcow2', 'snapshot -a nope s.qcow2',
    'snapshot -d nope s.qcow2', 'snapshot -d 2 s.qcow2', 'snapshot -d first s.qcow2', 'snapshot -l s.qcow2', 'check s.qcow2', 'snapshot -q -d second s.qcow2',
    'snapshot -q -d second s.qcow2', 'snapshot -l s.qcow2', 'check s.qcow2', 'resize s.qcow2 3M', 'check s.qcow2',
  ],
  'snapshots are refused': [
    'snapshot', 'snapshot -l', 'snapshot -l a.qcow2 b', 'snapshot -c x -l a.qcow2', 'snapshot -l -l a.qcow2', 'snapshot -c', 'snapshot -Z a.qcow2',
    'snapshot -f qcow2 -l a.qcow2', 'snapshot -l missing', 'snapshot -c x missing', 'snapshot -U -c x a.qcow2', 'snapshot -l --image-opts foo',
    'snapshot -l --image-opts driver=qcow2,file.filename=a.qcow2', 'snapshot -l --image-opts driver=raw,file.filename=r.raw',
    'snapshot -c x --image-opts driver=raw,file.filename=r.raw', 'snapshot -a x --image-opts driver=raw,file.filename=r.raw',
    'snapshot -d x --image-opts driver=raw,file.filename=r.raw', 'snapshot -c x one-bit.qcow2', 'snapshot -l one-bit.qcow2',
  ],
  'snapshots are read from': [
    'convert -l first s.qcow2 out.raw', 'convert -l 1 s.qcow2 out.raw', 'convert -l snapshot.id=2 s.qcow2 out.raw', 'convert -l snapshot.name=first -O qcow2 s.qcow2 out.raw',
    'convert -l snapshot.id=1,snapshot.name=first s.qcow2 out.raw', 'convert -l snapshot.id=2,snapshot.name=first s.qcow2 no', 'convert -l nope s.qcow2 no',
    'convert -l snapshot.id=9 s.qcow2 no', 'convert -l snapshot.name= s.qcow2 no', 'convert -l snapshot.bogus=1 s.qcow2 no', 'convert -l foo=bar s.qcow2 no',
    'convert -l snapshot.id=1, s.qcow2 out.raw', 'convert -l first s.qcow2 s.qcow2 no', 'convert -l first -f raw s.qcow2 no', 'convert -l first missing no',
  ],
  'bitmaps are made and changed': [
    'bitmap --add a.qcow2 b0', 'bitmap --add -g 32k a.qcow2 b1', 'bitmap --add --disable a.qcow2 b2', 'info a.qcow2', 'info --output=json a.qcow2',
    'bitmap --merge b1 a.qcow2 b0', 'bitmap --disable --enable a.qcow2 b0', 'bitmap --clear --disable a.qcow2 b1', 'bitmap --remove --add a.qcow2 b2',
    'bitmap --add --merge b1 --clear --disable a.qcow2 b6', 'bitmap --add --granularity 64k -f qcow2 a.qcow2 z', 'bitmap --add --add a.qcow2 b9',
    'bitmap --add --image-opts driver=qcow2,file.filename=a.qcow2 y', 'info a.qcow2', 'check a.qcow2', 'snapshot -c s a.qcow2', 'snapshot -a s a.qcow2',
    'snapshot -a nope a.qcow2', 'resize a.qcow2 20M', 'info a.qcow2', 'bitmap --remove a.qcow2 b0', 'bitmap --remove a.qcow2 b6', 'info a.qcow2', 'check a.qcow2',
  ],
  'bitmaps are refused': [
    'bitmap', 'bitmap --add', 'bitmap --add a.qcow2', 'bitmap a.qcow2 b', 'bitmap --add a b c', 'bitmap --bogus a b', 'bitmap --merge', 'bitmap --add missing b',
    'bitmap --add -g 1000 a.qcow2 b', 'bitmap --add -g 256 a.qcow2 b', 'bitmap --add -g 4G a.qcow2 b', 'bitmap --add -g x a.qcow2 b', 'bitmap --clear -g 64k a.qcow2 b',
    'bitmap --remove a.qcow2 nope', 'bitmap --clear a.qcow2 nope', 'bitmap --enable a.qcow2 nope', 'bitmap --disable a.qcow2 nope', 'bitmap --merge nope a.qcow2 nada',
    'bitmap --merge nope m.qcow2 m1', 'bitmap --add m.qcow2 m1', 'bitmap --disable --add a.qcow2 b8', 'bitmap --add -b a.qcow2 a.qcow2 z', 'bitmap --merge b -F qcow2 a.qcow2 z',
    'bitmap --add -F raw a.qcow2 z', 'bitmap --add -f qcow2 --image-opts driver=qcow2,file.filename=a.qcow2 z', 'bitmap --add -f raw r.raw b', 'bitmap --clear -f raw r.raw b',
    'bitmap --add v2.qcow2 b', 'bitmap --add -q a.qcow2 b', 'bitmap --add --format qcow2 a.qcow2 b', 'info a.qcow2',
  ],
  'bitmaps are merged from elsewhere': [
    'bitmap --add a.qcow2 b', 'bitmap --merge m1 -b m.qcow2 -F qcow2 a.qcow2 b', 'bitmap --merge m2 --source-file m.qcow2 --source-format qcow2 a.qcow2 b',
    'bitmap --merge nope -b m.qcow2 a.qcow2 b', 'bitmap --merge m1 -b missing -F qcow2 a.qcow2 b', 'bitmap --merge m1 -b m.qcow2 -F raw a.qcow2 b',
    'resize m.qcow2 11M', 'bitmap --merge m1 -b m.qcow2 a.qcow2 b', 'info a.qcow2',
  ],
  'bitmaps that a crash left': [
    'info crashed.qcow2', 'bitmap --clear crashed.qcow2 m1', 'bitmap --enable crashed.qcow2 m1', 'bitmap --disable crashed.qcow2 m1', 'bitmap --add crashed.qcow2 m1',
    'bitmap --add crashed.qcow2 n', 'bitmap --merge m1 crashed.qcow2 n', 'bitmap --merge n crashed.qcow2 m1', 'resize crashed.qcow2 20M', 'snapshot -c s crashed.qcow2',
    'snapshot -a s crashed.qcow2', 'convert --bitmaps -O qcow2 crashed.qcow2 out.qcow2', 'convert --bitmaps --skip-broken-bitmaps -O qcow2 crashed.qcow2 out.qcow2',
    'info out.qcow2', 'bitmap --remove crashed.qcow2 m1', 'info crashed.qcow2', 'check crashed.qcow2',
  ],
  'bitmaps are copied': [
    'convert --bitmaps -O qcow2 m.qcow2 out.qcow2', 'info out.qcow2', 'check out.qcow2', 'convert --bitmaps -O raw m.qcow2 out.raw', 'convert --bitmaps -O qcow2 -f raw m.qcow2 no',
    'convert --bitmaps -O qcow2 m.qcow2 m.qcow2 no', 'convert --bitmaps -O qcow2 -o compat=0.10 m.qcow2 v2out.qcow2', 'convert --bitmaps -c -O qcow2 m.qcow2 out.qcow2',
    'info out.qcow2', 'convert --bitmaps -n -O qcow2 m.qcow2 out.qcow2', 'convert --bitmaps -n -O qcow2 m.qcow2 a20.qcow2', 'info a20.qcow2',
    'convert --skip-broken-bitmaps -O qcow2 m.qcow2 no', 'convert --bitmaps m.qcow2',
  ],
};

let dir: TempDir;
let start: string;

async function makeFiles(): Promise<void> {
  const at = (name: string): string => `${start}/${name}`;
  await qemuImg('create', '-q', '-f', 'qcow2', at('a.qcow2'), '10M');
  await qemuImg('create', '-q', '-f', 'qcow2', at('a20.qcow2'), '20M');
  await qemuIo(at('a.qcow2'), ['write -P 1 0 1M'], { format: 'qcow2' });
  await qemuImg('create', '-q', '-f', 'qcow2', at('s.qcow2'), '1M');
  await qemuIo(at('s.qcow2'), ['write -P 1 0 512k'], { format: 'qcow2' });
  await qemuImg('snapshot', '-c', 'first', at('s.qcow2'));
  await qemuImg('resize', '-q', at('s.qcow2'), '2M');
  await qemuIo(at('s.qcow2'), ['write -P 2 256k 1M'], { format: 'qcow2' });
  await qemuImg('snapshot', '-c', 'second', at('s.qcow2'));
  await qemuIo(at('s.qcow2'), ['write -P 3 0 128k'], { format: 'qcow2' });
  await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'refcount_bits=1', at('one-bit.qcow2'), '1M');
  await qemuIo(at('one-bit.qcow2'), ['write 0 64k'], { format: 'qcow2' });
  await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', at('v2.qcow2'), '1M');
  await qemuImg('create', '-q', '-f', 'raw', at('r.raw'), '1M');
  await qemuImg('create', '-q', '-f', 'qcow2', at('m.qcow2'), '10M');
  for (const [name, granularity] of [['m1', '64k'], ['m2', '4k'], ['m3', '1M']]) await qemuImg('bitmap', '--add', '-g', granularity, at('m.qcow2'), name);
  await qemuImg('bitmap', '--disable', at('m.qcow2'), 'm2');
  await qemuIo(at('m.qcow2'), ['write 1M 100k', 'write 5M 1M'], { format: 'qcow2' });
  // In the middle of it, as a crash would leave it.
  copyFileSync(at('m.qcow2'), at('crashed.qcow2'));
  // It kills itself.
  await qemuIo(at('crashed.qcow2'), ['write 0 64k', 'flush', 'sigraise 9'], { format: 'qcow2' }).catch(() => undefined);
}

/** What differs from run to run: times, and names of nodes. */
function settled({ code, stdout, stderr }: Ran): Ran {
  const plain = (text: string): string =>
    text
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE')
      .replace(/"date-(n?sec)": \d+/g, '"date-$1": 0')
      .replace(/#block\d+/g, '#block')
      .replace(/^disk size: .*$/gm, 'disk size')
      .replace(/"actual-size": \d+/g, '"actual-size": 0')
      .replace(/Image end offset: \d+/g, 'Image end offset');
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
}

describe.skipIf(needs.skip)(needs.title('snapshots and bitmaps beside the reference'), () => {
  beforeAll(async () => {
    dir = tempDir();
    start = dir.file('start');
    mkdirSync(start);
    await makeFiles();
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  test.each(Object.entries(SCRIPTS))('%s', async (_, lines) => {
    using sides = tempDir();
    const { mine, theirs } = twoSides(sides, start);
    for (const line of lines) {
      const words = line.split(' ');
      const expected = await reference(words, theirs);
      const got = await oursIn(words, mine);
      expect({ line, ...settled(got) }).toEqual({ line, ...settled(expected) });
    }
    for (const file of ['a.qcow2', 's.qcow2', 'out.raw', 'out.qcow2', 'a20.qcow2']) {
      const compared = await qemuImg('compare', `${mine}/${file}`, `${theirs}/${file}`);
      if (!compared.stderr.includes('No such file')) expect(compared.stdout).toContain('Images are identical');
    }
  });

  test('a name that is text for a shell, and one of no letters, are names like any other', async () => {
    using sides = tempDir();
    const { mine, theirs } = twoSides(sides, start);
    for (const words of [['snapshot', '-c', 's 2 é', 'a.qcow2'], ['snapshot', '-c', '', 'a.qcow2'], ['snapshot', '-l', 'a.qcow2'], ['snapshot', '-d', '', 'a.qcow2'], ['snapshot', '-l', 'a.qcow2'], ['bitmap', '--add', 'a.qcow2', ''], ['convert', '-l', '', 'a.qcow2', 'no']]) {
      expect(settled(await oursIn(words, mine))).toEqual(settled(await reference(words, theirs)));
    }
  });

  test('help', async () => {
    for (const command of ['snapshot', 'bitmap']) {
      const { code, stdout } = await ours([command, '--help'], { calledAs: 'blk' });
      expect(code).toBe(0);
      expect(stdout).toContain(`usage: blk ${command} `);
    }
  });
});
