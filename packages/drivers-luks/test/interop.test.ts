/** Containers both ways: made by the reference and read here, made here and read by the reference, in every cipher that both have. */
import { writeFileSync } from 'node:fs';
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, load, OBJECTS, readAll, save, theirIo, theirs } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const SIZE = 300 * 1024;

const CASES = [
  '', 'cipher-alg=aes-128,cipher-mode=cbc', 'cipher-alg=aes-192', 'cipher-alg=aes-256,hash-alg=sha512', 'cipher-mode=cbc,ivgen-alg=essiv',
  'cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=md5', 'cipher-mode=cbc,ivgen-alg=plain,hash-alg=sha1', 'cipher-mode=cbc,ivgen-alg=plain64,ivgen-hash-alg=sha1',
  'cipher-mode=ecb', 'cipher-mode=ctr,hash-alg=sha224', 'cipher-alg=aes-128,cipher-mode=ctr,ivgen-alg=essiv', 'ivgen-alg=essiv,hash-alg=ripemd160',
  'hash-alg=md5', 'hash-alg=sha384,ivgen-alg=plain',
];

const optionsOf = (text: string): Record<string, string> =>
  Object.fromEntries(text === '' ? [] : text.split(',').map((item) => item.split('=') as [string, string]));
const infoOf = async (file: string): Promise<Record<string, unknown>> => {
  const { stdout } = await qemuImg('info', '--output=json', '-f', 'luks', file);
  return (JSON.parse(stdout) as { 'format-specific': { data: Record<string, unknown> } })['format-specific'].data;
};

describe.skipIf(oracle.skip)(oracle.title('containers both ways'), () => {
  // It takes its time for each.
  test.each(CASES.filter((_, index) => index % 2 === 0))("the reference's, %s", async (options) => {
    using dir = tempDir();
    const file = dir.file('disk');
    await theirs(file, SIZE, options);
    await theirIo(file, [`write -P 1 0 ${SIZE}`, 'write -P 7 1024 5k', 'write -P 9 200k 100k']);
    const model = new Uint8Array(SIZE).fill(1).fill(7, 1024, 1024 + 5120).fill(9, 200 * 1024);
    const bench = new Bench();
    const disk = load(file);
    const node = await bench.open(disk);
    expect(node.size).toBe(SIZE);
    expectSameBytes(await readAll(node), model);
    // Key by key as well as value by value: the order is that of the reference.
    expect(JSON.stringify((await node.driver.info?.())?.specific?.data)).toBe(JSON.stringify(await infoOf(file)));
    const random = prng(3);
    for (let step = 0; step < 20; step++) {
      const offset = random.below(SIZE - 5000);
      const bytes = new Uint8Array(1 + random.below(5000)).fill(random.below(256));
      await node.write(offset, bytes, 0, bytes.length);
      model.set(bytes, offset);
    }
    await bench.graph.release(node);
    save(disk, file);
    await same(file, model);
  });

  test.each([...CASES, 'cipher-alg=aes-192,cipher-mode=cbc,ivgen-alg=essiv'])('ours, %s', async (options) => {
    using dir = tempDir();
    const file = dir.file('disk');
    const bench = new Bench();
    const disk = await bench.create(SIZE, optionsOf(options));
    const node = await bench.open(disk);
    const random = prng(5);
    const model = Uint8Array.from({ length: SIZE }, () => random.below(256));
    await node.write(0, model, 0, SIZE);
    const ours = await node.driver.info?.();
    expectSameBytes(await readAll(node), model);
    await bench.graph.release(node);
    save(disk, file);
    expect(Buffer.from(disk.toBytes()).includes(Buffer.from(model.subarray(0, 64)))).toBe(false);
    // The reference stops with a failed assertion where key material is no multiple of sectors.
    if (options.startsWith('cipher-alg=aes-192,cipher-mode=cbc')) return;
    expect(ours?.specific?.data).toEqual(await infoOf(file));
    await same(file, model);
  });

  test('the same layout for the same options', async () => {
    using dir = tempDir();
    for (const options of ['iter-time=10', 'cipher-alg=aes-128,iter-time=10']) {
      await theirs(dir.file('disk'), 12800, options);
      const { slots, 'payload-offset': payload } = (await infoOf(dir.file('disk'))) as { slots: { 'key-offset': number }[]; 'payload-offset': number };
      const bench = new Bench();
      const disk = await bench.create(12345, optionsOf(options));
      const node = await bench.open(disk);
      const data = (await node.driver.info?.())?.specific?.data as { slots: { 'key-offset': number }[]; 'payload-offset': number };
      expect(data['payload-offset']).toBe(payload);
      expect(data.slots.map((slot) => slot['key-offset'])).toEqual(slots.map((slot) => slot['key-offset']));
      expect(disk.size).toBe(load(dir.file('disk')).size);
      expect(node.size).toBe(12800);
      await bench.graph.release(node);
    }
  });
});

/** The reference reads these bytes. */
async function same(file: string, model: Uint8Array): Promise<void> {
  writeFileSync(`${file}.raw`, model);
  const image = `driver=luks,key-secret=sec0,file.filename=${file}`;
  const { code, stderr, stdout } = await qemuImg('compare', ...OBJECTS, '--image-opts', image, `driver=raw,file.filename=${file}.raw`);
  expect(stderr + stdout).toContain('Images are identical.');
  expect(code).toBe(0);
}
