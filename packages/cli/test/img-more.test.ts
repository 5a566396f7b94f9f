// Commands that change or measure images, beside qemu-img: the same lines on the same files, outputs as text, results as content.
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prng, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { emptyFolder, expectSameFiles, oursIn, reference, twoSides } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

const MEASURE = [
  'measure --size 1G', 'measure --size 1G -O qcow2', 'measure --size 1G -O qcow2 --output json', 'measure -O qcow2 top.qcow2', 'measure top.qcow2',
  'measure -O qcow2 -o cluster_size=4k big.qcow2', 'measure -O qcow2 -o extended_l2=on top.qcow2', 'measure -O qcow2 -o preallocation=full top.qcow2',
  'measure -O qcow2 -o preallocation=metadata --size 1G', 'measure -O raw -o preallocation=full --size 1G', 'measure -O qcow2 -o refcount_bits=64 --size 100G',
  'measure -O qcow2 -o compat=0.10 --size 100G', 'measure', 'measure -O qcow2', 'measure --size x', 'measure --size 1G top.qcow2', 'measure -O bogus --size 1G',
  'measure -O qcow2 -o bogus=1 --size 1G', 'measure -O qcow2 -o cluster_size=3k --size 1G', 'measure --size 1000 -O qcow2', 'measure --size 1000',
  'measure -O qcow2 --size 10E', 'measure -O qcow2 --size 7E', 'measure -O qcow2 --size 1P', 'measure --output xml --size 1', 'measure -f qcow2 --size 1',
  'measure -f raw top.qcow2 -O qcow2', 'measure nix', 'measure a b', 'measure --image-opts driver=qcow2,file.filename=top.qcow2',
  'measure --image-opts -f raw driver=qcow2,file.filename=top.qcow2', 'measure -U top.qcow2', 'measure -O qcow2 -o backing_file=x --size 1G',
  'measure -o help -O qcow2', 'measure -O qcow2 -o size=1G', 'measure -O qcow2 -o size=1G --size 2G', 'measure -O qcow2 -o compat=0.10 top.qcow2',
  'measure -O qcow2 -o data_file=x --size 1G', 'measure -O qcow2 -o extended_l2=on,cluster_size=4k --size 1G', 'measure --size 1G -O file', 'measure --size 1G -O null-co',
  'measure --size 0 -O qcow2', 'measure odd.raw', 'measure -O qcow2 odd.raw', 'measure -O qcow2 -o backing_file=mid.qcow2,backing_fmt=qcow2 top.qcow2',
  'measure -O qcow2 v2.qcow2', 'measure -O qcow2 -o cluster_size=512 --size 300M', 'measure -O qcow2 -o cluster_size=2M,refcount_bits=1 --size 100T',
  'measure -O qcow2 -o cluster_size=512 --size 128G', 'measure -O qcow2 -o cluster_size=512 --size 1T', 'measure -O qcow2 -o compat=0.10,refcount_bits=1 --size 1G',
  'measure -O qcow2 -o lazy_refcounts=on,compat=0.10 --size 1G', 'measure -O qcow2 -o preallocation=bogus --size 1G', 'measure -O raw -o preallocation=bogus --size 1G',
  'measure -O qcow2 -o compat=bogus --size 1G', 'measure -O raw -o cluster_size=1 --size 1', 'measure -O raw -o size=5 --size 1', 'measure -o , --size 1',
  'measure --size 7E', 'measure --size=1 --output=json', 'measure -O qcow2 -o preallocation=falloc --size 1G', 'measure -O qcow2 -o refcount_bits=7 --size 1G',
  'measure -O qcow2 -o compat=0.10,extended_l2=on --size 1G', 'measure -O qcow2 over.qcow2', 'measure packed.qcow2 -O qcow2', 'measure -O qcow2 -o cluster_size=512 big.qcow2',
];

const BENCH = [
  'bench -c 100 top.qcow2', 'bench -c 100 -w --flush-interval=10 top.qcow2', 'bench -c 100 -w top.qcow2', 'bench -c 100 -w --flush-interval=10 --no-drain -d 4 top.qcow2',
  'bench -c 30 -w --flush-interval=10 -d 4 top.qcow2', 'bench --no-drain -c 5 top.qcow2', 'bench -c 5 -o 1M -s 64k -S 128k top.qcow2', 'bench -c 5 --pattern 7 -w top.qcow2',
  'bench -c 5 --pattern 300 -w top.qcow2', 'bench -q -c 5 top.qcow2', 'bench', 'bench a b', 'bench -c x top.qcow2', 'bench -c 0 top.qcow2', 'bench -d x top.qcow2',
  'bench -o x top.qcow2', 'bench -s x top.qcow2', 'bench -S x top.qcow2', 'bench -c 3 -s 0 top.qcow2', 'bench -t bogus top.qcow2', 'bench -i bogus top.qcow2',
  'bench -c 3 -n -t none top.qcow2', 'bench -c 3 -U top.qcow2', 'bench -c 3 --flush-interval=x top.qcow2', 'bench -c 3 --flush-interval=2 top.qcow2',
  'bench -c 3 -w --flush-interval=2 -d 1 top.qcow2', 'bench -c 100 -o 16777000 top.qcow2', 'bench -c 3 -s 3G top.qcow2', 'bench -c 3 -o 9E top.qcow2',
  'bench -c 3 --image-opts driver=null-co,size=1M', 'bench -c 3 -f raw nix', 'bench -c 3 -s 20M top.qcow2', 'bench -c 4294967296 top.qcow2', 'bench -c 3 -S 0 top.qcow2',
  'bench -c 5000 -s 512 -S 7k -w --pattern=0x41 top.qcow2',
];

const COMMIT = [
  'commit top.qcow2', 'commit -d top.qcow2', 'commit -b base.qcow2 top.qcow2', 'commit -q top.qcow2', 'commit base.qcow2', 'commit', 'commit a b', 'commit -b x top.qcow2',
  'commit -b top.qcow2 top.qcow2', 'commit -t bogus top.qcow2', 'commit -r x top.qcow2', 'commit -f raw top.qcow2', 'commit missing', 'commit -r 100M top.qcow2',
  'commit -d -b base.qcow2 top.qcow2', 'commit --image-opts driver=qcow2,file.filename=top.qcow2', 'commit -b ./base.qcow2 top.qcow2', 'commit -b mid.qcow2 top.qcow2',
  'commit -t writethrough top.qcow2', 'commit -t none top.qcow2', 'commit sub/top.qcow2', 'commit -b base.qcow2 sub/top.qcow2', 'commit -b sub/base.qcow2 sub/top.qcow2',
  'commit over.qcow2', 'commit overodd.qcow2', 'commit v2.qcow2', 'commit packed.qcow2', 'commit onraw.qcow2', 'commit lost.qcow2', 'commit mid.qcow2', 'commit -f bogus top.qcow2',
];

const REBASE = [
  'rebase -b base.qcow2 -F qcow2 top.qcow2', 'rebase -b "" top.qcow2', 'rebase -u -b "" top.qcow2', 'rebase -u -b nix -F raw top.qcow2', 'rebase -u -b nix top.qcow2',
  'rebase -b base.qcow2 top.qcow2', 'rebase -b nix -F qcow2 top.qcow2', 'rebase top.qcow2', 'rebase -b x', 'rebase -b base.qcow2 -F bogus top.qcow2',
  'rebase -b r.raw -F raw top.qcow2', 'rebase -q -p -b base.qcow2 -F qcow2 top.qcow2', 'rebase -t bogus -b base.qcow2 -F qcow2 top.qcow2',
  'rebase -T bogus -b base.qcow2 -F qcow2 top.qcow2', 'rebase -f raw -b base.qcow2 -F qcow2 top.qcow2', 'rebase -f raw -b base.qcow2 top.qcow2',
  'rebase -b mid.qcow2 -F qcow2 top.qcow2', 'rebase -b sub/base.qcow2 -F qcow2 sub/top.qcow2', 'rebase -b base.qcow2 -F qcow2 sub/top.qcow2', 'rebase -b "" sub/top.qcow2',
  'rebase --image-opts driver=qcow2,file.filename=top.qcow2 -b base.qcow2 -F qcow2', 'rebase --image-opts -f qcow2 -b base.qcow2 -F qcow2 file.filename=top.qcow2',
  'rebase -b big.qcow2 -F qcow2 top.qcow2', 'rebase -b small.qcow2 -F qcow2 top.qcow2', 'rebase -b big.qcow2 -F qcow2 v2.qcow2', 'rebase -b "" v2.qcow2',
  'rebase -b small.qcow2 -F qcow2 v2.qcow2', 'rebase -b odd.raw -F raw top.qcow2', 'rebase -b "" over.qcow2', 'rebase -b big.qcow2 -F qcow2 over.qcow2',
  'rebase -b "" packed.qcow2', 'rebase -b big.qcow2 -F qcow2 packed.qcow2', 'rebase -b "" lost.qcow2', 'rebase -u -b base.qcow2 -F qcow2 lost.qcow2', 'rebase -u -F qcow2 top.qcow2',
  'rebase -b "" base.qcow2', 'rebase -b base.qcow2 -F qcow2 base.qcow2', 'rebase -b top.qcow2 -F qcow2 top.qcow2', 'rebase -b base.qcow2 -F qcow2 -U top.qcow2',
  'rebase -b base.qcow2 -F qcow2 fine.qcow2', 'rebase -b big.qcow2 -F qcow2 fine.qcow2', 'rebase -b base.qcow2 -F qcow2 missing', 'rebase -u -b x -F bogus top.qcow2',
];

const DD = [
  'dd if=r.raw of=o', 'dd if=r.raw of=o bs=1k count=3', 'dd -f raw -O qcow2 if=r.raw of=o bs=1k count=3', 'dd -f raw if=r.raw of=o bs=1k skip=97', 'dd -f raw if=r.raw of=o bs=1k skip=98',
  'dd -f raw if=r.raw of=o bs=1k skip=97 count=2', 'dd -f raw if=r.raw of=o bs=1000 skip=1 count=2', 'dd', 'dd if=r.raw', 'dd of=o', 'dd if=r.raw of=o x=1', 'dd if=r.raw of=o x',
  'dd if=r.raw of=o bs=x', 'dd if=r.raw of=o bs=0', 'dd if=r.raw of=o count=-1', 'dd if=r.raw of=o skip=x', 'dd if=nix of=o', 'dd if=r.raw of=nodir/o', 'dd -O bogus if=r.raw of=o',
  'dd -f bogus if=r.raw of=o', 'dd -O null-co if=r.raw of=o', 'dd if=r.raw of=o bs=9E', 'dd if=r.raw of=o bs=3G', 'dd if=r.raw of=o if=mid.qcow2 of=p', 'dd -U if=r.raw of=o',
  'dd --image-opts if=driver=raw,file.filename=r.raw of=o', 'dd --image-opts -f raw if=driver=raw,file.filename=r.raw of=o', 'dd if=r.raw of=o conv=notrunc', 'dd if=r.raw of=o count=0',
  'dd if=r.raw of=o bs=100M count=0x10', 'dd if=top.qcow2 of=o', 'dd -O qcow2 if=top.qcow2 of=o', 'dd -O qcow2 if=top.qcow2 of=o bs=1M skip=100', 'dd if=r.raw of=o extra bs',
  'dd if=r.raw of=o seek=2', 'dd -n if=r.raw of=o', 'dd if=r.raw of=o bs=1k1', 'dd if=r.raw of=o bs=1.5k', 'dd if=r.raw of=o bs=513 count=1', 'dd if=r.raw of=o bs=513 count=1 -O qcow2',
  'dd if=top.qcow2 of=o bs=1M skip=3 count=5', 'dd if=odd.raw of=o', 'dd if=odd.raw of=o bs=7 skip=3',
];

/** Images whose size is no multiple of a sector, alone, as backing files, and converted. */
const ODD_IMAGES = ['odd.raw', 'hole.raw', 'over.qcow2', 'overodd.qcow2', 'onhole.qcow2', 'oddraw.raw', 'oddcow.qcow2', 'oddpacked.qcow2', 'holecow.qcow2'];
const ODD = [
  ...ODD_IMAGES.flatMap((name) => [`map ${name}`, `map --output=json ${name}`, `info ${name}`, `measure -O qcow2 ${name}`]),
  ...ODD_IMAGES.flatMap((a, at) => ODD_IMAGES.slice(at).map((b) => `compare -s ${a} ${b}`)),
  'compare odd.raw oddcow.qcow2', 'compare oddpacked.qcow2 over.qcow2', 'compare hole.raw onhole.qcow2',
];

describe.skipIf(needs.skip)(needs.title('blk beside qemu-img: commit, rebase, dd, measure, bench'), () => {
  let dir: TempDir;
  let files: string;
  beforeAll(async () => {
    dir = tempDir();
    files = emptyFolder(dir, 'files');
    await makeFiles(files);
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  test.each([...MEASURE, ...ODD])('%s', async (line) => {
    expect(await oursIn(line.split(' '), files)).toEqual(await reference(line.split(' '), files));
  });

  test.each([...BENCH, ...COMMIT, ...REBASE, ...DD])('%s', async (line) => {
    using place = tempDir();
    const words = line.split(' ').map((word) => (word === '""' ? '' : word));
    const sides = twoSides(place, files);
    const theirs = await reference(words, sides.theirs);
    expect(withoutTime(await oursIn(words, sides.mine))).toEqual(withoutTime(theirs));
    if (theirs.code === 0) await expectSameFiles(sides.mine, sides.theirs);
  });

  test('a backing file of the old chain, read as another format: the content stays, which the reference loses', async () => {
    using place = tempDir();
    const { mine } = twoSides(place, files);
    expect(await oursIn(['rebase', '-b', 'base.qcow2', '-F', 'raw', 'top.qcow2'], mine)).toMatchObject({ code: 0, stderr: '' });
    expect(await reference(['compare', join(files, 'top.qcow2'), join(mine, 'top.qcow2')], mine)).toMatchObject({ code: 0 });
  });

  test.each(['512', '64k', '2M'])('zeroes behind the end of the old backing file hide the new one: clusters of %s', async (clusterSize) => {
    using place = tempDir();
    const { mine } = twoSides(place, files);
    await reference(['create', '-q', '-f', 'qcow2', '-o', `cluster_size=${clusterSize}`, '-b', 'small.qcow2', '-F', 'qcow2', 'o.qcow2', '5M'], mine);
    await qemuIo(join(mine, 'o.qcow2'), ['write -q -P 3 1500k 700'], { format: 'qcow2' });
    await reference(['convert', 'o.qcow2', 'content'], mine);
    expect(await oursIn(['rebase', '-b', 'big.qcow2', '-F', 'qcow2', 'o.qcow2'], mine)).toMatchObject({ code: 0, stderr: '' });
    expect(await reference(['compare', '-f', 'raw', 'content', 'o.qcow2'], mine)).toMatchObject({ code: 0 });
    expect(await reference(['check', 'o.qcow2'], mine)).toMatchObject({ code: 0 });
  });

  test('progress in JSON, and as a percentage', async () => {
    using place = tempDir();
    const { mine } = twoSides(place, files);
    const text = await oursIn(['commit', '-p', 'top.qcow2'], mine);
    expect(text.stdout).toMatch(/^ {4}\(0\.00\/100%\)\r[^]*\(100\.00\/100%\)\r\nImage committed\.\n$/);
    const json = await oursIn(['rebase', '--progress=json', '-b', 'big.qcow2', '-F', 'qcow2', 'fine.qcow2'], mine);
    const events = json.stdout.trim().split('\n').map((line) => JSON.parse(line) as { event: string; done: number; total: number });
    expect(events.length).toBeGreaterThan(1);
    expect(events.every(({ event, done, total }) => event === 'progress' && done <= total)).toBe(true);
  });
});

function withoutTime<T extends { readonly stdout: string }>(ran: T): T {
  return { ...ran, stdout: ran.stdout.replace(/completed in [\d.]+ seconds/, 'completed in N seconds') };
}

async function makeFiles(folder: string): Promise<void> {
  const create = async (name: string, words: readonly string[], commands: readonly string[] = []): Promise<void> => {
    const made = await reference(['create', '-q', '-f', 'qcow2', ...words], folder);
    if (made.code !== 0) throw new Error(made.stderr);
    if (commands.length > 0) await qemuIo(join(folder, name), commands, { format: 'qcow2' });
  };
  const bytes = Buffer.alloc(100_000);
  prng(7).fill(bytes);
  writeFileSync(join(folder, 'r.raw'), bytes);
  writeFileSync(join(folder, 'odd.raw'), Buffer.concat([bytes, Buffer.alloc(1, 9)]));
  writeFileSync(join(folder, 'onraw.raw'), Buffer.alloc(1024 * 1024, 3));
  mkdirSync(join(folder, 'sub'));
  await create('base.qcow2', ['base.qcow2', '10M'], ['write -q -P 1 3M 200k', 'write -q -P 1 0 5k']);
  await create('mid.qcow2', ['-b', 'base.qcow2', '-F', 'qcow2', 'mid.qcow2', '12M'], ['write -q -P 2 3M 64k', 'write -q -P 2 11M 3k']);
  await create('top.qcow2', ['-b', 'mid.qcow2', '-F', 'qcow2', 'top.qcow2', '16M'], [
    'write -q -P 3 3M 1k', 'write -q -z 4M 1M', 'write -q -P 3 14M 64k', 'discard -q 2M 128k', 'write -q -z 5k 3k',
  ]);
  await create('fine.qcow2', ['-o', 'cluster_size=512', '-b', 'mid.qcow2', '-F', 'qcow2', 'fine.qcow2'], ['write -q -P 8 3M 513', 'write -q -P 8 11M 100']);
  await create('v2.qcow2', ['-o', 'compat=0.10', '-b', 'mid.qcow2', '-F', 'qcow2', 'v2.qcow2', '14M'], ['write -q -P 4 3M 100k']);
  await create('big.qcow2', ['big.qcow2', '20M'], ['write -q -P 9 0 20M']);
  await create('small.qcow2', ['small.qcow2', '1M'], ['write -q -P 9 0 1M']);
  await create('over.qcow2', ['-b', 'odd.raw', '-F', 'raw', 'over.qcow2', '1M'], ['write -q -P 5 64k 512']);
  await create('overodd.qcow2', ['-b', 'odd.raw', '-F', 'raw', 'overodd.qcow2'], ['write -q -P 5 0 512']);
  writeFileSync(join(folder, 'hole.raw'), bytes.subarray(0, 65536));
  truncateSync(join(folder, 'hole.raw'), 200_001);
  await create('onhole.qcow2', ['-b', 'hole.raw', '-F', 'raw', 'onhole.qcow2', '1M']);
  for (const words of [['-O', 'raw', 'odd.raw', 'oddraw.raw'], ['-O', 'qcow2', 'odd.raw', 'oddcow.qcow2'], ['-c', '-O', 'qcow2', 'odd.raw', 'oddpacked.qcow2'], ['-O', 'qcow2', 'hole.raw', 'holecow.qcow2']]) {
    await reference(['convert', '-f', 'raw', ...words], folder);
  }
  await create('onraw.qcow2', ['-b', 'onraw.raw', '-F', 'raw', 'onraw.qcow2', '3M'], ['write -q -P 6 512k 2M', 'write -q -z 100k 100k']);
  await create('lost.qcow2', ['-u', '-b', 'none.qcow2', '-F', 'qcow2', 'lost.qcow2', '1M']);
  await create('sub/base.qcow2', ['sub/base.qcow2', '3M'], ['write -q -P 5 64k 128k']);
  await create('sub/top.qcow2', ['-F', 'qcow2', '-b', 'base.qcow2', 'sub/top.qcow2'], ['write -q -P 6 1M 128k', 'write -q -P 6 100k 1k']);
  await create('packed.qcow2', ['-F', 'qcow2', '-b', 'base.qcow2', 'packed.qcow2', '4M'], ['write -q -c -P 6 1M 128k', 'write -q -c -P 7 3M 64k']);
}
