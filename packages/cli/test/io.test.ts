// The disk exerciser beside qemu-io: the same commands on the same image, outputs, exit codes and content compared.
import { copyFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { ioMain } from '../src/io/main.js';
import { runMain, withoutTimes, type Ran } from './support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

/** Each list runs in one session: a start of the program costs more than many commands. */
const SESSIONS: Readonly<Record<string, readonly string[]>> = {
  reading: [
    'read 0 65536', 'read -P 4 0 1k', 'read', 'read 0', 'read 0 abc', 'read 9999P 1', 'read 1 512', 'read 64M 512', 'read -C 0 512',
    'read -q 0 1M', 'read -x 0 4', 'read -a 0 4', 'read -p 0 4', 'read -P 1 -s 20 0 16', 'read -P 0 -s 4 -l 4 0 16', 'read -l 4 0 16',
    'read -P 9 -s 4 -l 4 0 16', 'read -s zz', 'read -P zz 0 1', 'read -v 3 40', 'read -vq 0 16', 'read -vC 0 8', 'read 0 3G', 'read 7E 1',
    'read 0 0', 'read 64M 0', 'r 0 1', 'rv 0 1', 'readv -P 0 -v 0 16 4', 'readv 0 1G 1.5G', 'readv 0 3G', 'readv 0 zz', 'readv -x 0 1',
    'readv 64M 1', 'read -b 5 100', 'read -b 0 100',
  ],
  writing: [
    'write -P 3 0 64k', 'read -v -P 3 0 40', 'write -z 1M 1M', 'write -z -u 1M 1M', 'map', 'write -P 1 0 100', 'write -f -P 2 50 512',
    'read -P 1 0 50', 'read -P 2 50 512', 'write -P 300 0 512', 'write -P -1 0 1', 'write -P 010 4M 1', 'read -v 4M 1', 'write -P +7 4M 1',
    'write -P 09 0 1', 'write -P 0x 0 1', 'write -u 0 1k', 'write -n 0 1k', 'write -z -P 3 0 512', 'write -s /nonexistent 0 1k', 'write 0 4G',
    'write -b -z 0 512', 'write -b -f 0 512', 'write -c -f 0 512', 'write -b 0 100', 'write -c 1 512', 'write -c -P 8 8M 64k', 'read -P 8 8M 64k', 'write -zn 0 3G', 'write -z 64M 1',
    'write -C 0 1M', 'write -q 0 1k', 'write 1', 'write 1 2 3', 'write -- 1 2', 'write --foo 1 2', 'write 0 0', 'writev -P 7 0 512 1k',
    'readv -P 7 0 512 1k', 'writev 0 zz', 'writev 64M 1', 'writev -P zz 0 1', 'writev 0 0', 'writev 0 3G', 'wv 0 1',
  ],
  numbers: [
    'write 1.5 1', 'write 1.k 1', 'write .5k 1', 'write 1b 1', 'write 1B 1', 'write 0x 1', 'write +5 1', 'write 1.0 1', 'write 1.5b 1',
    'write 0x1F 1', 'write 1e3 1', 'write 0.1k 1', 'write 1.0001k 1', 'write k 1', 'write 1.k5 1', 'write 8E 1', 'write 7E 1',
    'write 9223372036854775807 1', 'write 9223372036854775808 1', 'write -1 1', 'write 1 -1', 'write 010 1', 'write 1kk 1', 'map',
  ],
  image: [
    'write -P 7 0 512k', 'discard 0 64k', 'read -P 7 64k 448k', 'discard 0 1T', 'discard -C 64k 64k', 'discard 64M 1', 'discard 1', 'discard 1 2 3',
    'discard 0 3G', 'alloc 0 1M', 'alloc 1M', 'alloc', 'alloc 2G', 'alloc 100 200', 'alloc 0 1 2', 'length', 'truncate 80M', 'length', 'l',
    'truncate abc', 'truncate -m bla 1M', 'truncate -m off 81M', 'truncate -x 1', 'length', 'flush', 'flush 3', 'map x', 'info', 'foo', '', '   ',
    'help foo', 'help map', 'help r w', 'sleep abc', 'sleep -1', 'sleep 1', 'sleep 0x1', 'break a b', 'break a', 'resume x', 'remove_break x',
    'sigraise 0', 'sigraise zz', 'reopen', 'reopen -r -w', 'reopen a', 'reopen -x', 'reopen -c bla', 'reopen -o bla=1', 'reopen -o driver=raw',
    'reopen -c none -o cache.direct=off', 'reopen -r -o read-only=on', 'reopen -o file.locking=off', 'reopen -r', 'write 0 1', 'reopen -w', 'write 0 1',
    'open -x a', 'open a b', 'open -t bla a', 'open -d bla a', 'open -i bla a', 'open', 'open a', 'close x', 'close', 'read 0 1', 'open nonexistent',
    'length', 'quit x', 'read 0 1',
  ],
  asynchronous: [
    'aio_write -P 5 0 512 1k', 'aio_flush', 'aio_read -P 5 0 1k 512', 'aio_flush', 'aio_read -P 6 -v 0 20', 'aio_flush', 'aio_read -C 0 512',
    'aio_flush', 'aio_write -q 0 512', 'aio_flush', 'aio_write -z 0 64k', 'aio_flush', 'aio_write -zu 64k 64k', 'aio_flush', 'aio_write -u 0 1',
    'aio_write -z 0 1 2', 'aio_write -zP 3 0 512', 'aio_flush', 'aio_read -i 0 1', 'aio_write -i 0 1', 'aio_write 64M 1', 'aio_flush',
    'aio_read 64M 1', 'aio_flush', 'aio_read -x 0 1', 'aio_read 0 3G', 'aio_read zz 1', 'aio_read -P zz 0 1', 'aio_read 0', 'aio_flush x',
    'aio_write -f 0 512',
  ],
};

/** Command lines, each on an image of its own. */
const LINES: readonly (readonly string[])[] = [
  ['-r', '-c', 'write zz 1', '-c', 'write 1', '-c', 'truncate 1M', '-c', 'aio_write 0 1', '-c', 'discard 0 1', '-c', 'writev 0 1', '-c', 'flush'],
  ['-s', '-c', 'write -P 9 0 64k', '-c', 'read -P 9 0 64k', '-c', 'info'],
  ['-r', '-s', '-c', 'write 0 1'],
  ['-C', '-r', '-c', 'read 0 1'],
  ['-U', '-c', 'read 0 1'],
  ['-m', '-c', 'read 0 1'],
  ['-t', 'bla'],
  ['-c'],
  ['--foo', '-c', 'read 0 1'],
];

/** What is shown of help in our own words is that it is there. */
function shown({ code, stdout, stderr }: Ran, image = ''): unknown {
  const err = stderr.trimEnd().replaceAll(/#block\d+/g, '#block');
  return {
    code,
    out: withoutTimes(stdout).replace(/^Usage: [^]*$/m, 'USAGE').trimEnd(),
    err: image === '' ? err : err.replaceAll(image, 'IMAGE'),
  };
}

async function both(format: string, words: readonly string[], input = ''): Promise<{ ours: unknown; theirs: unknown; same: string }> {
  using dir = tempDir();
  const [a, b] = [dir.file('a'), dir.file('b')];
  await qemuImg('create', '-q', '-f', format, a, '64M');
  copyFileSync(a, b);
  const ours = await runMain(ioMain, 'qemu-io', ['-f', format, ...words, a], input);
  const theirs = await run('qemu-io', ['-f', format, ...words, b], { input });
  const same = (await qemuImg('compare', '-f', format, '-F', format, a, b)).stdout;
  return { ours: shown(ours, a), theirs: shown(theirs, b), same };
}

describe.skipIf(needs.skip)(needs.title('blk io beside qemu-io'), () => {
  for (const format of ['raw', 'qcow2']) {
    test.each(Object.entries(SESSIONS))(`${format}: %s`, async (_title, commands) => {
      const { ours, theirs, same } = await both(format, commands.flatMap((command) => ['-c', command]));
      expect(ours).toEqual(theirs);
      expect(same).toBe('Images are identical.\n');
    });
  }

  test.each(LINES.map((words) => [words.join(' '), words] as const))('%s', async (_title, words) => {
    const { ours, theirs, same } = await both('qcow2', words);
    expect(ours).toEqual(theirs);
    expect(same).toBe('Images are identical.\n');
  });

  test('lines from standard input, with a prompt before each', async () => {
    const { ours, theirs } = await both('raw', [], 'read 0 512\n\nbla\nlength\nq\nread 0 1\n');
    expect(ours).toEqual(theirs);
  });

  test('a file as the source of a pattern, and opening by options', async () => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-f', 'qcow2', dir.file('a'), '1M');
    writeFileSync(dir.file('abc'), 'abc\n');
    writeFileSync(dir.file('empty'), '');
    const words = [
      `open -o driver=raw,file.driver=file,file.filename=${dir.file('a')}`, 'info', 'close', `open -o driver=raw ${dir.file('a')}`, 'info', 'close',
      `open -o bla=1 ${dir.file('a')}`, `open -U ${dir.file('a')}`, `open -k ${dir.file('a')}`, `open -r ${dir.file('a')}`, 'write 0 1', 'close',
      `open -o lazy-refcounts=on ${dir.file('a')}`, 'reopen -o lazy-refcounts=off', `write -s ${dir.file('abc')} 3 30`, `write -s ${dir.file('empty')} 0 1`, 'read -v 0 40',
    ].flatMap((command) => ['-c', command]);
    const ours = await runMain(ioMain, 'qemu-io', words);
    expect(shown(ours)).toEqual(shown(await run('qemu-io', words)));
  });
});

describe('blk io', () => {
  test('fails and says so where nothing can stop a request, rather than wait for ever', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), new Uint8Array(1024));
    const { code, stdout } = await runMain(ioMain, 'qemu-io', ['-f', 'raw', '-c', 'wait_break x', dir.file('a')]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'Could not wait for the request: Operation not supported\n' });
  });

  test('an image that could not be opened anew is there as it was', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('a'), new Uint8Array(1024));
    const words = ['-f', 'raw', '-r', '-c', 'reopen -w -o discard=bla', '-c', 'read 0 512', dir.file('a')];
    const { code, stdout, stderr } = await runMain(ioMain, 'qemu-io', words);
    expect({ code, out: withoutTimes(stdout), stderr }).toEqual({
      code: 1,
      out: 'read 512/512 bytes at offset 0\n512 bytes, 1 ops; TIME\n',
      stderr: "qemu-io: Parameter 'discard' does not accept value 'bla'\n",
    });
  });
});
