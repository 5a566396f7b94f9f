/** The list of locks that the program asks for as it starts. */
import { writeFileSync } from 'node:fs';
import { tempDir } from '@blk/oracle';
import { expect, test } from 'vitest';
import { startLockList } from '../src/entry/lock-list.js';

test('is the whole text, however long', async () => {
  using dir = tempDir();
  for (const text of ['', '1: OFDLCK ADVISORY READ -1 fe:00:1 100 100\n', 'line\n'.repeat(50_000)]) {
    writeFileSync(dir.file('locks'), text);
    const read = await startLockList(dir.file('locks'));
    expect(read === text).toBe(true);
  }
});

test('is left to the driver where it can not be read', async () => {
  using dir = tempDir();
  expect(startLockList(dir.file('missing'))).toBeUndefined();
  expect(await startLockList(dir.path)).toBeUndefined();
});
