// The commands of qemu-img beside the reference: the same command lines on the same files, every output compared as text.
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prng, qemuImg, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { emptyFolder, oursIn, reference, twoSides } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

const INFO = [
  'info a.qcow2', 'info --output=json a.qcow2', 'info top.qcow2', 'info --output=json top.qcow2', 'info --backing-chain top.qcow2',
  'info --backing-chain --output=json top.qcow2', 'info lost.qcow2', 'info --backing-chain lost.qcow2', 'info v2.qcow2',
  'info --output=json v2.qcow2', 'info r.raw', 'info --output json r.raw', 'info odd.raw', 'info --output=json odd.raw', 'info empty.raw',
  'info tiny.qcow2', 'info missing', 'info /', 'info -f raw a.qcow2', 'info -f qcow2 r.raw', 'info -f bogus r.raw', 'info --output=xml r.raw',
  'info --out=json r.raw', 'info -fqcow2 a.qcow2', 'info a.qcow2 -f qcow2', 'info -U a.qcow2', 'info', 'info a b', 'info -Z', 'info --bogus',
  'info --output', 'info -f', 'info --image-opts driver=qcow2,file.filename=a.qcow2', 'info --image-opts -f qcow2 driver=qcow2',
  'info --image-opts x', 'info --image-opts filename=r.raw', 'info --image-opts file.filename=r.raw', 'info --image-opts driver=null-co,size=1500000',
  'info --image-opts driver=qcow2,file.filename=a.qcow2,bogus=1', 'info file:r.raw', 'info ./r.raw', 'info sub/top.qcow2',
  'info --backing-chain --output=json sub/top.qcow2', 'info foo:bar', 'info json:[]', 'info -- r.raw',
];

const MAP = [
  'map a.qcow2', 'map --output=json a.qcow2', 'map top.qcow2', 'map --output=json top.qcow2', 'map r.raw', 'map --output=json r.raw',
  'map --output=json odd.raw', 'map empty.raw', 'map --output=json empty.raw', 'map packed.qcow2', 'map --output=json packed.qcow2',
  'map --output=json meta.qcow2', 'map meta.qcow2', 'map --output=json --start-offset=100k --max-length=1M top.qcow2',
  'map -s 100k -l 64k top.qcow2', 'map --start-offset=30M top.qcow2', 'map --output=json -s 30M top.qcow2', 'map --start-offset=x r.raw',
  'map --max-length=x r.raw', 'map --max-length=9E r.raw', 'map', 'map missing', 'map lost.qcow2', 'map --output=json sub/top.qcow2',
  'map sub/top.qcow2', 'map --output=json --image-opts driver=raw,file.filename=r.raw,offset=65536', 'map --output=json --image-opts driver=null-co,size=1M',
];

const CREATE = [
  'create -f qcow2 n 10M', 'create n 10M', 'create -f qcow2 -q n 1G', 'create -f qcow2 -b a.qcow2 -F qcow2 n', 'create -f qcow2 -b a.qcow2 -F qcow2 n 20M',
  'create -f qcow2 -b a.qcow2 n', 'create -f qcow2 -u -b a.qcow2 n 1M', 'create -f qcow2 -o backing_file=a.qcow2,backing_fmt=qcow2,cluster_size=4k,lazy_refcounts=on n',
  'create -f qcow2', 'create', 'create -f qcow2 n', 'create -f foo n 1M', 'create -f qcow2 n -1', 'create -f qcow2 n 10X', 'create -f qcow2 n 9E',
  'create -f qcow2 n 1.5k', 'create -f qcow2 n 16E', 'create -f qcow2 nodir/n 1M', 'create nodir/n 1M', 'create -f qcow2 -o bogus=1 n 1M',
  'create -f qcow2 -o cluster_size=3k n 1M', 'create -f qcow2 -o cluster_size=abc n 1M', 'create -f qcow2 -o refcount_bits=7 n 1M',
  'create -f qcow2 -o compat=0.10,lazy_refcounts=on n 1M', 'create -f qcow2 -o compat=0.10 n 1M', 'create -f qcow2 -b none -F qcow2 n 1M',
  'create -f qcow2 -b r.raw -F bogus n', 'create -f qcow2 -b r.raw -F qcow2 n', 'create -f qcow2 -u -b none -F qcow2 n 1M', 'create -f qcow2 -u -b none -F qcow2 n',
  'create -f qcow2 n 1M 2M', 'create -f raw -b a.qcow2 -F qcow2 n', 'create -b', 'create --bogus', 'create -Z', 'create -f qcow2 -o preallocation=metadata n 1M',
  'create -f qcow2 -o preallocation=bogus n 1M', 'create -o preallocation=full n 1M', 'create -o preallocation=metadata n 1M', 'create -o preallocation=bogus n 1M',
  'create -f qcow2 n 0', 'create -f qcow2 n 513', 'create n 513', 'create n 1.3k', 'create -f qcow2 -o size=1M n', 'create -f qcow2 -o size=1M n 2M',
  'create -f qcow2 -b r.raw -F raw r.raw', 'create -f qcow2 -F raw n 1M', 'create -f file n 1M', 'create -f null-co n 1M', 'create foo:bar 1M',
  'create -f qcow2 -o lazy_refcounts n 1M', 'create -f qcow2 -o nolazy_refcounts n 1M', 'create -f qcow2 -o , n 1M', 'create -f qcow2 -o lazy_refcounts=xx n 1M',
  'create -f qcow2 -o cluster_size=4k -o compat=1.1 n 1M', 'create -f qcow2 -o backing_file=a,,b,backing_fmt=raw -u n 1M', 'create -f qcow2 -o help',
  'create -f qcow2 -o help n', 'create -f raw -o help', 'create -o help n', 'create -f file -o help', 'create -f bogus -o help', 'create -o nocow=on,extent_size_hint=1M n 1M',
  'create -f qcow2 -o data_file_raw=on n 1M', 'create -f qcow2 -o size=99999999999999999999 n', 'create -f qcow2 -o refcount_bits=x n 1M',
];

const RESIZE = [
  'resize a.qcow2 20M', 'resize a.qcow2 +1M', 'resize a.qcow2 -1M', 'resize --shrink a.qcow2 -1M', 'resize r.raw 20M', 'resize -f raw r.raw 20M',
  'resize -f raw r.raw 1M', 'resize -f raw --shrink r.raw 1M', 'resize -f raw r.raw', 'resize', 'resize 10M', 'resize -f raw r.raw abc',
  'resize -f raw --shrink r.raw -100M', 'resize -f raw r.raw +0', 'resize --preallocation=full -f raw r.raw 11M', 'resize --preallocation=bogus -f raw r.raw 11M',
  'resize --preallocation=full --shrink -f raw r.raw 1M', 'resize -q -f raw r.raw 12M', 'resize missing 10M', 'resize -f raw r.raw 12M 13M',
  'resize -f raw r.raw 9E', 'resize -f raw r.raw +7E', 'resize -f raw --shrink r.raw 1000', 'resize --image-opts driver=raw,file.filename=r.raw 11M', 'resize -f raw r.raw 0',
];

const COMPARE = [
  'compare r.raw same.raw', 'compare r.raw other.raw', 'compare other.raw r.raw', 'compare -q r.raw other.raw', 'compare r.raw longer.raw', 'compare -s r.raw longer.raw',
  'compare longer.raw r.raw', 'compare r.raw missing', 'compare missing r.raw', 'compare r.raw', 'compare a b c', 'compare r.raw a.qcow2', 'compare r.raw r.qcow2',
  'compare -s r.raw r.qcow2', 'compare -f qcow2 r.raw same.raw', 'compare -f bogus r.raw same.raw', 'compare -T bogus r.raw same.raw', 'compare -s a.qcow2 a.qcow2',
  'compare top.qcow2 packed.qcow2', 'compare -f raw -F qcow2 r.raw r.qcow2', 'compare -U r.raw same.raw', 'compare lost.qcow2 r.raw', 'compare -q',
];

const CONVERT = [
  'convert top.qcow2 o', 'convert -O qcow2 top.qcow2 o', 'convert -O bogus top.qcow2 o', 'convert -f bogus top.qcow2 o', 'convert missing o', 'convert top.qcow2',
  'convert', 'convert -c top.qcow2 o', 'convert -c -O qcow2 top.qcow2 o', 'convert -n top.qcow2 missing', 'convert -n -O raw top.qcow2 r.raw', 'convert -S 1 top.qcow2 o',
  'convert -S bogus top.qcow2 o', 'convert -S 0 top.qcow2 o', 'convert -S 64k -O qcow2 top.qcow2 o', 'convert -m 17 top.qcow2 o', 'convert -m x top.qcow2 o',
  'convert -t bogus top.qcow2 o', 'convert -T bogus top.qcow2 o', 'convert --target-is-zero top.qcow2 o', 'convert -B a.qcow2 -O qcow2 top.qcow2 o',
  'convert -B a.qcow2 -F qcow2 -O qcow2 top.qcow2 o', 'convert -B a.qcow2 -F qcow2 -O raw top.qcow2 o', 'convert -o bogus=1 -O qcow2 top.qcow2 o',
  'convert -o cluster_size=3k -O qcow2 top.qcow2 o', 'convert -o cluster_size=4k -O qcow2 top.qcow2 o', 'convert -r x top.qcow2 o', 'convert r.raw top.qcow2 o',
  'convert lost.qcow2 o', 'convert -O qcow2 top.qcow2 nodir/o', 'convert -C -S 4k top.qcow2 o', 'convert -C -c top.qcow2 o', 'convert -q -W -m 4 r.raw o', 'convert odd.raw o',
  'convert -O qcow2 odd.raw o', 'convert empty.raw o', 'convert -n -o cluster_size=4k -O qcow2 r.raw o', 'convert --target-image-opts r.raw driver=qcow2,file.filename=o',
  'convert -O null-co r.raw o', 'convert -c -O qcow2 -o preallocation=full r.raw o', 'convert --t', 'convert -O qcow2 -o preallocation=metadata r.raw o', 'convert -T none r.raw o',
  'convert -B a.qcow2 -F qcow2 -O qcow2 r.raw top.qcow2 o', 'convert -O qcow2 -o compat=0.10 packed.qcow2 o',
];

describe.skipIf(needs.skip)(needs.title('blk beside qemu-img'), () => {
  let dir: TempDir;
  let files: string;
  let here: string;

  beforeAll(async () => {
    dir = tempDir();
    files = emptyFolder(dir, 'files');
    here = process.cwd();
    await makeFiles(files);
    process.chdir(files);
  });
  afterAll(() => {
    process.chdir(here);
    dir[Symbol.dispose]();
  });

  test.each([...INFO, ...MAP, ...COMPARE])('%s', async (line) => {
    const words = line.split(' ');
    expect(await oursIn(words, files)).toEqual(await reference(words, files));
  });

  test.each([...CREATE, ...RESIZE, ...CONVERT])('%s', async (line) => {
    using place = tempDir();
    const words = line.split(' ');
    const sides = twoSides(place, files);
    const theirs = await reference(words, sides.theirs);
    expect(await oursIn(words, sides.mine)).toEqual(theirs);
    if (theirs.code !== 0) return;
    const made = words[0] === 'resize' ? words[words.length - 2] : words[0] === 'create' ? 'n' : 'o';
    for (const format of ['raw', 'qcow2']) {
      const probe = ['info', '--output=json', '-f', format, made];
      const [a, b] = [await reference(probe, sides.mine), await reference(probe, sides.theirs)];
      expect(withoutSizes(a.stdout)).toEqual(withoutSizes(b.stdout));
      if (a.code !== 0 || format === 'raw' || line.includes('-u ')) continue;
      expect(await reference(['check', '-f', format, made], sides.mine)).toMatchObject({ code: 0 });
    }
    const isImage = (await reference(['info', made], sides.mine)).stdout.includes('file format: qcow2');
    if ((await reference(['info', '--backing-chain', made], sides.mine)).code !== 0) return;
    const format = isImage ? 'qcow2' : 'raw';
    expect(await reference(['compare', '-f', format, '-F', format, join(sides.mine, made), join(sides.theirs, made)], files)).toMatchObject({ code: 0 });
  });

  test('a number of bytes is shown in three digits', async () => {
    for (const size of [512, 1024, 1536, 252416, 253440, 1207959552, 10747904, 1152, 10240, 1000448, 1023488, 1024000, 1048576, 1536000, 123457024, 1000000000, 1073741312, 1099511627776, 5000000000000]) {
      const words = ['info', '--image-opts', `driver=null-co,size=${size}`];
      expect(await oursIn(words, files)).toEqual(await reference(words, files));
    }
  });
});

/** Sizes on disk, and of files as such, depend on how the writer laid things out. */
function withoutSizes(json: string): unknown {
  if (json === '') return json;
  const info = JSON.parse(json) as Record<string, unknown>;
  return { ...info, 'actual-size': 0, ...(info['format'] === 'raw' ? { 'virtual-size': 0 } : {}) };
}

async function makeFiles(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const create = async (...words: string[]): Promise<void> => {
    const result = await reference(['create', '-q', ...words], folder);
    if (result.code !== 0) throw new Error(result.stderr);
  };
  await create('-f', 'qcow2', 'a.qcow2', '10M');
  await create('-f', 'qcow2', '-b', 'a.qcow2', '-F', 'qcow2', 'top.qcow2', '20M');
  await create('-f', 'qcow2', '-u', '-b', 'none.qcow2', '-F', 'qcow2', 'lost.qcow2', '20M');
  await create('-f', 'qcow2', '-o', 'compat=0.10', 'v2.qcow2', '1G');
  await create('-f', 'qcow2', '-o', 'preallocation=metadata', 'meta.qcow2', '2M');
  mkdirSync(at('sub'));
  await create('-f', 'qcow2', 'sub/base.qcow2', '3M');
  await reference(['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'base.qcow2', 'top.qcow2'], at('sub'));
  for (const [name, commands] of [
    ['a.qcow2', ['write -q -P 1 3M 200k', 'write -q -P 2 9M 64k']],
    ['top.qcow2', ['write -q -P 5 64k 128k', 'write -q -z 1M 1M', 'write -q -P 7 15M 5000']],
    ['sub/base.qcow2', ['write -q -P 5 64k 128k']],
    ['sub/top.qcow2', ['write -q -P 6 1M 128k']],
  ] as const) await qemuIo(at(name), commands, { format: 'qcow2' });
  const content = Buffer.alloc(3 * 1024 * 1024);
  prng(3).fill(content.subarray(64 * 1024, 300 * 1024 + 7));
  for (const name of ['r.raw', 'same.raw', 'other.raw', 'longer.raw']) {
    writeFileSync(at(name), '');
    truncateSync(at(name), content.length);
    writeFileSync(at(name), content.subarray(0, 512 * 1024), { flag: 'r+' });
  }
  await qemuIo(at('other.raw'), ['write -q -P 99 2000001 5'], { format: 'raw' });
  truncateSync(at('longer.raw'), 4 * 1024 * 1024);
  await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', at('r.raw'), at('r.qcow2'));
  await qemuImg('convert', '-c', '-O', 'qcow2', at('top.qcow2'), at('packed.qcow2'));
  writeFileSync(at('odd.raw'), Buffer.alloc(513, 7));
  writeFileSync(at('empty.raw'), '');
  writeFileSync(at('tiny.qcow2'), Buffer.from('QFI\xfb', 'latin1'));
}
