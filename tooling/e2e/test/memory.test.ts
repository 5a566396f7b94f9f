// What an open image takes in memory, measured in a process of its own: read and written all over a large disk, each format stays within what is promised.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bochsImage, cloopImage, dmgImage, sampleContent } from '@blk/image-writers';
import { run, tempDir } from '@blk/oracle';
import { expect, test } from 'vitest';
import { blk, ROOT, succeed } from '../src/index.js';

const MIB = 2 ** 20;
/** Of one node, by default. */
const PROMISED = 64 * MIB;

/** Touches a disk in places all over it, sixteen at a time, and prints the most that buffers took, what is garbage left out. */
const TOUCH = `
import { pathToFileURL } from 'node:url';
const [root, driver, path, options, write] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(root + '/packages/' + name + '/dist/index.js').href);
const { openImage } = await load('core-graph');
const { allDrivers } = await load('drivers-all');
// What is garbage is given back by another thread.
const taken = async () => { for (let round = 0; round < 3; round++) { gc(); await new Promise((done) => setTimeout(done, 20)); } const { heapUsed, arrayBuffers } = process.memoryUsage(); return heapUsed + arrayBuffers; };
let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
let most = 0;
const before = await taken();
{
  const image = await openImage({ driver, file: { driver: 'file', filename: path }, ...JSON.parse(options) }, { drivers: allDrivers, writable: write === 'write' });
  const places = Math.floor(image.size / 4096);
  for (let round = 0; round < 250; round++) {
    await Promise.all(Array.from({ length: 16 }, async () => {
      const at = Math.floor(random() * places) * 4096;
      if (write === 'write' && round < 100) await image.write(at, new Uint8Array(512).fill(1));
      else await image.read(at, 512);
    }));
    if (round % 25 === 24) most = Math.max(most, await taken());
  }
  await image.close();
}
console.log(most - before);
`;

async function memoryOf(driver: string, path: string, options: object, write: boolean): Promise<number> {
  const script = `${path}.mjs`;
  writeFileSync(script, TOUCH);
  const { stdout } = succeed(await run(process.execPath, ['--expose-gc', script, ROOT, driver, path, JSON.stringify(options), write ? 'write' : 'read'], { timeout: 100_000 }));
  return Number(stdout);
}

const WRITTEN: readonly (readonly [format: string, options: string, size: string])[] = [
  ['qcow2', '', '1T'],
  ['qcow', '', '1T'],
  ['qed', '', '1T'],
  ['vdi', '', '40T'],
  ['vhdx', '', '16T'],
  ['vhdx', 'block_size=1M', '16T'],
  ['vpc', 'force_size=on', '2040G'],
  ['vmdk', '', '2T'],
  ['vmdk', 'subformat=twoGbMaxExtentSparse', '200G'],
  ['parallels', '', '4T'],
];

test.each(WRITTEN)('%s, %s, a disk of %s', { timeout: 120_000 }, async (format, options, size) => {
  using dir = tempDir();
  const path = dir.file(`disk.${format}`);
  succeed(await blk(['create', '-q', '-f', format, ...(options === '' ? [] : ['-o', options]), path, size]));
  expect(await memoryOf(format, path, {}, true)).toBeLessThan(PROMISED);
});

test('qed takes less where it is told to', { timeout: 120_000 }, async () => {
  using dir = tempDir();
  const path = dir.file('disk.qed');
  succeed(await blk(['create', '-q', '-f', 'qed', path, '1T']));
  expect(await memoryOf('qed', path, {}, true)).toBeGreaterThan(16 * MIB);
  expect(await memoryOf('qed', path, { 'cache-size': MIB }, true)).toBeLessThan(16 * MIB);
});

const piece = sampleContent(1, MIB);
const pieces = new Array<Uint8Array>(96).fill(piece);
const content = Buffer.concat(pieces);
const READ: readonly (readonly [format: string, make: () => Uint8Array])[] = [
  ['cloop', () => cloopImage(content, { blockSize: MIB })],
  ['dmg', () => dmgImage([{ chunks: pieces.map((each) => ({ kind: 'zlib', content: each })) }])],
  ['bochs', () => bochsImage(content.subarray(0, 16 * MIB))],
];

test.each(READ)('%s', { timeout: 120_000 }, async (format, make) => {
  using dir = tempDir();
  const path = join(dir.path, `disk.${format}`);
  writeFileSync(path, make());
  expect(await memoryOf(format, path, {}, false)).toBeLessThan(PROMISED);
});

test('vmdk, compressed', { timeout: 120_000 }, async () => {
  using dir = tempDir();
  writeFileSync(dir.file('plain'), content);
  succeed(await blk(['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', dir.file('plain'), dir.file('disk.vmdk')]));
  expect(await memoryOf('vmdk', dir.file('disk.vmdk'), {}, false)).toBeLessThan(PROMISED);
});
