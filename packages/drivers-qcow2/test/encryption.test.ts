/** Encrypted images: both ways with the reference, over random histories; wrong keys, no keys, damaged headers. */
import { writeFileSync } from 'node:fs';
import { takeSnapshot, WriteFlag, type BlockNode } from '@blk/core-graph';
import { expectSameBytes } from '@blk/driver-conformance';
import { qemuImg, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { playHistory } from './history.js';
import { Bench, done, load, readAll, save, SECRET_OBJECTS as OBJECTS, write } from './support.js';

const KEY = { 'encrypt.key-secret': 'sec0' };
const LUKS = { 'encrypt.format': 'luks', 'encrypt.iter-time': 0, ...KEY };
const AES = { 'encrypt.format': 'aes', ...KEY };
const image = (file: string, secret = 'sec0'): string => `driver=qcow2,encrypt.key-secret=${secret},file.filename=${file}`;

const CASES: { readonly name: string; readonly options: Record<string, unknown>; readonly clusterSize: number }[] = [
  { name: 'AES', options: { ...AES, cluster_size: 4096 }, clusterSize: 4096 },
  { name: 'AES, version 2', options: { ...AES, compat: '0.10', cluster_size: 65536 }, clusterSize: 65536 },
  { name: 'AES, clusters of 512', options: { ...AES, cluster_size: 512 }, clusterSize: 512 },
  { name: 'AES by its old name, preallocated in version 2', options: { encryption: true, ...KEY, compat: '0.10', preallocation: 'metadata', cluster_size: 4096 }, clusterSize: 4096 },
  { name: 'LUKS', options: { ...LUKS }, clusterSize: 65536 },
  { name: 'LUKS, version 2', options: { ...LUKS, compat: '0.10', cluster_size: 4096 }, clusterSize: 4096 },
  { name: 'LUKS in CBC mode with ESSIV, clusters of 512', options: { ...LUKS, cluster_size: 512, 'encrypt.cipher-mode': 'cbc', 'encrypt.ivgen-alg': 'essiv' }, clusterSize: 512 },
  { name: 'LUKS, AES-128, lazy refcounts, preallocated', options: { ...LUKS, 'encrypt.cipher-alg': 'aes-128', lazy_refcounts: true, preallocation: 'full', cluster_size: 8192 }, clusterSize: 8192 },
];

const oracle = skipUnless('qemu-img', 'qemu-io');

async function checked(file: string, top = image(file)): Promise<void> {
  const { code, stdout, stderr } = await qemuImg('check', ...OBJECTS, '--image-opts', top);
  expect(`${code} ${stderr}${stdout}`).toContain('0 No errors were found');
}

/** The reference reads these bytes. */
async function sameThere(file: string, model: Uint8Array, top = image(file)): Promise<void> {
  writeFileSync(`${file}.raw`, model);
  const { stdout, stderr } = await qemuImg('compare', ...OBJECTS, '--image-opts', top, `driver=raw,file.filename=${file}.raw`);
  expect(stderr + stdout).toContain('Images are identical.');
}

async function theirIo(file: string, commands: readonly string[], options = image(file)): Promise<string> {
  const { stdout, stderr } = await run('qemu-io', [...OBJECTS, '-d', 'unmap', '--image-opts', options, ...commands.flatMap((command) => ['-c', command])]);
  return stdout + stderr;
}

/** The reference's own; it times key derivation by the processor's clock, and now and then fails for that. */
async function theirs(file: string, size: number, options: string): Promise<void> {
  for (let turn = 0; turn < 7; turn++) {
    const words = options.includes('luks') ? `${options},encrypt.iter-time=${40 * 2 ** turn}` : options;
    const { code, stderr } = await qemuImg('create', '-q', '-f', 'qcow2', ...OBJECTS, '-o', `encrypt.key-secret=sec0,${words}`, file, String(size));
    if (code === 0) return;
    if (!stderr.includes('Unable to get accurate CPU usage')) throw new Error(stderr);
  }
  throw new Error('the reference made no image');
}

describe.skipIf(oracle.skip)(oracle.title('encrypted images both ways'), () => {
  test.each(CASES)('ours, $name: random histories', async ({ options, clusterSize }) => {
    using dir = tempDir();
    const bench = new Bench();
    const size = Math.min(clusterSize * 300, 3 << 20);
    const disk = await bench.create(size, options);
    const model = new Uint8Array(size);
    await playHistory(bench, disk, model, { seed: clusterSize, steps: 100, clusterSize, open: KEY, reopenEvery: 50 });
    const marker = new Uint8Array(clusterSize).map((_, at) => at % 199);
    const node = await bench.open(disk, KEY);
    await write(node, 0, marker);
    model.set(marker);
    await bench.graph.release(node);
    expect(Buffer.from(disk.toBytes()).includes(Buffer.from(marker.subarray(0, 64)))).toBe(false);
    save(disk, dir.file('image'));
    await checked(dir.file('image'));
    await sameThere(dir.file('image'), model);
  });

  test.each(['encrypt.format=aes', 'encrypt.format=aes,compat=0.10,cluster_size=512', 'encrypt.format=luks,cluster_size=16k'])(
    "the reference's, %s",
    async (options) => {
      using dir = tempDir();
      const file = dir.file('image');
      const size = 1 << 20;
      await theirs(file, size, options);
      await theirIo(file, [`write -P 3 0 300k`, 'write -P 4 100k 512', 'write -z 200k 64k', 'write -z -u 128k 4k', 'write -P 9 900k 124k']);
      const model = new Uint8Array(size).fill(3, 0, 300 << 10).fill(4, 100 << 10, (100 << 10) + 512).fill(0, 200 << 10, 264 << 10);
      model.fill(0, 128 << 10, 132 << 10).fill(9, 900 << 10);
      const bench = new Bench();
      const disk = load(file);
      const node = await bench.open(disk, KEY, true);
      expectSameBytes(await readAll(node), model);
      const { stdout } = await qemuImg('info', '--output=json', file);
      const theirInfo = (JSON.parse(stdout) as { 'format-specific': { data: Record<string, unknown> } })['format-specific'].data['encrypt'];
      const info = await node.driver.info?.();
      expect(JSON.stringify(info?.specific?.data['encrypt'])).toBe(JSON.stringify(theirInfo));
      expect(info?.encrypted).toBe(true);
      await bench.graph.release(node);
      await playHistory(bench, disk, model, { seed: 5, steps: 40, clusterSize: 4096, open: KEY });
      save(disk, file);
      await checked(file);
      await sameThere(file, model);
    },
    // The reference makes its keys slow to derive.
    300_000,
  );

  test('over a backing file that is encrypted with another key', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const size = 1 << 20;
    const base = await bench.create(size, { ...LUKS, 'encrypt.key-secret': 'new', cluster_size: 4096 }, 'base');
    const node = await bench.open(base, { 'encrypt.key-secret': 'new' });
    const model = new Uint8Array(size).fill(5, 1000, 500_000);
    await write(node, 0, model);
    await bench.graph.release(node);
    const disk = await bench.create(size, { ...AES, backing_file: 'base', backing_fmt: 'qcow2', cluster_size: 65536 });
    const backing = { driver: 'qcow2', 'encrypt.key-secret': 'new', file: base.definition };
    await playHistory(bench, disk, model, { seed: 8, steps: 80, clusterSize: 65536, open: { ...KEY, backing } });
    save(base, dir.file('base'));
    save(disk, dir.file('image'));
    const top = `${image(dir.file('image'))},backing.encrypt.key-secret=new`;
    await checked(dir.file('image'), top);
    await sameThere(dir.file('image'), model, top);
  });

  test('made version 2, over a backing file and with a snapshot: marks for zeroes become encrypted zeroes', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const size = 256 << 10;
    const base = await bench.open(await bench.create(size, { cluster_size: 4096 }, 'base'));
    await write(base, 0, new Uint8Array(size).fill(9));
    await bench.graph.release(base);
    save(bench.disks.get('base'), dir.file('base'));
    for (const options of [LUKS, AES]) {
      const disk = await bench.create(size, { ...options, backing_file: 'base', backing_fmt: 'qcow2', cluster_size: 4096 });
      const node = await bench.open(disk, { ...KEY, backing: { driver: 'qcow2', file: bench.disks.get('base').definition } });
      const model = new Uint8Array(size).fill(9);
      await write(node, 8192, model.fill(3, 8192, 12288).subarray(8192, 12288));
      await done(node.writeZeroes(4096, 4096, WriteFlag.MayUnmap));
      model.fill(0, 4096, 8192);
      await takeSnapshot(node, { name: 'one', dateSec: 1, dateNsec: 0 });
      const kept = model.slice();
      await done(node.writeZeroes(8192, 8192, 0));
      model.fill(0, 8192, 16384);
      await node.driver.amend?.({ compat: '0.10' }, { force: false });
      expectSameBytes(await readAll(node), model);
      await bench.graph.release(node);
      save(disk, dir.file('image'));
      await checked(dir.file('image'));
      await sameThere(dir.file('image'), model);
      await qemuImg('snapshot', ...OBJECTS, '--image-opts', '-a', 'one', image(dir.file('image')));
      await sameThere(dir.file('image'), kept);
    }
  });

  test('resized: what is added reads as zeroes', async () => {
    using dir = tempDir();
    const bench = new Bench();
    const disk = await bench.create(200_000, { ...LUKS, cluster_size: 4096 });
    const node = await bench.open(disk, KEY);
    const model = new Uint8Array(600_064);
    await write(node, 0, model.subarray(0, node.size).fill(7));
    await node.truncate(100_352, { preallocation: 'off', shrink: true });
    model.fill(0, node.size);
    await node.truncate(300_032, { preallocation: 'off' });
    await node.truncate(600_064, { preallocation: 'metadata' });
    expectSameBytes(await readAll(node), model);
    await bench.graph.release(node);
    save(disk, dir.file('image'));
    await checked(dir.file('image'));
    await sameThere(dir.file('image'), model);
  });

  test('the wrong one of two keys opens nothing of LUKS, and noise of AES, there as here', async () => {
    using dir = tempDir();
    const bench = new Bench();
    for (const [options, message] of [[LUKS, 'Invalid password, cannot unlock any keyslot'], [AES, 'Pattern verification failed']] as const) {
      const disk = await bench.create(1 << 20, options);
      const node = await bench.open(disk, KEY);
      await write(node, 0, new Uint8Array(4096).fill(5));
      await bench.graph.release(node);
      save(disk, dir.file('image'));
      expect(await theirIo(dir.file('image'), ['read -P 5 0 4k'], image(dir.file('image'), 'wrong'))).toContain(message);
    }
  });
});

describe('encrypted images', () => {
  const rejected = (open: Promise<BlockNode>): Promise<{ kind?: string; message: string }> => open.then(() => { throw new Error('opened'); }, (error: unknown) => error as Error);

  test.each([
    [LUKS, { 'encrypt.key-secret': 'wrong' }, 'permission', 'Invalid password, cannot unlock any keyslot'],
    [LUKS, { 'encrypt.key-secret': 'none' }, 'not-found', "No secret with id 'none'"],
    [LUKS, {}, 'invalid-argument', "Parameter 'encrypt.key-secret' is required for cipher"],
    [AES, {}, 'invalid-argument', "Parameter 'encrypt.key-secret' is required for cipher"],
    [LUKS, { ...KEY, 'encrypt.format': 'aes' }, 'invalid-argument', "Header reported 'luks' encryption format but options specify 'aes'"],
    [AES, { ...KEY, 'encrypt.format': 'luks' }, 'invalid-argument', "Header reported 'aes' encryption format but options specify 'luks'"],
    [{}, { ...KEY, 'encrypt.format': 'luks' }, 'invalid-argument', "No encryption in image header, but options specified format 'luks'"],
    [LUKS, { ...KEY, 'encrypt.foo': 'bar' }, 'invalid-argument', "Parameter 'foo' is unexpected"],
    [LUKS, { encrypt: 'luks' }, 'invalid-argument', "Block format 'qcow2' does not support the option 'encrypt'"],
  ])('%j opened with %j', async (create, open, kind, message) => {
    const bench = new Bench();
    expect(await rejected(bench.open(await bench.create(1 << 20, create), open))).toMatchObject({ kind, message });
  });

  test('a key for an image that needs none is left alone', async () => {
    const bench = new Bench();
    const node = await bench.open(await bench.create(1 << 20), KEY);
    expect((await node.driver.info?.())?.encrypted).toBeUndefined();
    await bench.graph.release(node);
  });

  test.each([LUKS, AES])('%j without a key: described, but neither read nor written', async (options) => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, options);
    const writer = await bench.open(disk, KEY);
    await write(writer, 0, new Uint8Array(4096).fill(5));
    await bench.graph.release(writer);
    const before = disk.toBytes();
    const node = await bench.graph.open({ driver: 'qcow2', file: disk.definition }, { noIo: true });
    expect(await node.driver.info?.()).toMatchObject({ encrypted: true, specific: { data: { encrypt: { format: options['encrypt.format'] } } } });
    const buffer = new Uint8Array(4096);
    await expect((async () => node.read(0, buffer, 0, 4096))()).rejects.toThrow('The image is encrypted and was opened without a key');
    await expect((async () => node.write(0, buffer, 0, 4096))()).rejects.toThrow('The image is encrypted and was opened without a key');
    await expect((async () => node.write(65536, buffer, 0, 4096))()).rejects.toThrow('The image is encrypted and was opened without a key');
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    await bench.graph.release(node);
    const after = disk.toBytes();
    expect(Buffer.compare(after.subarray(0, before.length), before)).toBe(0);
  });

  test('nothing is stored compressed, nor said to lie where the guest could find it', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, AES);
    const node = await bench.open(disk, KEY);
    await expect(write(node, 0, new Uint8Array(65536).fill(1), WriteFlag.Compressed)).rejects.toThrow('Compression is not supported by this format');
    await write(node, 0, new Uint8Array(65536).fill(1));
    expect(await node.driver.extent?.(0, 1 << 20)).toMatchObject({ data: true, hostOffset: -1, length: 65536 });
    await bench.graph.release(node);
  });

  test.each([
    [{ 'encrypt.format': 'foo', ...KEY }, "Parameter 'format' does not accept value 'foo'"],
    [KEY, "Parameter 'encrypt.format' is missing"],
    [{ ...LUKS, encryption: true }, "'encrypt.format' and its alias 'encryption' can't be used at the same time"],
    [{ ...AES, 'encrypt.cipher-alg': 'aes-256' }, "Parameter 'encrypt.cipher-alg' is unexpected"],
    [{ ...LUKS, 'encrypt.cipher-alg': 'foo' }, "Parameter 'cipher-alg' does not accept value 'foo'"],
    [{ ...LUKS, 'encrypt.cipher-alg': 'serpent-256' }, "Algorithm 'serpent-256' not supported"],
    [{ 'encrypt.format': 'luks' }, "Parameter 'encrypt.key-secret' is required for cipher"],
    [{ encryption: true }, "Parameter 'encrypt.key-secret' is required for cipher"],
    [{ 'encrypt.format': 'luks', 'encrypt.key-secret': 'none' }, "No secret with id 'none'"],
  ])('created with %j: %s', async (options, message) => {
    const bench = new Bench();
    await expect(bench.create(1 << 20, options)).rejects.toThrow(new RegExp(`^${message.replaceAll(/[()]/g, '\\$&')}$`));
    expect(bench.disks.get('image').size).toBe(0);
  });

  test.each([
    ['no extension', 112, [0x12, 0x34, 0x56, 0x78], 'Missing CRYPTO header for crypt method 2'],
    ['an extension of another length', 116, [0, 0, 0, 8, ...new Uint8Array(16)], 'CRYPTO header extension size 8, but expected size 16'],
    ['another method', 32, [0, 0, 0, 1], 'CRYPTO header extension only expected with LUKS encryption method'],
    ['no method', 32, [0, 0, 0, 0], 'CRYPTO header extension only expected with LUKS encryption method'],
    ['an unknown method', 32, [0, 0, 0, 3], 'Unsupported encryption method 3'],
    ['an odd place', 120, [0, 0, 0, 0, 0, 4, 0, 1], "Encryption header offset '262145' is not a multiple of cluster size '65536'"],
    ['a place without a header', 120, [0, 0, 0, 0, 0, 0, 0, 0], 'Volume is not in LUKS format'],
    ['a place beyond the file', 120, [0, 0, 0x10, 0, 0, 0, 0, 0], 'Volume is not in LUKS format'],
    ['a place beyond everything', 120, [0x10, 0, 0, 0, 0, 0, 0, 0], 'Encryption header lies beyond 2^53 bytes'],
    ['no room', 128, [0, 0, 0, 0, 0, 0, 2, 88], 'Request for data outside of extension header'],
  ])('with %s', async (_name, at, bytes, message) => {
    const bench = new Bench();
    const content = (await bench.create(1 << 20, LUKS)).toBytes();
    content.set(bytes, at);
    expect((await rejected(bench.open(bench.disks.put('image', { content }), KEY))).message).toContain(message);
  });

  test('opened again by a repair, an image keeps its key', async () => {
    const bench = new Bench();
    const disk = await bench.create(1 << 20, LUKS);
    const node = await bench.open(disk, KEY);
    await write(node, 0, new Uint8Array(4096).fill(5));
    expect(await node.driver.check?.({ repair: 'all' })).toMatchObject({ corruptions: 0, leaks: 0, corruptionsFixed: 0, leaksFixed: 0 });
    const bytes = new Uint8Array(4096);
    await done(node.read(0, bytes, 0, 4096));
    expect(bytes.every((byte) => byte === 5)).toBe(true);
    await bench.graph.release(node);
  });
});
