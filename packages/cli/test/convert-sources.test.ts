// Large images of each format to raw, by the same words as with the reference: content, where threads copy and where they must not.
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { prng, qemuImg, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ours, oursIn, reference } from './img-support.js';

const needs = skipUnless('qemu-img');
const M = 1024 * 1024;
const SECRET = ['--object', 'secret,id=s0,data=abc'];

/** Files of `size` bytes with data in ranges of MiB, so much that threads are started, and holes. */
function sparse(name: string, size: number, ranges: readonly (readonly [from: number, length: number])[]): void {
  const random = prng(size);
  const noise = random.fill(Buffer.alloc(M));
  const fd = openSync(name, 'w');
  ftruncateSync(fd, size);
  for (const [from, length] of ranges) {
    for (let done = 0; done < length; done++) {
      noise.writeUInt32LE(from + done);
      // A few zeroes inside of data, too.
      noise.fill(0, 4096 * (done % 100), 4096 * (done % 100) + (done % 9) * 4096);
      writeSync(fd, noise, 0, M, (from + done) * M);
    }
  }
  closeSync(fd);
}

describe.skipIf(needs.skip)(needs.title('large images'), () => {
  let dir: TempDir;
  beforeAll(() => {
    dir = tempDir();
    sparse(dir.file('large'), 600 * M, [[3, 36], [300, 5], [597, 3]]);
    sparse(dir.file('small'), 42 * M + 512, [[0, 40]]);
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  /** The reference finds the same content in both. */
  const expectContent = async (source: string, copy: string): Promise<void> => {
    expect(await qemuImg('compare', '-f', 'raw', '-F', 'raw', dir.file(source), dir.file(copy))).toMatchObject({ code: 0 });
  };

  test.each([
    ['raw', ''], ['qcow2', ''], ['qcow2', 'extended_l2=on'], ['vdi', ''], ['vpc', 'force_size=on'], ['vpc', 'subformat=fixed,force_size=on'],
    ['vhdx', ''], ['parallels', ''], ['qed', ''], ['vmdk', ''], ['vmdk', 'subformat=twoGbMaxExtentFlat'], ['qcow', ''],
  ])('%s %s', async (format, options) => {
    const image = `${format}${options.replaceAll(/\W/g, '')}.image`;
    expect(await reference(['convert', '-f', 'raw', '-O', format, ...(options === '' ? [] : ['-o', options]), 'large', image], dir.path)).toMatchObject({ code: 0 });
    const words = (target: string): string[] => ['convert', '-f', format, '-O', 'raw', image, target];
    const mine = await oursIn(words('mine'), dir.path);
    expect(mine).toEqual(await reference(words('theirs'), dir.path));
    await expectContent('large', 'mine');
    await expectContent('theirs', 'mine');
  });

  test.each([
    ['a LUKS container', ['-O', 'luks', '-o', 'key-secret=s0,iter-time=10'], 'driver=luks,key-secret=s0,file.filename='],
    ['qcow2 with LUKS', ['-O', 'qcow2', '-o', 'encrypt.format=luks,encrypt.key-secret=s0,encrypt.iter-time=10'], 'driver=qcow2,encrypt.key-secret=s0,file.filename='],
    ['qcow2 with AES', ['-O', 'qcow2', '-o', 'encrypt.format=aes,encrypt.key-secret=s0'], 'driver=qcow2,encrypt.key-secret=s0,file.filename='],
    ['qcow with AES', ['-O', 'qcow', '-o', 'encrypt.format=aes,encrypt.key-secret=s0'], 'driver=qcow,encrypt.key-secret=s0,file.filename='],
    ['a limited disk', ['-O', 'raw'], 'driver=throttle,throttle-group=g,file.driver=file,file.filename='],
    ['a disk with faults', ['-O', 'raw'], 'driver=blkdebug,image.driver=file,image.filename='],
  ])('%s', async (title, making, open) => {
    const image = dir.file(title.replaceAll(' ', '-'));
    const objects = title === 'a limited disk' ? ['--object', 'throttle-group,id=g'] : SECRET;
    expect(await ours(['convert', ...SECRET, '-f', 'raw', ...making, dir.file('small'), image])).toMatchObject({ code: 0, stderr: '' });
    expect(await ours(['convert', ...objects, '--image-opts', '-O', 'raw', open + image, dir.file('back')])).toEqual({ code: 0, stdout: '', stderr: '' });
    await expectContent('small', 'back');
    // And the other way, onto what was there.
    if (title !== 'qcow2 with LUKS') return;
    expect(await ours(['convert', ...objects, '-n', '-f', 'raw', '--target-image-opts', dir.file('small'), open + image])).toMatchObject({ code: 0, stderr: '' });
    expect(await ours(['convert', ...objects, '--image-opts', '-O', 'raw', open + image, dir.file('back')])).toMatchObject({ code: 0, stderr: '' });
    await expectContent('small', 'back');
  });
});
