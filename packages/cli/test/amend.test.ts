// `amend` and `resize` beside the reference: the same words on the same images, output and images compared.
import { mkdirSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { qemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { oursIn, reference, type Ran } from './img-support.js';

const needs = skipUnless('qemu-img', 'qemu-io');

/** Each row is a history of one image: how it is made, and what is done to it one after the other. */
const HISTORIES: readonly (readonly string[])[] = [
  ['create -f qcow2 a 4M', 'amend -o compat=0.10 a', 'amend -o lazy_refcounts=on a', 'amend -o compat=v3,lazy_refcounts=on a', 'amend -o compat=0.10 a'],
  ['create -f qcow2 a 4M', 'amend', 'amend a', 'amend -o x a', 'amend -o compat=1.1', 'amend -o compat=1.1 a b', 'amend -o compat=foo a', 'amend -o help a'],
  ['create -f qcow2 a 4M', 'amend -f qcow2 -o help', 'amend -f raw -o help', 'amend -f raw -o size=1M a', 'amend -o help', 'amend -f bogus -o compat=1.1 a'],
  ['create -f qcow2 a 4M', 'amend -o refcount_bits=7 a', 'amend -o refcount_bits=0 a', 'amend -o refcount_bits=8 a', 'amend -o compat=0.10 a', 'amend -q -o compat=0.10,refcount_bits=16 a', 'amend -o refcount_bits=8 a', 'amend -o compat=1.1,refcount_bits=64 a'],
  ['create -f qcow2 a 4M', 'amend -o cluster_size=4k a', 'amend -o preallocation=off a', 'amend -o data_file=foo a', 'amend -o data_file_raw=on a', 'amend -o data_file_raw=off a', 'amend -o bogus=1 a'],
  ['create -f qcow2 a 4M', 'amend -o backing_file=b a', 'amend -o backing_file= a', 'amend -o backing_fmt=raw a', 'amend -t foo -o compat=1.1 a', 'amend -t none -o compat=1.1 a', 'amend -o compat=1.1 missing'],
  ['create -f qcow2 a 4M', 'amend --image-opts -o compat=0.10 driver=qcow2,file.filename=a', 'amend --image-opts -f qcow2 -o compat=1.1 driver=qcow2,file.filename=a', 'amend --force -o compat=1.1 a'],
  ['create -f qcow2 a 4M', 'io write -P 5 0 4M', 'amend -o size=8M a', 'amend -o size=2M a', 'amend -o size=xx a', 'amend -o size=3M,compat=0.10 a'],
  ['create -f qcow2 -o cluster_size=4k,refcount_bits=8 a 1M', 'io write 0 64k', 'snapshot -c x a', 'amend -o refcount_bits=1 a', 'amend -o refcount_bits=2 a', 'amend -o compat=0.10 a'],
  ['create -f qcow2 a 1M', 'io write -z 64k 128k', 'io write -P 3 256k 64k', 'io write -z 256k 64k', 'amend -o compat=0.10 a', 'amend -o compat=1.1 a'],
  ['create -f qcow2 a 1M', 'snapshot -c s a', 'amend -o compat=0.10 a', 'amend -o size=2M a', 'resize a 2M', 'resize --shrink a 512k', 'amend -o compat=1.1,size=2M a'],
  ['create -f raw b 1M', 'create -f qcow2 -b b -F raw a', ...['b', 'c', '', 'b,backing_fmt=raw', 'b,backing_fmt=qcow2', 'b,compat=0.10'].map((name) => `amend -o backing_file=${name} a`), 'amend -o backing_fmt=raw a', 'amend -p -o lazy_refcounts=on,size=2M a', 'io write -z 64k 64k', 'amend -q -p -o compat=0.10,lazy_refcounts=off a'],
  ['create -f qcow2 a 1M', ...['encryption=on', 'encrypt.format=luks', 'lazy_refcounts=maybe', 'size=-1', 'size=1000', 'extended_l2=on', 'compression_type=zstd', 'size=0', 'size=+1M', 'compat=1.1,compat=0.10', 'lazy_refcounts'].map((option) => `amend -o ${option} a`), 'amend -p -o lazy_refcounts=maybe a'],
  ['create -f qcow2 -o data_file=d a 1M', 'io write -P 7 0 100k', 'amend -o data_file_raw=on a', 'amend -o data_file_raw=off a', 'amend -o compat=0.10 a', 'amend -o refcount_bits=8,lazy_refcounts=on a', 'amend -o size=2M a', 'amend -o data_file=d a', 'io write -P 8 1M 100k'],
  ['create -f qcow2 -o data_file=d,data_file_raw=on a 1M', 'amend -o data_file_raw=on a', 'amend -o data_file_raw=off,compat=0.10 a', 'amend -o data_file_raw=off a', 'amend -o data_file_raw=on a'],
  ['create -f qcow2 -o extended_l2=on a 1M', 'io write -P 3 0 100k', 'amend -o compat=0.10 a', 'amend -o refcount_bits=32 a', 'amend -o size=3M a', 'amend -o size=64k a'],
  ...['off', 'metadata', 'falloc', 'full'].flatMap((mode) => [
    [`create -f qcow2 -o preallocation=${mode} a 3M`, `resize --preallocation=${mode} a 5M`, `resize --preallocation=${mode} --shrink a 2M`],
    ['create -f qcow2 a 1M', 'io write -P 5 0 100k', `resize --preallocation=${mode} a +3M`, 'io write -P 6 2M 100k'],
  ]),
  ['create -f qcow2 a 4M', 'io write -P 5 0 4M', 'resize a 1M', 'resize --shrink a 1M', 'resize --shrink a -1M', 'resize a +1M', 'resize --preallocation=bogus a 6M', 'resize a 1000001'],
  ['create -f qcow2 a 4M', 'io write -P 5 0 4M', 'snapshot -c s a', 'resize --shrink a 1M', 'resize a 8M', 'snapshot -a s a', 'resize --shrink a 2M'],
  ['create -f qcow2 -o cluster_size=512 a 2M', 'io write -P 5 0 2M', 'resize --shrink a 64k', 'io write -P 6 0 64k', 'resize a 1M'],
];

describe.skipIf(needs.skip)(needs.title('amend and resize'), () => {
  let dir: TempDir;
  beforeAll(() => {
    dir = tempDir();
  });
  afterAll(() => {
    dir[Symbol.dispose]();
  });

  /** What of an image may be compared: not its size on the host, nor the places of things. */
  async function state(side: string): Promise<Record<string, unknown>> {
    const { stdout } = await reference(['info', '--output=json', 'a'], dir.file(side));
    const info = JSON.parse(stdout) as Record<string, unknown>;
    return { size: info['virtual-size'], specific: info['format-specific'] };
  }

  test.each(HISTORIES.map((history, index) => ({ index, history })))('history $index', async ({ history }) => {
    for (const side of ['mine', 'theirs']) {
      rmSync(dir.file(side), { recursive: true, force: true });
      mkdirSync(dir.file(side));
    }
    for (const line of history) {
      const [verb, ...words] = line.split(' ');
      if (verb === 'io') {
        for (const side of ['mine', 'theirs']) await qemuIo('a', [words.join(' ')], { format: 'qcow2', cwd: dir.file(side) });
        continue;
      }
      const theirs = await reference([verb, ...words], dir.file('theirs'));
      const mine: Ran = verb === 'snapshot' ? await reference([verb, ...words], dir.file('mine')) : await oursIn([verb, ...words], dir.file('mine'));
      expect({ line, ...mine }).toEqual({ line, ...theirs });
    }
    expect(await state('mine')).toEqual(await state('theirs'));
    const { code, stdout, stderr } = await reference(['check', 'a'], dir.file('mine'));
    await reference(['convert', '-f', 'qcow2', '-O', 'raw', 'a', '../content'], dir.file('theirs'));
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' });
    const compared = await reference(['compare', '-f', 'qcow2', '-F', 'raw', 'a', '../content'], dir.file('mine'));
    expect(compared.stdout).toBe('Images are identical.\n');
  });
});
