// Extended L2 entries and external data files beside the reference: the same commands on the same images, words and files compared.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { oursIn, reference, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

/** Data of every kind in an image `a`. */
const FILL = ['io write -P 1 3k 5k;write -P 2 100k 100k;write -z 130k 20k;discard 150k 12k;write -zu 160k 8k;write -P 9 512k 64k;discard 512k 64k'];
/** What is told of it. */
const LOOK = ['map a', 'map --output=json a', 'info a', 'info --output=json a', 'check a', 'check --output=json a', 'measure -O qcow2 a'];
const SNAPSHOTS = ['snapshot -c s a', 'io write -P 5 0 128k', 'snapshot -a s a', 'check a', 'snapshot -d s a', 'check a'];
const BITMAPS = ['bitmap --add a b0', 'io write -P 6 300k 1k', 'check a', 'info a', 'bitmap --remove a b0'];
const SIZES = ['resize a +1M', 'map --output=json a', 'resize --shrink a 512k', 'resize a 5000000', 'resize --shrink a 512k', 'check a'];
const AMEND = [
  'amend -o refcount_bits=64 a', 'amend -o refcount_bits=8,lazy_refcounts=on a', 'amend -o compat=0.10 a', 'amend -o size=1M a', 'check a',
  'amend -o data_file_raw=on a', 'amend -o data_file_raw=off a', 'amend -o data_file_raw=on a', 'info a',
];
const BACKED = ['io write -P 3 5k 1k;write -z 130k 4k;discard 256k 2k;discard 384k 64k;write -P 8 126k 4k', ...LOOK, 'commit a', 'map a'];
const CREATE = 'create -q -f qcow2';
const BASE = ['create -q -f raw b 1M', 'io-b write -P 77 0 1M'];

/** Each row is a history of one image: how it is made, and what is done to it one after the other. */
const HISTORIES: readonly (readonly string[])[] = [
  [`${CREATE} -o extended_l2=on a 1M`, ...FILL, ...LOOK, ...SNAPSHOTS, ...AMEND],
  [`${CREATE} -o extended_l2=on,cluster_size=16k a 1M`, ...FILL, ...LOOK, ...BITMAPS],
  [`${CREATE} -o extended_l2=on,preallocation=metadata a 3M`, ...FILL, ...LOOK, ...SIZES],
  [`${CREATE} -o data_file=d a 1M`, ...FILL, ...LOOK, ...SNAPSHOTS, ...SIZES],
  [`${CREATE} -o data_file=d,data_file_raw=on a 1M`, ...FILL, ...LOOK, ...BITMAPS, ...AMEND],
  [`${CREATE} -o data_file=d,data_file_raw=on,extended_l2=on a 3M`, ...FILL, ...LOOK, ...SNAPSHOTS, ...SIZES],
  [`${CREATE} -o data_file=d,extended_l2=on,preallocation=metadata a 3M`, ...FILL, ...LOOK, ...AMEND],
  [...BASE, `${CREATE} -b b -F raw -o extended_l2=on a`, ...BACKED],
  [...BASE, `${CREATE} -b b -F raw -o extended_l2=on,preallocation=metadata a`, ...BACKED],
  [...BASE, `${CREATE} -b b -F raw -o data_file=d a`, ...BACKED],
  [
    ...BASE, 'convert -f raw -O qcow2 -o data_file=d,data_file_raw=on b a', ...LOOK, 'rebase -u -b b -F raw a', 'convert -n -f raw -O qcow2 b a',
    'convert -c -f raw -O qcow2 -o extended_l2=on b a', ...FILL, ...LOOK, 'compare -f qcow2 -F raw a b',
  ],
  [
    `${CREATE} -o data_file=d a 1M`, ...FILL, 'amend -o data_file=e a', 'info a', 'map a', 'amend -o data_file= a', 'info a', 'check a', 'map a',
    'map --image-opts driver=qcow2,file.filename=a,data-file.driver=file,data-file.filename=d',
    'amend --image-opts -o data_file=d driver=qcow2,file.filename=a,data-file.driver=file,data-file.filename=d', 'info a', 'map a',
  ],
  [
    `${CREATE} -o data_file_raw=on a 1M`, `${CREATE} -o extended_l2=on,cluster_size=8k a 1M`, `${CREATE} -o extended_l2=on,compat=v2 a 1M`,
    `${CREATE} -o data_file=q,compat=v2 a 1M`, `${CREATE} -b x -F raw -u -o data_file=q,data_file_raw=on a 1M`, 'measure -O qcow2 --size 1G -o data_file=q',
    'measure -O qcow2 --size 1G -o extended_l2=on', `${CREATE} a 1M`, 'amend -o data_file=q a', 'info a',
  ],
];

/** Where ours put something else than theirs did, and when. */
function masked({ code, stdout, stderr }: Ran): Ran {
  const shown = stdout
    .replace(/(disk size: |"actual-size": |Image end offset: |"image-end-offset": )[^,\n]*/g, '$1…')
    .replace(/[\d.]+% fragmented|\n *"fragmented-clusters": \d+,|,\n *"fragmented-clusters": \d+/g, '');
  return { code, stdout: shown, stderr };
}

describe.skipIf(needs.skip)(needs.title('extended L2 entries and data files'), () => {
  let dir: TempDir;
  beforeAll(() => {
    dir = tempDir();
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  test.each(HISTORIES.map((history) => ({ name: history.find((line) => line.includes('qcow2')) ?? '', history })))('$name', async ({ history }) => {
    const [mine, theirs] = [dir.file('mine'), dir.file('theirs')];
    for (const side of [mine, theirs]) {
      rmSync(side, { recursive: true, force: true });
      mkdirSync(side);
    }
    for (const line of history) {
      const [verb, ...words] = line.split(' ');
      if (verb === 'io' || verb === 'io-b') {
        // By the reference on both sides, so that places are the same; what ours writes is compared by the tests of the driver.
        const [name, format] = verb === 'io' ? ['a', 'qcow2'] : ['b', 'raw'];
        for (const side of [mine, theirs]) await qemuIo(name, words.join(' ').split(';'), { format, cwd: side });
        continue;
      }
      expect({ line, ...masked(await oursIn([verb, ...words], mine)) }).toEqual({ line, ...masked(await reference([verb, ...words], theirs)) });
    }
    expect(readdirSync(mine)).toEqual(readdirSync(theirs));
    const { code, stdout, stderr } = await reference(['check', 'a'], mine);
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' });
    const { stdout: info } = await reference(['info', 'a'], mine);
    const separate = info.includes('data file raw');
    expect((await qemuImg('compare', '--image-opts', optionsOf(mine, separate), optionsOf(theirs, separate))).stdout).toBe('Images are identical.\n');
    if (info.includes('data file raw: true')) expect(readFileSync(`${mine}/d`).equals(readFileSync(`${theirs}/d`))).toBe(true);
  });
});

/** The image of one side, with the data file and the backing file beside it, which it names relative to its own folder. */
function optionsOf(side: string, separate: boolean): string {
  const data = separate ? `,data-file.driver=file,data-file.filename=${side}/d` : '';
  return `driver=qcow2,file.filename=${side}/a${data}`;
}
