// The disk exerciser beside qemu-io: the same commands on the same image, outputs and exit codes compared.
import { copyFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { ioMain } from '../src/io/main.js';
import { runMain, withoutTimes } from './support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

const CASES: readonly (readonly string[])[] = [
  ['-c', 'read 0 65536'],
  ['-c', 'write -P 3 0 64k', '-c', 'read -v -P 3 0 40', '-c', 'read -v 100 40'],
  ['-c', 'read -P 4 0 1k'],
  ['-c', 'write -z 1M 1M', '-c', 'write -z -u 1M 1M', '-c', 'map'],
  ['-c', 'write -P 1 0 100', '-c', 'write -f -P 2 50 512', '-c', 'read -P 1 0 50', '-c', 'read -P 2 50 512'],
  ['-c', 'write -P 300 0 512'],
  ['-c', 'write -u 0 1k'],
  ['-c', 'write -n 0 1k'],
  ['-c', 'write -z -P 3 0 512'],
  ['-c', 'write -s /nonexistent 0 1k'],
  ['-c', 'write 0 4G'],
  ['-c', 'write -P 7 0 512k', '-c', 'discard 0 64k', '-c', 'read -P 7 64k 448k'],
  ['-c', 'discard 0 1T'],
  ['-c', 'alloc 0 1M', '-c', 'alloc 1M', '-c', 'alloc', '-c', 'alloc 2G'],
  ['-c', 'length', '-c', 'truncate 80M', '-c', 'length'],
  ['-c', 'truncate abc'],
  ['-c', 'read'],
  ['-c', 'read 0'],
  ['-c', 'read 0 abc'],
  ['-c', 'read 9999P 1'],
  ['-c', 'read 1 512', '-c', 'read 64M 512'],
  ['-c', 'read -C 0 512', '-c', 'write -C 0 1M'],
  ['-c', 'read -q 0 1M', '-c', 'write -q 0 1k'],
  ['-c', 'read -x 0 4'],
  ['-c', 'read -P 1 -s 20 0 16'],
  ['-c', 'read -l 4 0 16'],
  ['-c', 'writev -P 7 0 512 1k', '-c', 'readv -v -P 7 0 16 4'],
  ['-c', 'foo', '-c', 'read -q 0 1'],
  ['-c', 'flush', '-c', 'flush 3'],
  ['-c', 'help foo'],
  ['-c', 'sleep abc', '-c', 'sleep 1'],
  ['-c', 'close', '-c', 'read 0 1'],
  ['-c', 'quit', '-c', 'read 0 1'],
  ['-r', '-c', 'write 0 512'],
  ['-c', 'info'],
  ['--foo', '-c', 'read 0 1'],
];

describe.skipIf(needs.skip)(needs.title('blk io beside qemu-io'), () => {
  for (const format of ['raw', 'qcow2']) {
    test.each(CASES.map((words) => [words.join(' '), words] as const))(`${format}: %s`, async (_title, words) => {
      using dir = tempDir();
      const ours = dir.file('a');
      const theirs = dir.file('b');
      expect((await qemuImg('create', '-q', '-f', format, ours, '64M')).code).toBe(0);
      copyFileSync(ours, theirs);
      const [mine, reference] = [
        await runMain(ioMain, 'qemu-io', ['-f', format, ...words, ours]),
        await run('qemu-io', ['-f', format, ...words, theirs]),
      ];
      // The help text is in our own words; that it is shown is what counts.
      const shown = (text: string): string => withoutTimes(text).replace(/^Usage: [^]*$/m, 'USAGE').trimEnd();
      expect({ code: mine.code, out: shown(mine.stdout), err: shown(mine.stderr) }).toEqual({
        code: reference.code,
        out: shown(reference.stdout),
        err: shown(reference.stderr),
      });
      expect((await qemuImg('compare', '-f', format, '-F', format, ours, theirs)).stdout).toBe('Images are identical.\n');
    });
  }

  test('lines from standard input, with a prompt before each', async () => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-f', 'raw', dir.file('a'), '1M');
    const input = 'read 0 512\nlength\nq\n';
    const mine = await runMain(ioMain, 'qemu-io', ['-f', 'raw', dir.file('a')], input);
    const reference = await run('qemu-io', ['-f', 'raw', dir.file('a')], { input });
    expect(withoutTimes(mine.stdout).trimEnd()).toBe(withoutTimes(reference.stdout).trimEnd());
  });
});
