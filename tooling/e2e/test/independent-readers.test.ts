// Images that ours writes, read by programs that share no code with the reference: the libyal libraries, through Python, and 7-Zip.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { prng, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { blk, succeed } from '../src/index.js';

const needs = skipUnless('pyqcow', 'pyvhdi', 'pyvmdk');
const SIZE = 24 * 1024 * 1024;
const SECTOR = 512;

/** Opens a file, over a parent where a second one is named, and prints its size and the hash of its content. */
const READER = `
import hashlib, importlib, sys
kept = []
module = importlib.import_module(sys.argv[1])
def opened(path, *parents):
    image = module.handle() if hasattr(module, 'handle') else module.file()
    kept.append(image)
    image.open(path)
    if hasattr(image, 'open_extent_data_files'): image.open_extent_data_files()
    if parents: image.set_parent(opened(*parents))
    return image
image = opened(*sys.argv[2:])
content = hashlib.sha256()
left = image.get_media_size()
while left > 0:
    piece = image.read(min(left, 1 << 20))
    if not piece: break
    content.update(piece)
    left -= len(piece)
print(image.get_media_size(), content.hexdigest())
`;

const VARIANTS: readonly (readonly [module: string, format: string, options: string])[] = [
  ['pyqcow', 'qcow', ''],
  ['pyqcow', 'qcow2', 'compat=0.10'],
  ['pyqcow', 'qcow2', 'compat=0.10,cluster_size=4k'],
  ['pyqcow', 'qcow2', ''],
  ['pyqcow', 'qcow2', 'cluster_size=2M,lazy_refcounts=on'],
  ['pyvhdi', 'vpc', 'force_size=on'],
  ['pyvhdi', 'vpc', 'subformat=fixed,force_size=on'],
  ['pyvhdi', 'vhdx', ''],
  ['pyvhdi', 'vhdx', 'block_size=1M'],
  ['pyvhdi', 'vhdx', 'block_size=256M,block_state_zero=off,log_size=4M'],
  ['pyvhdi', 'vhdx', 'subformat=fixed'],
  ['pyvmdk', 'vmdk', ''],
  ['pyvmdk', 'vmdk', 'compat6=on,adapter_type=lsilogic,toolsversion=10'],
  ['pyvmdk', 'vmdk', 'zeroed_grain=on,hwversion=7,adapter_type=buslogic'],
  ['pyvmdk', 'vmdk', 'subformat=monolithicFlat'],
  ['pyvmdk', 'vmdk', 'subformat=twoGbMaxExtentSparse'],
  ['pyvmdk', 'vmdk', 'subformat=twoGbMaxExtentFlat'],
];

/** Random writes and zeroes of whole sectors, made in the image by `blk io` and in the model. */
async function scribble(file: string, format: string, model: Buffer, seed: number, zeroes = '-z'): Promise<void> {
  const random = prng(seed);
  const commands: string[] = [];
  for (let step = 0; step < 60; step++) {
    const length = SECTOR * (1 + random.below(random.pick([4, 200, 2000])));
    const offset = SECTOR * random.below((SIZE - length) / SECTOR);
    const byte = step % 5 === 4 ? 0 : 1 + random.below(255);
    commands.push('-c', byte === 0 ? `write -q ${zeroes} ${offset} ${length}` : `write -q -P ${byte} ${offset} ${length}`);
    model.fill(byte, offset, offset + length);
  }
  succeed(await blk(['io', '-f', format, ...commands, file]));
}

async function expectReadAs(module: string, files: readonly string[], model: Buffer): Promise<void> {
  const { code, stdout, stderr } = await run('/usr/bin/python3', ['-c', READER, module, ...files]);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${model.length} ${createHash('sha256').update(model).digest('hex')}\n`, stderr: '' });
}

describe.skipIf(needs.skip)(needs.title('read by the libyal libraries'), () => {
  test.each(VARIANTS)('%s: %s, %s', async (module, format, options) => {
    using dir = tempDir();
    const file = dir.file(`disk.${format}`);
    succeed(await blk(['create', '-q', '-f', format, ...(options === '' ? [] : ['-o', options]), file, String(SIZE)]));
    const model = Buffer.alloc(SIZE);
    await expectReadAs(module, [file], model);
    // libqcow does not know version 3's clusters that read as zeroes, neither in ours nor in the reference's images.
    await scribble(file, format, model, 1, module === 'pyqcow' ? '-P 0' : '-z');
    await expectReadAs(module, [file], model);
  });

  test.each([['pyqcow', 'qcow'], ['pyqcow', 'qcow2'], ['pyvmdk', 'vmdk']])('%s: packed clusters of %s', async (module, format) => {
    using dir = tempDir();
    const model = Buffer.alloc(SIZE);
    succeed(await blk(['create', '-q', '-f', 'raw', dir.file('raw'), String(SIZE)]));
    await scribble(dir.file('raw'), 'raw', model, 2);
    const how = format === 'vmdk' ? ['-o', 'subformat=streamOptimized'] : ['-c'];
    succeed(await blk(['convert', '-f', 'raw', '-O', format, ...how, dir.file('raw'), dir.file('packed')]));
    await expectReadAs(module, [dir.file('packed')], model);
  });

  // libqcow reads no overlays right, those of the reference neither.
  test('pyvmdk: an overlay of vmdk', async () => {
    using dir = tempDir();
    const [base, top] = [dir.file('base'), dir.file('top')];
    const model = Buffer.alloc(SIZE);
    succeed(await blk(['create', '-q', '-f', 'vmdk', base, String(SIZE)]));
    await scribble(base, 'vmdk', model, 3);
    succeed(await blk(['create', '-q', '-f', 'vmdk', '-b', base, '-F', 'vmdk', top]));
    await scribble(top, 'vmdk', model, 4);
    await expectReadAs('pyvmdk', [top, base], model);
  });
});

const sevenZip = skipUnless('7zz');
const SEVEN_ZIP: readonly (readonly [type: string, format: string, options: string])[] = [
  ['vmdk', 'vmdk', ''],
  ['vmdk', 'vmdk', 'zeroed_grain=on'],
  ['vmdk', 'vmdk', 'subformat=monolithicFlat'],
  ['vmdk', 'vmdk', 'subformat=twoGbMaxExtentSparse'],
  ['vmdk', 'vmdk', 'subformat=twoGbMaxExtentFlat'],
  ['vdi', 'vdi', ''],
  ['vdi', 'vdi', 'static=on'],
  ['qcow', 'qcow', ''],
  ['qcow', 'qcow2', 'compat=0.10'],
  ['qcow', 'qcow2', 'cluster_size=4k'],
  ['vhd', 'vpc', 'force_size=on'],
  ['vhd', 'vpc', 'subformat=fixed,force_size=on'],
  ['vhdx', 'vhdx', 'block_size=1M'],
  ['vhdx', 'vhdx', 'subformat=fixed'],
];

describe.skipIf(sevenZip.skip)(sevenZip.title('read by 7-Zip'), () => {
  test.each(SEVEN_ZIP)('%s: %s, %s', async (type, format, options) => {
    using dir = tempDir();
    const file = dir.file(`disk.${format}`);
    const model = Buffer.alloc(SIZE);
    succeed(await blk(['create', '-q', '-f', format, ...(options === '' ? [] : ['-o', options]), file, String(SIZE)]));
    await scribble(file, format, model, 5);
    await expectUnpacked(type, file, model);
  });

  // It opens no compressed VMDK without a footer, and reads no packed clusters of qcow, those of the reference neither.
  test('qcow: packed clusters of qcow2', async () => {
    using dir = tempDir();
    const model = Buffer.alloc(SIZE);
    succeed(await blk(['create', '-q', '-f', 'raw', dir.file('raw'), String(SIZE)]));
    await scribble(dir.file('raw'), 'raw', model, 6);
    succeed(await blk(['convert', '-f', 'raw', '-O', 'qcow2', '-c', dir.file('raw'), dir.file('packed.qcow2')]));
    await expectUnpacked('qcow', dir.file('packed.qcow2'), model);
  });

  async function expectUnpacked(type: string, file: string, model: Buffer): Promise<void> {
    const out = `${file}.d`;
    const { code, stdout, stderr } = await run('7zz', ['e', '-y', `-t${type}`, `-o${out}`, file]);
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' });
    const [name] = readdirSync(out);
    expect(readFileSync(`${out}/${name}`).equals(model)).toBe(true);
  }
});
