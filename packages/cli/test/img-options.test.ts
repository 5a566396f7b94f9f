// Options that commands of qemu-img share or that go together or do not: the same lines on the same files with both programs.
import { readFileSync, truncateSync, writeFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Backend, BlockGraph } from '@blk/core-graph';
import { prng, qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { DRIVERS } from '../src/graph.js';
import { emptyFolder, expectSameFiles, oursIn, reference, twoSides, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

/** Commands that change nothing. */
const LOOKS = [
  '-T foo info r.raw', '--trace=foo info r.raw', '--trace foo info r.raw', '-T x* info r.raw', '-T enable=foo info r.raw', '-T', '--trace', '-x', '--bogus',
  'info --object secret,id=s,data=pw r.raw', 'info --object bogus,id=x r.raw', 'info --object secret r.raw', 'info --object secret,id=s r.raw',
  'info l.luks', 'info --output=json top.qcow2', 'info --backing-chain --output=json -U top.qcow2', 'info --backing-chain --image-opts driver=qcow2,file.filename=top.qcow2',
  'info -f qcow2 --backing-chain top.qcow2', 'info --backing-chain nix', 'info --image-opts -f raw driver=raw,file.filename=r.raw', 'info ""',
  'map --start-offset=1M --max-length=1 top.qcow2', 'map --start-offset 1M --output json top.qcow2', 'map -p top.qcow2', 'map --start-offset=-1 r.raw',
  'map --max-length=0 r.raw', 'map --start-offset=1 --max-length=1 --output=json r.raw', 'map --image-opts -f raw driver=raw,file.filename=nix', 'map ""',
  'measure -O luks --size 1M', 'measure -O luks --object secret,id=s,data=pw -o key-secret=s,iter-time=10 --size 1M', 'measure -O luks --object secret,id=s,data=pw -o key-secret=s,iter-time=10 r.raw',
  'measure -O qcow2 -l s1 top.qcow2', 'measure -l s1 top.qcow2', 'measure -l nix top.qcow2', 'measure -l snapshot.name=s1 top.qcow2', 'measure -l snapshot.id=1 -O qcow2 --output=json top.qcow2',
  'measure -l s1 r.raw', 'measure -l s1 --size 1M', 'measure -l snapshot.bogus=1 top.qcow2', 'measure -O raw --output=json top.qcow2',
  'compare --image-opts -f raw driver=raw,file.filename=nix driver=raw,file.filename=r.raw', 'compare --image-opts -F raw driver=raw,file.filename=r.raw driver=raw,file.filename=r.raw',
  'compare --output=json r.raw r.raw', 'compare "" ""', 'snapshot -l top.qcow2', 'snapshot -U -l top.qcow2', 'snapshot -q -l top.qcow2', 'snapshot top.qcow2',
  'snapshot --image-opts -l driver=qcow2,file.filename=top.qcow2', 'snapshot -l -c x top.qcow2', 'snapshot -f qcow2 -l top.qcow2',
  'info --output', 'info --output top.qcow2', 'map --output top.qcow2', 'compare --object secret,id=s r.raw r.raw', 'check --object secret,id=s top.qcow2',
  'info --image-opts file.filename=top.qcow2', 'info --image-opts file.driver=file,file.filename=top.qcow2', 'info json:{"file.filename":"top.qcow2"}', 'info json:{"file":{"filename":"top.qcow2"}}',
  'info json:{"file.filename":"top.qcow2","file":{"driver":"file"}}', 'info json:{"file":{"driver":"file"},"file.filename":"top.qcow2"}', 'info -f qcow2 json:{"file":{"filename":"top.qcow2"}}',
  'info json:{"driver":"raw","file":{"filename":"top.qcow2"}}', 'info json:{"driver":"raw","file":{"driver":"raw","file":{"filename":"r.raw"}}}',
  'info json:{"driver":"qcow2","file":{"driver":"raw","file":{"filename":"top.qcow2"}}}', 'info --object throttle-group,id=g json:{"driver":"throttle","throttle-group":"g","file":{"driver":"file","filename":"r.raw"}}',
  'info --object throttle-group,id=g json:{"driver":"raw","file":{"driver":"throttle","throttle-group":"g","file":{"driver":"file","filename":"r.raw"}}}', 'compare json:{"file.filename":"top.qcow2"} r.raw',
  'bench -n r.raw', 'bench -n -i threads -c 1 r.raw', 'bench -i native -c 1 r.raw', 'bench --image-opts -f raw driver=raw,file.filename=nix', 'create -f luks o 1M', 'create -o help -f luks',
];

const CHANGES = [
  'dd --object secret,id=s,data=pw --image-opts if=driver=luks,file.filename=l.luks,key-secret=s of=o', 'dd if=r.raw of=top.qcow2 -O qcow2', 'dd if=r.raw of=r.raw',
  'dd --image-opts -f raw if=driver=raw,file.filename=r.raw of=o', 'commit --object secret,id=s,data=pw top.qcow2', 'commit --image-opts -f raw driver=raw,file.filename=nix',
  'rebase --object secret,id=s,data=pw -b r.raw -F raw top.qcow2', 'rebase -c -b r.raw -F raw top.qcow2', 'rebase -b r.raw -F raw -t none -T none top.qcow2',
  'rebase --image-opts -f qcow2 -u -b "" driver=qcow2,file.filename=top.qcow2', 'resize --object secret,id=s,data=pw --image-opts driver=luks,file.filename=l.luks,key-secret=s 2M',
  'resize --image-opts -f raw driver=raw,file.filename=r.raw 5M', 'resize "" 5M', 'resize --preallocation=metadata top.qcow2 4M', 'resize --preallocation=falloc r.raw -f raw +1M',
  'convert --salvage top.qcow2 o', 'convert --salvage -q -O qcow2 top.qcow2 o', 'convert --salvage -C top.qcow2 o', 'convert --salvage -C -S 4k r.raw o', 'convert --salvage -l s1 top.qcow2 o',
  'convert --image-opts --target-image-opts -n driver=qcow2,file.filename=top.qcow2 driver=raw,file.filename=big.raw', 'convert --target-image-opts -n -O raw r.raw driver=raw,file.filename=r.raw',
  'convert --target-image-opts -O raw r.raw driver=raw,file.filename=r.raw', 'convert --target-image-opts -n -O raw r.raw', 'convert --image-opts -f raw driver=raw,file.filename=r.raw o',
  'convert --image-opts driver=qcow2,file.filename=top.qcow2 driver=raw,file.filename=r.raw o', 'convert -O qcow2 r.raw r.raw o', 'convert -c -O qcow2 r.raw r.qcow2 o', 'convert -r 100M r.raw o',
  'convert -m 0 r.raw o', 'convert -W -m 16 -O qcow2 top.qcow2 o', 'convert -t directsync -T directsync r.raw o', 'convert -T unsafe -t unsafe r.raw o', 'convert -S 700 top.qcow2 o',
  'convert -S 100M top.qcow2 o', 'convert -f raw -f qcow2 top.qcow2 o', 'convert r.raw ""', 'convert "" o', 'convert -s s1 top.qcow2 o', 'convert -l "" top.qcow2 o', 'convert -l s1 -l s2 top.qcow2 o',
  'convert -r 0 r.raw o', 'convert -r -1 r.raw o', 'convert -f "" r.raw o', 'convert -O "" r.raw o', 'convert -n r.raw r.raw', 'convert -n --target-is-zero -O raw r.raw r.raw',
  'convert -O qcow2 top.qcow2 top.qcow2', 'convert -c -n -O raw r.raw big.raw', 'convert -c -n -O raw big.raw r.raw', 'convert -o size=5M -O qcow2 top.qcow2 o', 'convert -o size=1M -O qcow2 top.qcow2 o',
  'convert -o nocow=on r.raw o', 'convert -O raw -o preallocation=full r.raw o', 'convert -B r.qcow2 -F qcow2 -c -O qcow2 top.qcow2 o', 'convert -F raw -O qcow2 top.qcow2 o',
  'convert --object secret,id=s,data=pw --image-opts driver=luks,file.filename=l.luks,key-secret=s o', 'convert --bitmaps -O raw top.qcow2 o', 'convert -U -n -O raw top.qcow2 big.raw',
  'create "" 1M', 'create --image-opts -f qcow2 o 1M', 'create -f raw -F raw o 1M', 'create -f qcow2 -b lost.qcow2 -F qcow2 o', 'create -f qcow2 -b lost.qcow2 o', 'create -f qcow2 -b l.luks -F luks o',
  'create -f qcow2 -F raw -b r.raw -o backing_file=x o', 'create -f qcow2 -o backing_file=r.raw -F raw o', 'create -f qcow2 top.qcow2 1M', 'create -f qcow2 -b "" o 1M', 'create -f qcow2 -u o',
  'convert -O raw json:{"file.filename":"top.qcow2"} o', 'convert --image-opts -O raw file.filename=top.qcow2 o', 'dd if=nix of=o', 'create -f qcow2 -q é😀\u001f.qcow2 1M',
  'snapshot -a s1 top.qcow2', 'snapshot -d 1 top.qcow2', 'snapshot -c x -d x top.qcow2', 'snapshot -U -c x top.qcow2', 'bitmap --image-opts -f raw --add driver=raw,file.filename=nix b',
];

/** Words between blanks; `""` is an empty one. */
function words(line: string): string[] {
  return line.split(' ').map((word) => (word === '""' ? '' : word));
}

describe.skipIf(needs.skip)(needs.title('blk beside qemu-img: options'), () => {
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

  test.each(LOOKS)('%s', async (line) => {
    expect(await oursIn(words(line), files)).toEqual(await reference(words(line), files));
  });

  test.each(CHANGES)('%s', async (line) => {
    using place = tempDir();
    const sides = twoSides(place, files);
    const theirs = await reference(words(line), sides.theirs);
    expect(await oursIn(words(line), sides.mine)).toEqual(theirs);
    if (theirs.code === 0) await expectSameFiles(sides.mine, sides.theirs, ['.']);
  });

  test.each(['bad-l1', 'bad-l2', 'bad-data'])('--salvage: %s', async (name) => {
    using place = tempDir();
    const { mine, theirs } = twoSides(place, files);
    // Without --salvage the reference names the range that it happened to read.
    const plain = name === 'bad-data' ? [] : [[]];
    for (const options of [...plain, ['--salvage'], ['--salvage', '-q'], ['--salvage', '-O', 'qcow2', '-m', '1']]) {
      const line = ['convert', '-f', 'qcow2', ...options, `${name}.qcow2`, 'o'];
      const [a, b] = [await oursIn(line, mine), await reference(line, theirs)];
      // What is read at the same time fails in any order, and the reference tells of some of it twice.
      const [{ lines: told, ...mineElse }, { lines, ...theirsElse }] = [sorted(a), sorted(b)];
      expect(mineElse).toEqual(theirsElse);
      // Where the target has clusters we ask once for each of them what is there, and the reference for each sector.
      const counts = (line: string): boolean => !options.includes('qcow2') || !line.includes('block status');
      expect(told.filter(counts)).toEqual(lines.filter(counts));
      if (b.code === 0) expect(await reference(['compare', join(mine, 'o'), join(theirs, 'o')], mine)).toMatchObject({ code: 0 });
    }
    const counted = await oursIn(['convert', '--progress=json', '--salvage', '-f', 'qcow2', `${name}.qcow2`, 'o'], mine);
    const lines = counted.stderr.split('\n');
    expect(new Set(lines).size).toBe(lines.length);
  });

  test('an image that is being written to is not converted, but can get an overlay', async () => {
    using place = tempDir();
    const { mine } = twoSides(place, files);
    const graph = new BlockGraph({ drivers: DRIVERS });
    const node = await graph.open(join(mine, 'r.raw'), { format: 'raw' });
    const writer = Backend.over(graph, node, { writable: true });
    try {
      const said = `qemu-img: Could not open 'r.raw': Failed to get shared "write" lock\nIs another process using the image [r.raw]?\n`;
      for (const run of [oursIn, reference]) {
        expect(await run(['convert', '-f', 'raw', 'r.raw', 'o'], mine)).toEqual({ code: 1, stdout: '', stderr: said });
        expect(await run(['convert', '-U', '-f', 'raw', 'r.raw', 'o'], mine)).toEqual({ code: 0, stdout: '', stderr: '' });
        expect(await run(['create', '-q', '-f', 'qcow2', '-b', 'r.raw', '-F', 'raw', 'over'], mine)).toEqual({ code: 0, stdout: '', stderr: '' });
      }
    } finally {
      await writer.close();
      await graph.close();
    }
  });
});

function sorted({ code, stdout, stderr }: Ran): { code: number; stdout: string; lines: string[] } {
  return { code, stdout, lines: [...new Set(stderr.split('\n'))].sort() };
}

async function makeFiles(folder: string): Promise<void> {
  const run = async (...line: string[]): Promise<void> => {
    expect(await reference(line, folder)).toMatchObject({ code: 0 });
  };
  const bytes = Buffer.alloc(300_000);
  prng(3).fill(bytes);
  writeFileSync(join(folder, 'r.raw'), bytes);
  truncateSync(join(folder, 'r.raw'), 2 * 1024 * 1024);
  writeFileSync(join(folder, 'big.raw'), bytes);
  truncateSync(join(folder, 'big.raw'), 4 * 1024 * 1024);
  await run('convert', '-f', 'raw', '-O', 'qcow2', 'r.raw', 'r.qcow2');
  await run('create', '-q', '-f', 'qcow2', '-b', 'r.qcow2', '-F', 'qcow2', 'top.qcow2', '3M');
  await qemuIo(join(folder, 'top.qcow2'), ['write -q -P 3 1M 100k'], { format: 'qcow2' });
  await run('snapshot', '-c', 's1', 'top.qcow2');
  await run('bitmap', '--add', 'top.qcow2', 'b0');
  await qemuIo(join(folder, 'top.qcow2'), ['write -q -P 4 1M 200k', 'write -q -P 4 2M 64k'], { format: 'qcow2' });
  await run('create', '-q', '-u', '-f', 'qcow2', '-b', 'nothere', '-F', 'raw', 'lost.qcow2', '1M');
  await run('create', '-q', '-f', 'luks', '--object', 'secret,id=s,data=pw', '-o', 'key-secret=s,iter-time=10', 'l.luks', '1M');
  await run('create', '-q', '-f', 'qcow2', 'fine.qcow2', '2M');
  await qemuIo(join(folder, 'fine.qcow2'), ['write -q -P 1 0 1M'], { format: 'qcow2' });
  const fine = readFileSync(join(folder, 'fine.qcow2'));
  const l1 = Number(fine.readBigUInt64BE(40));
  const l2 = Number(fine.readBigUInt64BE(l1) & 0xff_ffff_ffff_fe00n);
  const damaged = (name: string, at: number, entry: bigint): void => {
    const copy = Buffer.from(fine);
    copy.writeBigUInt64BE((1n << 63n) | entry, at);
    writeFileSync(join(folder, name), copy);
  };
  damaged('bad-l1.qcow2', l1, 0x1234200n);
  damaged('bad-l2.qcow2', l2 + 24, 0x50200n);
  await run('convert', '-c', '-O', 'qcow2', 'fine.qcow2', 'bad-data.qcow2');
  const packed = readFileSync(join(folder, 'bad-data.qcow2'));
  const entry = packed.readBigUInt64BE(Number(packed.readBigUInt64BE(Number(packed.readBigUInt64BE(40))) & 0xff_ffff_ffff_fe00n) + 24);
  const data = Number(entry & ((1n << 54n) - 1n));
  packed.fill(0xee, data + 20, data + 80);
  writeFileSync(join(folder, 'bad-data.qcow2'), packed);
}

test('--progress=json of what else takes long', async () => {
  using dir = tempDir();
  const events = (text: string): { done: number; total: number }[] => text.trim().split('\n').map((line) => JSON.parse(line) as { done: number; total: number });
  const size = 8 * 1024 * 1024;
  const made = await oursIn(['create', '-q', '--progress=json', '-f', 'qcow2', '-o', 'preallocation=full', 'disk', String(size)], dir.path);
  expect(events(made.stdout).slice(-1)).toEqual([{ event: 'progress', done: size, total: size }]);
  const grown = await oursIn(['resize', '-q', '--progress=json', '--preallocation=full', 'disk', String(2 * size)], dir.path);
  expect(events(grown.stdout).slice(-1)).toEqual([{ event: 'progress', done: size, total: size }]);
  const measured = await oursIn(['measure', '--progress=json', '--output=json', '-O', 'qcow2', 'disk'], dir.path);
  expect(events(measured.stderr).slice(-1)).toEqual([{ event: 'progress', done: 2 * size, total: 2 * size }]);
  expect(JSON.parse(measured.stdout)).toMatchObject({ required: 17_104_896 });
  const mapped = await oursIn(['map', '--progress=json', '--output=json', 'disk'], dir.path);
  expect(events(mapped.stderr).slice(-1)).toEqual([{ event: 'progress', done: 2 * size, total: 2 * size }]);
  expect(JSON.parse(mapped.stdout)).toMatchObject([{ start: 0, length: 2 * size }]);
  // The tables of the disk, and the counts of the file.
  const checked = await oursIn(['check', '--progress=json', '--output=json', 'disk'], dir.path);
  const total = 2 * size + statSync(dir.file('disk')).size;
  expect(events(checked.stderr).slice(-1)).toEqual([{ event: 'progress', done: total, total }]);
  expect(JSON.parse(checked.stdout)).toMatchObject({ 'check-errors': 0, 'allocated-clusters': (2 * size) / 65536 });
});
