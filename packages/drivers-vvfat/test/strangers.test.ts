// A commit that meets what somebody else did to the directory does nothing at all: neither to theirs, nor what could have been done before it came there.
import { mkdirSync, readFileSync, renameSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { tempDir, type TempDir } from '@blk/oracle';
import { expect, test } from 'vitest';
import type { Guest } from './guest.js';
import { addFile, DATA, entry, link, sample, word } from './sample.js';
import { looks, putFiles } from './support.js';

const free = async (guest: Guest, index: number, ...clusters: readonly number[]): Promise<void> => {
  await guest.disk.write(entry(index), Uint8Array.of(0xe5));
  for (const cluster of clusters) await link(guest, cluster, 0);
};
const row = (name: string, attributes: number, cluster: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  bytes.set(Buffer.from(name.padEnd(11)));
  bytes[11] = attributes;
  bytes.set(word(cluster), 26);
  return bytes;
};

/** Two empty folders, in clusters 8 and 9; the first one meets nobody. */
async function addFolders(guest: Guest, name: string): Promise<void> {
  for (const [index, each] of ['FIRST', name].entries()) {
    const cluster = 8 + index;
    await guest.disk.write(DATA + (cluster - 2) * 512, Buffer.concat([row('.', 16, cluster), row('..', 16, 0), new Uint8Array(448)]));
    await link(guest, cluster, 0xfff);
    await guest.disk.write(entry(4 + index), row(each, 16, cluster));
  }
}

const newContent = (guest: Guest): Promise<void> => guest.disk.write(DATA + 3 * 512, Buffer.from('g'));
const newTime = (guest: Guest): Promise<void> => guest.disk.write(entry(2) + 22, word((4 << 11) | (5 << 5) | 3));
const theirs = (name: string) => (dir: TempDir): void => { writeFileSync(dir.file(`d/${name}`), 'theirs'); };
const anotherFolder = (dir: TempDir): void => {
  renameSync(dir.file('d/S'), dir.file('moved'));
  putFiles(dir.file('d'), { 'S/C': 'theirs' });
};

const CASES: Record<string, [(guest: Guest) => Promise<void>, (dir: TempDir) => void, RegExp]> = {
  'a file at the new name of another one': [(guest) => guest.disk.write(entry(2), Buffer.from('Y')), theirs('Y'), /'Y' is there already, and not of the disk/],
  'a file where the guest made one': [(guest) => addFile(guest, 'NEW'), theirs('NEW'), /'NEW' is there already, and not of the disk/],
  'a file where the guest made a folder': [(guest) => addFolders(guest, 'NEW'), theirs('NEW'), /'NEW' is there already, and not of the disk/],
  'a folder where the guest made one': [(guest) => addFolders(guest, 'NEW'), (dir) => { mkdirSync(dir.file('d/NEW')); }, /'NEW' is there already, and not of the disk/],
  'another content of a file that the guest changed as well': [newContent, theirs('B'), /The file 'B' changed/],
  'another content of a file that the guest removed': [(guest) => free(guest, 2, 5), theirs('B'), /The file 'B' changed/],
  'another content of a file that the guest gave another time': [newTime, theirs('B'), /The file 'B' changed/],
  'no file where the guest changed one': [newContent, (dir) => { unlinkSync(dir.file('d/B')); }, /The file 'B' vanished/],
  'no file where the guest renamed one': [(guest) => guest.disk.write(entry(2), Buffer.from('Y')), (dir) => { unlinkSync(dir.file('d/B')); }, /The file 'B' vanished/],
  'a folder in the place of a file that the guest removed': [(guest) => free(guest, 2, 5), (dir) => { unlinkSync(dir.file('d/B')); mkdirSync(dir.file('d/B')); }, /The file 'B' changed/],
  'a new file in a folder that the guest removed': [(guest) => free(guest, 3, 6, 7), theirs('S/theirs'), /'S\/theirs' is in a directory that the guest removed/],
  'a name in other letters in a folder that the guest removed': [
    (guest) => free(guest, 3, 6, 7), (dir) => { writeFileSync(dir.file('d/S/c'), 'theirs'); }, /'S\/c' is in a directory that the guest removed/],
  'another folder in the place of one that the guest removed': [(guest) => free(guest, 3, 6, 7), anotherFolder, /The file 'S(\/C)?' (changed|was replaced)/],
  'another folder in the place of one that the guest renamed': [(guest) => guest.disk.write(entry(3), Buffer.from('T')), anotherFolder, /The file 'S' changed/],
  'a file in the place of a folder that the guest renamed': [
    (guest) => guest.disk.write(entry(3), Buffer.from('T')), (dir) => { unlinkSync(dir.file('d/S/C')); rmdirSync(dir.file('d/S')); writeFileSync(dir.file('d/S'), 'theirs'); }, /The file 'S' changed/],
};

test.each(Object.keys(CASES))('%s', async (name) => {
  const [change, stranger, message] = CASES[name];
  using dir = tempDir();
  await using guest = await sample(dir);
  // What could be done first, and meets nobody.
  await guest.disk.write(entry(1), Buffer.from('X'));
  await change(guest);
  stranger(dir);
  const before = looks(dir.file('d'));
  before.delete('');
  await expect(guest.disk.flush()).rejects.toThrow(message);
  const after = looks(dir.file('d'));
  after.delete('');
  expect(after).toEqual(before);
  expect(readFileSync(dir.file('d/A')).length).toBe(1500);
});
