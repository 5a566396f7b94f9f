// Encrypted qcow2 images on the command line: the same words by both programs, on images that are the same at first.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { oursIn, reference, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const SECRETS = ['--object', 'secret,id=s0,data=abc', '--object', 'secret,id=s1,data=other'];
/** `LUKS:s0`: the options that open `l.q` with this secret; so with `AES` and `a.q`, and `BOX` for the LUKS container `l.box`. */
const SHORT: Readonly<Record<string, string>> = {
  LUKS: 'driver=qcow2,file.filename=l.q,encrypt.key-secret=',
  AES: 'driver=qcow2,file.filename=a.q,encrypt.key-secret=',
  BOX: 'driver=luks,file.filename=l.box,key-secret=',
};

/** Histories, each on images as they were made; `S` stands for the secrets. */
const HISTORIES: readonly (readonly string[])[] = [
  ['info a.q', 'info --output=json a.q', 'info l.q', 'info --output=json l.q', 'map l.q', 'map a.q'],
  ['check S --image-opts LUKS:s0', 'check S --image-opts LUKS:s1', 'check S --image-opts LUKS:nope', 'check S --image-opts --output=json AES:s1'],
  ['map --output=json S --image-opts LUKS:s0', 'map --output=json S --image-opts AES:s0', 'map S --image-opts AES:none', 'map S --image-opts LUKS:s1'],
  ['convert -O raw l.q out', 'convert S -O raw --image-opts LUKS:s1 out', 'convert S -O raw --image-opts LUKS:s0 out', 'compare S --image-opts LUKS:s0 driver=raw,file.filename=out', 'compare S --image-opts AES:s0 driver=raw,file.filename=out', 'compare S --image-opts AES:s0 AES:s1'],
  ['convert S -c -O qcow2 -o encrypt.format=aes,encrypt.key-secret=s0 plain out', 'convert -c -O qcow2 -o encryption=on plain out', 'convert -c -O qcow2 -o encrypt.format=luks,preallocation=full plain out', 'convert -c -O qcow2 -o encryption=off,preallocation=full plain out', 'convert S -n -O qcow2 plain a.q'],
  ['convert S -O qcow2 -o encrypt.format=aes,encrypt.key-secret=s0 plain out', 'convert S -n -f raw --target-image-opts plain LUKS:s1', 'convert S -n -f raw --target-image-opts plain LUKS:s0', 'compare S --image-opts LUKS:s0 driver=qcow2,file.filename=out,encrypt.key-secret=s0'],
  ['snapshot -c one l.q', 'snapshot S --image-opts -c two LUKS:s0', 'snapshot S --image-opts -a two LUKS:s1', 'snapshot S --image-opts -a two LUKS:s0', 'snapshot S --image-opts -d two LUKS:s0', 'check S --image-opts LUKS:s0'],
  ['resize l.q 2M', 'resize S --image-opts LUKS:s0 2M', 'resize S --image-opts LUKS:s0 1000001', 'resize S --image-opts --shrink LUKS:s0 512k', 'resize S --image-opts --preallocation=metadata AES:s0 2M', 'resize S --image-opts --preallocation=full AES:s0 3M'],
  ...['luks', 'luks,encrypt.key-secret=nope', 'luks,encrypt.key-secret=s0,encrypt.cipher-alg=foo', 'aes', 'none'].map((format) => [`measure S -O qcow2 --size 1G -o encrypt.format=${format}`]),
  ['measure S -O luks --size 1G -o key-secret=nope', 'measure S -O qcow2 --image-opts LUKS:s0'],
  ...['encryption=on', 'encryption=on,encrypt.key-secret=nope', 'encrypt.format=foo,encrypt.key-secret=s0', 'encrypt.format=none', 'encrypt.format=', 'encrypt.key-secret=s0', 'encryption=on,encrypt.format=aes,encrypt.key-secret=s0', 'encrypt.format=aes,encrypt.cipher-alg=aes-256,encrypt.key-secret=s0', 'encrypt.format=luks', 'encrypt.format=luks,encrypt.hash-alg=foo,encrypt.key-secret=s0'].map((options) => [`create -f qcow2 S -o ${options} new 1M`]),
  ['create -f qcow2 -b l.q -F qcow2 new', 'create -f qcow2 -b l.q -F qcow2 new 1M', 'info --backing-chain new', 'check new', 'rebase -u -F raw -b plain l.q', 'info l.q'],
  ['amend -f luks -o help', 'amend -o encrypt.state=active,encrypt.new-secret=s1 l.q', 'amend S --image-opts LUKS:s0 -o encrypt.new-secret=s1', 'amend S --image-opts LUKS:s0 -o encrypt.state=active', 'amend S --image-opts LUKS:s0 -o encrypt.state=foo', 'amend S --image-opts LUKS:s0 -o encrypt.cipher-alg=aes-128', 'amend S --image-opts LUKS:s0 -o encrypt.state=inactive,encrypt.old-secret=s0', 'amend S --image-opts LUKS:s0 -o encrypt.state=active,encrypt.new-secret=s1,encrypt.keyslot=-1'],
  ['amend S --image-opts AES:s0 -o encrypt.state=active,encrypt.new-secret=s1', 'amend -o encrypt.state=active,encrypt.new-secret=s1 plain.q', 'amend S --image-opts AES:s0 -o compat=0.10', 'compare S --image-opts AES:s0 driver=raw,file.filename=plain'],
  ['amend -p S --image-opts LUKS:s0 -o encrypt.state=active,encrypt.new-secret=s1,encrypt.iter-time=100,encrypt.keyslot=5,lazy_refcounts=on', 'info --slots l.q', 'amend S --image-opts LUKS:s1 -o encrypt.state=inactive,encrypt.old-secret=s0', 'amend S --image-opts LUKS:s0 -o compat=0.10', 'amend S --image-opts LUKS:s1 -o encrypt.state=inactive,encrypt.old-secret=s1', 'amend S --image-opts LUKS:s1 -o compat=0.10', 'info --slots l.q', 'compare S --image-opts LUKS:s1 driver=raw,file.filename=plain'],
  ['amend S --image-opts BOX:s0 -o state=active,new-secret=nope', 'amend -p S --image-opts BOX:s0 -o state=active,new-secret=s1,keyslot=3,iter-time=100', 'amend S --image-opts BOX:s1 -o state=inactive,keyslot=0', 'amend S --image-opts BOX:s1 -o state=inactive,keyslot=3', 'info --slots l.box', 'amend --force S --image-opts BOX:s1 -o state=inactive,keyslot=3', 'amend S --image-opts BOX:s1 -o state=active,new-secret=s0,iter-time=100', 'info --slots l.box'],
];

/** Without what changes with the time that key derivation takes, and where clusters are. */
function settled(words: readonly string[], ran: Ran): Ran {
  if (!words.includes('--slots')) return { ...ran, stdout: ran.stdout.replace(/^Image end offset: \d+$/m, '') };
  return { ...ran, stdout: ran.stdout.split('\n').filter((line) => /active|lazy|compat/.test(line)).join('\n') };
}

describe.skipIf(needs.skip)(needs.title('encrypted images on the command line'), () => {
  let dir: TempDir;
  beforeAll(async () => {
    dir = tempDir();
    const first = dir.file('first');
    mkdirSync(first);
    const content = Buffer.alloc(1 << 20);
    for (let at = 0; at < 300_000; at++) content[(at * 3) % content.length] = at % 251;
    writeFileSync(`${first}/plain`, content.fill(0, 500_000, 700_000));
    const key = 'encrypt.key-secret=s0';
    for (const words of [
      ['-O', 'qcow2', 'plain', 'plain.q'],
      ['-O', 'qcow2', '-o', `encrypt.format=aes,${key},cluster_size=16k`, 'plain', 'a.q'],
      ['-O', 'qcow2', '-o', `encrypt.format=luks,${key},encrypt.iter-time=10`, 'plain', 'l.q'],
      ['-O', 'luks', '-o', 'key-secret=s0,iter-time=10', 'plain', 'l.box'],
    ]) {
      expect(await oursIn(['convert', ...SECRETS, '-f', 'raw', ...words], first)).toEqual({ code: 0, stdout: '', stderr: '' });
    }
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  test.each(HISTORIES.map((history) => ({ name: history[0], history })))('$name …', async ({ history }) => {
    for (const side of ['mine', 'theirs']) {
      rmSync(dir.file(side), { recursive: true, force: true });
      cpSync(dir.file('first'), dir.file(side), { recursive: true });
    }
    for (const line of history) {
      const words = line.split(' ').flatMap((word) => (word === 'S' ? SECRETS : [word.replace(/^([A-Z]+):/, (_, name: string) => SHORT[name])]));
      const said = words.filter((word) => word !== '--slots');
      const mine = settled(words, await oursIn(said, dir.file('mine')));
      const theirs = settled(words, await reference(said, dir.file('theirs')));
      expect({ line, ...mine }).toEqual({ line, ...theirs });
    }
  });

  test('what would be stored compressed is refused where it would not be encrypted', async () => {
    rmSync(dir.file('mine'), { recursive: true, force: true });
    cpSync(dir.file('first'), dir.file('mine'), { recursive: true });
    const words = ['convert', ...SECRETS, '-c', '-n', '-f', 'raw', '--target-image-opts', 'plain', `${SHORT['AES']}s0`];
    expect(await oursIn(words, dir.file('mine'))).toMatchObject({ code: 1, stderr: 'qemu-img: Compression and encryption not supported at the same time\n' });
    // What the reference stored so, and not encrypted, is read as it is.
    const side = dir.file('mine');
    await reference(['create', ...SECRETS, '-q', '-f', 'qcow2', '-o', 'encrypt.format=aes,encrypt.key-secret=s0', 'c.q', '1M'], side);
    const c = `${String(SHORT['AES']).replace('a.q', 'c.q')}s0`;
    expect(await reference(['convert', ...SECRETS, '-c', '-n', '-f', 'raw', '--target-image-opts', 'plain', c], side)).toMatchObject({ code: 0 });
    for (const tool of [oursIn, reference]) {
      expect((await tool(['map', '--output=json', ...SECRETS, '--image-opts', c], side)).stdout).toBe((await reference(['map', '--output=json', ...SECRETS, '--image-opts', c], side)).stdout);
      expect(await tool(['check', ...SECRETS, '--image-opts', c], side)).toMatchObject({ code: 0, stdout: expect.stringContaining('100.00% compressed clusters') as string });
      expect(await tool(['compare', ...SECRETS, '--image-opts', c, 'driver=raw,file.filename=plain'], side)).toMatchObject({ code: 0, stdout: 'Images are identical.\n' });
    }
  });

  // The reference derives keys for these, for as long as it may take; its numbers are written down.
  test.each([
    ['luks', 'key-secret=s0', 1075810304, 1075810304],
    ['qcow2', 'encrypt.format=luks,encrypt.key-secret=s0', 2490368, 1076232192],
    ['qcow2', 'encrypt.format=luks,encrypt.key-secret=s0,encrypt.cipher-alg=aes-128,cluster_size=4k', 3690496, 1077432320],
    ['qcow2', 'encrypt.format=luks,encrypt.key-secret=s0,preallocation=full', 1076232192, 1076232192],
  ])('measured: %s with %s', async (format, options, required, full) => {
    const ran = await oursIn(['measure', ...SECRETS, '-O', format, '--size', '1G', '-o', options], dir.path);
    expect(ran).toEqual({ code: 0, stdout: `required size: ${required}\nfully allocated size: ${full}\n`, stderr: '' });
  });

  test('what is added with preallocation reads as zeroes', async () => {
    const side = dir.file('mine');
    rmSync(side, { recursive: true, force: true });
    cpSync(dir.file('first'), side, { recursive: true });
    for (const image of ['LUKS', 'AES'].map((name) => `${String(SHORT[name])}s0`)) {
      for (const [mode, size] of [['metadata', '2M'], ['falloc', '3M'], ['full', '4M']]) {
        expect(await oursIn(['resize', ...SECRETS, '--image-opts', `--preallocation=${mode}`, image, size], side)).toMatchObject({ code: 0 });
      }
      expect(await reference(['compare', ...SECRETS, '--image-opts', image, 'driver=raw,file.filename=plain'], side)).toMatchObject({ code: 0 });
      expect(await reference(['check', ...SECRETS, '--image-opts', image], side)).toMatchObject({ code: 0 });
    }
  });
});
