// What guests write becomes the directory's, whatever they do to their files.
import { chmodSync, statSync } from 'node:fs';
import { prng, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Guest, randomStep, type GuestKind } from './guest.js';
import { hardFiles, putFiles, takeFiles } from './support.js';

const needs = skipUnless('fsck.fat', 'mtools');
const KINDS: readonly GuestKind[] = [{ fatType: 12, floppy: true }, { fatType: 16, floppy: true }, { fatType: 12, floppy: false }, { fatType: 16, floppy: false }, { fatType: 32, floppy: false }];

describe.skipIf(needs.skip)(needs.title('a guest'), () => {
  test.each(KINDS)('creates, changes, renames, moves and deletes on FAT$fatType, floppy: $floppy', async (kind) => {
    using dir = tempDir();
    putFiles(dir.file('d'), hardFiles());
    chmodSync(dir.file('d/readme2.txt'), 0o640);
    await using guest = await Guest.open(dir, kind);
    const commit = async (): Promise<void> => {
      await guest.push();
      await guest.disk.flush();
      expect(await guest.differences()).toEqual([]);
    };

    await guest.put('new file with a long name.txt', 'new');
    await guest.put('sub/grown', prng(1).bytes(20_000));
    await guest.mtools('mmd', '::/made', '::/made/inner – é');
    await guest.put('made/inner – é/file', 'inside');
    await guest.put('README.TXT', 'longer than it was');
    await commit();

    await guest.put('readme2.txt', '');
    await guest.mtools('mren', '::/large.bin', '::/LARGE and renamed.bin');
    await guest.mtools('mren', '::/no extension at all', '::/renamed empty');
    await guest.mtools('mdel', '::/cluster.bin', '::/.hidden');
    await guest.mtools('mdeltree', '::/many');
    await commit();
    expect(statSync(dir.file('d/readme2.txt')).mode & 0o777).toBe(0o640);

    await guest.mtools('mmove', '::/sub/deep', '::/made');
    await guest.mtools('mmove', '::/LARGE and renamed.bin', '::/made/inner – é');
    await guest.mtools('mren', '::/sub', '::/SUBDIR');
    await guest.put('.hidden', 'again');
    await commit();
    // mtools moves under the short name.
    expect([...takeFiles(dir.file('d')).keys()].join()).toContain('made/DEEP/deeper/deepest/leaf.c');
  });

  test.each([1, 2, 3, 4, 5])('does anything, seed %i; from 4 on with flushes between its writes', async (seed) => {
    using dir = tempDir();
    const random = prng(seed);
    putFiles(dir.file('d'), { 'a': 'a', 'b b b b b b b b.txt': random.bytes(5000), 'sub/c': random.bytes(1500), 'sub/deep/e': 'e' });
    await using guest = await Guest.open(dir, KINDS[seed % 2], seed);
    const history: string[] = [];
    for (let round = 0; round < 8; round++) {
      for (let step = random.below(6); step >= 0; step--) history.push(await randomStep(guest, random));
      await guest.push({ flushes: seed >= 4 });
      await guest.disk.flush();
      expect(await guest.differences(), `seed ${seed}: ${history.join('; ')}`).toEqual([]);
    }
    expect([...takeFiles(dir.file('d')).keys()].filter((path) => path.includes('.blk-vvfat'))).toEqual([]);
  });
});

describe.skipIf(needs.skip)(needs.title('no file is lost that the guest did not delete'), () => {
  test.each([1, 2, 3, 4, 5, 6])('whatever is written first when files and folders are renamed and moved, seed %i', async (seed) => {
    using dir = tempDir();
    const random = prng(seed);
    const names = ['a', 'b', 'one/c', 'one/d', 'one/in/e', 'two/f', 'two/long name of g'];
    putFiles(dir.file('d'), { ...Object.fromEntries(names.map((name) => [name, `content of ${name} ${'.'.repeat(random.below(3000))}`])), 'three/': '' });
    const contents = (): string[] => [...takeFiles(dir.file('d')).values()].flatMap((content) => (content === null ? [] : [content.toString()])).sort();
    const before = contents();
    await using guest = await Guest.open(dir, KINDS[seed % 2], seed);
    const history: string[] = [];
    for (let round = 0; round < 8; round++) {
      for (let step = random.below(3); step >= 0; step--) {
        const paths = [...takeFiles(dir.file('d'))];
        const folders = ['', ...paths.flatMap(([path, content]) => (content === null ? [`${path}/`] : []))];
        const [[from], to] = [random.pick(paths), random.pick(folders) + random.pick(['', 'new', 'a', 'In', 'one'])];
        const command = random.pick(['mren', 'mmove', 'mmove']);
        const done = await guest.mtools(command, '-D', 's', `::/${from}`, `::/${to}`).then(() => '', () => ' refused');
        history.push(`${command} ${from} ${to}${done}`);
      }
      const flushed = (): void => expect(contents(), `seed ${seed}: ${history.join('; ')}`).toEqual(before);
      await guest.push({ flushed });
      await guest.disk.flush();
      flushed();
    }
    expect(await guest.differences()).toEqual([]);
    expect([...takeFiles(dir.file('d')).keys()].filter((path) => path.includes('.blk-vvfat'))).toEqual([]);
  }, 60_000);
});
