// Guests that leave a file system that does not fit together, or names that lead elsewhere: nothing of it reaches the directory.
import { mkdirSync, readdirSync } from 'node:fs';
import { BlockError } from '@blk/core-graph';
import { prng, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import type { Guest } from './guest.js';
import { addFile, DATA, entry, link, sample, TABLE, TABLE_BYTES, word } from './sample.js';
import { putFiles, sameFiles, takeFiles } from './support.js';

const CASES: Record<string, [(guest: Guest) => Promise<void>, RegExp]> = {
  'two files with one cluster': [(guest) => guest.disk.write(entry(2) + 26, word(3)), /'B': cluster 3 belongs to two files/],
  'a chain in a circle': [(guest) => link(guest, 4, 2), /'A': cluster 2 belongs to two files, or twice to one/],
  'a chain into what is free': [(guest) => link(guest, 4, 100), /'A': its chain leads to cluster 100, which is free/],
  'a chain out of the disk': [(guest) => link(guest, 4, 0xff0), /'A': its chain leads to cluster 4080, which is none/],
  'a chain to cluster 1': [(guest) => link(guest, 4, 1), /'A': its chain leads to cluster 1, which is none/],
  'a chain that is too short': [(guest) => link(guest, 3, 0xfff), /'A': its 1500 bytes take 3 clusters, and its chain has 2/],
  'content without clusters': [(guest) => guest.disk.write(entry(2) + 26, word(0)), /'B': its 1 bytes take 1 clusters, and its chain has 0/],
  'a folder without clusters': [(guest) => guest.disk.write(entry(3) + 26, word(0)), /'S': its chain leads to cluster 0, which is none/],
  'a folder within itself': [async (guest) => { await guest.disk.write(DATA + 4 * 512 + 64, Buffer.from('LOOP       \x10')); await guest.disk.write(DATA + 4 * 512 + 64 + 26, word(6)); }, /'S\/LOOP': cluster 6 belongs to two files/],
  'tables that differ': [(guest) => guest.disk.write(TABLE + 3000, Uint8Array.of(1)), /the allocation tables: they differ/],
  'the folder above elsewhere': [(guest) => guest.disk.write(DATA + 4 * 512 + 32 + 26, word(5)), /'S': its entry '\.\.' leads elsewhere/],
  'no entry for the folder above': [(guest) => guest.disk.write(DATA + 4 * 512 + 32, Uint8Array.of(0x58)), /'S': it does not begin with the entry '\.\.'/],
  'another shape': [(guest) => guest.disk.write(13, Uint8Array.of(2)), /the boot sector: the disk was formatted anew/],
  'no boot sector': [(guest) => guest.disk.write(510, Uint8Array.of(0, 0)), /the boot sector: its signature is gone/],
  'a file called ..': [(guest) => addFile(guest, '..'), /the name '\.\.': it is no name/],
  'a long name ..': [(guest) => addFile(guest, 'UP', '..'), /the name '\.\.': it is no name/],
  'a long name with a way up': [(guest) => addFile(guest, 'UP', '../../evil'), /the name '\.\.\/\.\.\/evil': it holds \//],
  'a long name from the root': [(guest) => addFile(guest, 'UP', '/etc/evil'), /it holds \//],
  'a long name with a backslash': [(guest) => addFile(guest, 'UP', 'a\\b'), /it holds \\/],
  'a short name with a slash': [(guest) => addFile(guest, 'A/B'), /the name 'A\/B': it holds \//],
  'a short name with a zero': [(guest) => addFile(guest, 'A\0B'), /it holds a control character/],
  'a short name that is empty': [(guest) => addFile(guest, ''), /it is no name/],
  'a long name with half a character': [(guest) => addFile(guest, 'HALF', 'a\ud800b'), /it is no valid Unicode/],
  'a long name that the host has no room for': [(guest) => addFile(guest, 'LONG', 'Ж'.repeat(128)), /the name 'Ж{128}': it takes more than 255 bytes on the host/],
  'a name as it is kept for temporary files': [(guest) => addFile(guest, 'TEMP', '.blk-vvfat-0123456789abcdef.tmp'), /the name '.blk-vvfat-0123456789abcdef.tmp': such names are kept/],
  'a name that is there already': [(guest) => addFile(guest, 'TWICE', 'a'), /'a': its name is there twice/],
};

describe('a guest that leaves', () => {
  test.each(Object.keys(CASES))('%s', async (name) => {
    const [change, message] = CASES[name];
    using dir = tempDir();
    await using guest = await sample(dir);
    const before = takeFiles(dir.file('d'));
    const bytes = await guest.disk.read(0, guest.disk.size);
    await change(guest);
    await expect(guest.disk.flush()).rejects.toThrow(message);
    await expect(guest.disk.flush()).rejects.toThrow(/Nothing of it was written to the directory; the next flush tries again/);
    expect(sameFiles(takeFiles(dir.file('d')), before)).toEqual([]);
    expect(readdirSync(dir.path).sort()).toEqual(['d', 'guest']);
    // Set right, it is committed.
    for (let at = 0; at < bytes.length; at += 1 << 16) await guest.disk.write(at, bytes.subarray(at, Math.min(at + (1 << 16), bytes.length)));
    await guest.disk.flush();
    expect(sameFiles(takeFiles(dir.file('d')), before)).toEqual([]);
  });
});

test('closing tells what could not be committed', async () => {
  using dir = tempDir();
  await using guest = await sample(dir);
  await link(guest, 4, 2);
  await expect(guest.disk.close()).rejects.toThrow(/What was written since the last flush that succeeded is lost/);
});

test.each([1, 2, 3, 4])('random bytes in tables and folders, seed %i: a clear error, or a directory that is still one', async (seed) => {
  const random = prng(seed);
  for (let round = 0; round < 12; round++) {
    using dir = tempDir();
    await using guest = await sample(dir);
    mkdirSync(dir.file('outside'));
    putFiles(dir.file('outside'), { sentinel: 'untouched' });
    const before = takeFiles(dir.file('d'));
    for (let times = 1 + random.below(4); times > 0; times--) {
      const [from, length] = random.pick([[TABLE, 12], [entry(0), 160], [DATA + 4 * 512, 128], [0, 64]] as const);
      const bytes = random.bytes(1 + random.below(random.pick([1, 3, 20])));
      const at = from + random.below(length);
      await guest.disk.write(at, bytes);
      if (from === TABLE) await guest.disk.write(at + TABLE_BYTES, bytes);
    }
    const error: unknown = await guest.disk.flush().then(() => undefined, (thrown: unknown) => thrown);
    const what = `seed ${seed}, round ${round}`;
    if (error !== undefined) {
      expect(error, what).toBeInstanceOf(BlockError);
      expect(sameFiles(takeFiles(dir.file('d')), before), what).toEqual([]);
    }
    expect(readdirSync(dir.path).sort(), what).toEqual(['d', 'guest', 'outside']);
    expect(takeFiles(dir.file('outside')).get('sentinel')?.toString()).toBe('untouched');
    // What only lost its name is kept.
    for (const [path, content] of takeFiles(dir.file('d'))) {
      if (path.includes('.blk-vvfat') && content !== null) expect([...before.values()].some((known) => known?.equals(content)), what).toBe(true);
    }
  }
});
