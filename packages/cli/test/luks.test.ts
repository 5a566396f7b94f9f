import { writeFileSync } from 'node:fs';
import { skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { oursIn, reference } from './img-support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const SECRET = ['--object', 'secret,id=sec0,data=letmein'];
const open = (file: string): string => `driver=luks,key-secret=sec0,file.filename=${file}`;

describe.skipIf(oracle.skip)(oracle.title('LUKS containers on the command line'), () => {
  test('created, described, converted both ways and compared', async () => {
    using dir = tempDir();
    const made = await oursIn(['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,iter-time=1', 'a.luks', '1M'], dir.path);
    expect(made).toEqual({ code: 0, stdout: "Formatting 'a.luks', fmt=luks size=1048576 key-secret=sec0 iter-time=1\n", stderr: '' });
    for (const style of ['human', 'json']) {
      const words = ['info', `--output=${style}`, 'a.luks'];
      expect(await oursIn(words, dir.path)).toEqual(await reference(words, dir.path));
    }
    const named = ['info', ...SECRET, '--image-opts', open('a.luks')];
    const behindName = ({ stdout }: { stdout: string }): string => stdout.slice(stdout.indexOf('\n'));
    expect(behindName(await oursIn(named, dir.path))).toEqual(behindName(await reference(named, dir.path)));
    // Content, with zeroes in it, into a container; and out of it by the other program.
    const plain = Buffer.alloc(3 << 20);
    for (let at = 0; at < 600_000; at++) plain[(at * 5) % plain.length] = at % 251;
    writeFileSync(dir.file('plain.whole'), plain.fill(0, 1 << 20, 2 << 20));
    expect(await oursIn(['convert', ...SECRET, '-O', 'luks', '-o', 'key-secret=sec0,iter-time=1', 'plain.whole', 'b.luks'], dir.path)).toEqual({ code: 0, stdout: '', stderr: '' });
    const compare = ['compare', ...SECRET, '--image-opts', open('b.luks'), 'driver=raw,file.filename=plain.whole'];
    for (const run of [oursIn, reference]) expect(await run(compare, dir.path)).toMatchObject({ code: 0, stdout: 'Images are identical.\n' });
    expect(await oursIn(['convert', ...SECRET, '--image-opts', '-O', 'raw', open('b.luks'), 'out'], dir.path)).toMatchObject({ code: 0 });
    expect(await oursIn(['compare', '-f', 'raw', '-F', 'raw', 'out', 'plain.whole'], dir.path)).toMatchObject({ code: 0 });
  });

  test.each([
    [['create', '-f', 'luks', 'x', '1M']],
    [['create', '-f', 'luks', '-o', 'key-secret=none', 'x', '1M']],
    [['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,cipher-alg=foo', 'x', '1M']],
    [['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,cipher-mode=foo', 'x', '1M']],
    [['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,ivgen-alg=foo', 'x', '1M']],
    [['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,hash-alg=foo', 'x', '1M']],
    [['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,ivgen-hash-alg=foo', 'x', '1M']],
    [['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,foo=1', 'x', '1M']],
    [['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,cipher-alg=3des', 'x', '1M']],
    [['create', '-f', 'luks', '-o', 'help']],
    [['create', '-f', 'luks', '-o', 'help', 'x']],
  ])('%j', async (words) => {
    using mine = tempDir();
    using theirs = tempDir();
    expect(await oursIn(words, mine.path)).toEqual(await reference(words, theirs.path));
  });
});
