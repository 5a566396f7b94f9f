/** Passphrases: right, wrong, added and erased; headers that nobody should trust. */
import { UNTRUSTED, type BlockNode } from '@blk/core-graph';
import type { LuksAmendOptions } from '@blk/crypto';
import { prng } from '@blk/driver-conformance';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, load, OBJECTS, readAll, save, theirIo, theirs } from './support.js';

const amend = async (node: BlockNode, options: LuksAmendOptions, force = false): Promise<void> => node.driver.amend?.({ ...options }, { force });

describe('passphrases', () => {
  test('a wrong one, none, one that is not there, one that is no text', async () => {
    const bench = new Bench();
    const disk = await bench.create(65536);
    await expect(bench.open(disk, 'wrong')).rejects.toMatchObject({ kind: 'permission', message: 'Invalid password, cannot unlock any keyslot' });
    await expect(bench.open(disk, 'missing')).rejects.toThrow("No secret with id 'missing'");
    await expect(bench.graph.open({ driver: 'luks', file: disk.definition })).rejects.toThrow("Parameter 'key-secret' is required for cipher");
    await expect(bench.graph.create('memory:x', { format: 'luks', size: 512 })).rejects.toThrow("Parameter 'key-secret' is required for cipher");
  });

  test('more iterations than a key can be derived with: refused, for new containers and for slots; other slots open', async () => {
    const bench = new Bench();
    await expect(bench.create(65536, { 'iter-time': 9_999_999_999_999 })).rejects.toThrow("Parameter 'iter-time' is too large");
    const disk = await bench.create(65536);
    const node = await bench.open(disk);
    await amend(node, { state: 'active', 'new-secret': 'new', 'iter-time': 0 });
    await bench.graph.release(node);
    const image = disk.toBytes();
    new DataView(image.buffer, image.byteOffset).setUint32(212, 2 ** 31);
    await disk.write(212, image, 212, 4, 0);
    await expect(bench.open(disk)).rejects.toMatchObject({ kind: 'policy', message: expect.stringContaining('2147483648 iterations') as string });
    await bench.graph.release(await bench.open(disk, 'new'));
  });

  test('without a key: described, but neither read nor written nor grown', async () => {
    const bench = new Bench();
    const disk = await bench.create(65536);
    const before = disk.toBytes();
    const node = await bench.graph.open({ driver: 'luks', file: disk.definition }, { noIo: true });
    expect(await node.driver.info?.()).toMatchObject({ encrypted: true, specific: { type: 'luks', data: { 'cipher-alg': 'aes-256' } } });
    const buffer = new Uint8Array(512);
    await expect((async () => node.read(0, buffer, 0, 512))()).rejects.toThrow('The container was opened without a key');
    await expect((async () => node.write(0, buffer, 0, 512))()).rejects.toThrow('The container was opened without a key');
    await expect(node.truncate(1 << 20, { preallocation: 'off' })).rejects.toThrow('The container was opened without a key');
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    await bench.graph.release(node);
    expect(Buffer.compare(disk.toBytes(), before)).toBe(0);
  });

  test('added and erased, with what is refused', async () => {
    const bench = new Bench();
    const disk = await bench.create(65536);
    const node = await bench.open(disk);
    await node.write(0, Buffer.from('stays'), 0, 5);
    const refusals: [LuksAmendOptions, string][] = [
      [{ 'new-secret': 'new' }, "Parameter 'state' is missing"],
      [{ state: 'maybe' }, "Parameter 'state' does not accept value 'maybe'"],
      [{ state: 'active' }, "'new-secret' is required to activate a keyslot"],
      [{ state: 'active', 'new-secret': 'new', 'old-secret': 'sec0' }, "'old-secret' must not be given when activating keyslots"],
      [{ state: 'active', 'new-secret': 'new', keyslot: 0 }, 'Refusing to overwrite active keyslot 0 - please erase it first'],
      [{ state: 'active', 'new-secret': 'new', keyslot: 8 }, 'Invalid keyslot 8 specified, must be between 0 and 7'],
      [{ state: 'inactive' }, 'To erase keyslot(s), either explicit keyslot index or the password currently contained in them must be given'],
      [{ state: 'inactive', keyslot: 0 }, 'Attempt to erase the only active keyslot 0 which will erase all the data in the image irreversibly - refusing operation'],
      [{ state: 'inactive', keyslot: 3 }, 'Given keyslot 3 is already erased (inactive) '],
      [{ state: 'inactive', keyslot: 0, 'old-secret': 'wrong' }, "Given keyslot 0 doesn't contain the given old password for erase operation"],
      [{ state: 'inactive', 'old-secret': 'wrong' }, 'No keyslots match given (old) password for erase operation'],
      [{ state: 'inactive', 'old-secret': 'sec0' }, 'All the active keyslots match the (old) password'],
      [{ state: 'inactive', 'old-secret': 'sec0', 'new-secret': 'new' }, "'new-secret' must not be given when erasing keyslots"],
      [{ state: 'inactive', 'old-secret': 'sec0', 'iter-time': 1 }, "'iter-time' must not be given when erasing keyslots"],
    ];
    const before = disk.toBytes();
    for (const [options, message] of refusals) await expect(amend(node, options), message).rejects.toThrow(message);
    expect(Buffer.compare(disk.toBytes(), before)).toBe(0);

    await amend(node, { state: 'active', 'new-secret': 'new', 'iter-time': 0 });
    await amend(node, { state: 'active', 'new-secret': 'new', 'iter-time': 0, keyslot: 5 });
    await amend(node, { state: 'inactive', 'old-secret': 'sec0' });
    await bench.graph.release(node);
    await expect(bench.open(disk)).rejects.toThrow('Invalid password');
    const again = await bench.open(disk, 'new');
    expect(Buffer.from(await readAll(again)).toString('utf8', 0, 5)).toBe('stays');
    expect((await again.driver.info?.())?.specific?.data).toMatchObject({ slots: [{ active: false }, { active: true }, {}, {}, {}, { active: true }, {}, {}] });
    for (let slot = 0; slot < 6; slot++) await amend(again, { state: 'active', 'new-secret': 'sec0', 'iter-time': 0 });
    await expect(amend(again, { state: 'active', 'new-secret': 'sec0' })).rejects.toThrow("Can't add a keyslot - all keyslots are in use");
    await amend(again, { state: 'inactive', 'old-secret': 'sec0' });
    // Knowingly.
    await amend(again, { state: 'inactive', 'old-secret': 'new' }, true);
    await bench.graph.release(again);
    await expect(bench.open(disk, 'new')).rejects.toThrow('Invalid password');
  });

  test('where the file is cut short in the key material, no slot opens; in the header, there is none', async () => {
    const bench = new Bench();
    const bytes = (await bench.create(65536)).toBytes();
    const cut = (length: number): ReturnType<Bench['open']> => bench.open(bench.disks.put('image', { content: bytes.slice(0, length) }));
    await expect(cut(100)).rejects.toMatchObject({ kind: 'invalid-image', message: 'LUKS header is cut short' });
    await expect(cut(5)).rejects.toThrow('Volume is not in LUKS format');
    await expect(cut(200_000)).rejects.toThrow('lies beyond the end of the file');
  });
});

const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
const word = (text: string): Uint8Array => Buffer.from(`${text}\0`);
const FULL = Buffer.alloc(32, 'a');

/** Edits of a header, and the words of the reference where it has some. */
const DAMAGE: [string, [number, Uint8Array][], string][] = [
  ['another version', [[6, Uint8Array.of(0, 2)]], 'LUKS version 2 is not supported'],
  ['no magic', [[0, word('X')]], 'Volume is not in LUKS format'],
  ['unknown cipher', [[8, word('foo')]], "Algorithm 'foo' with key size 32 bytes not supported"],
  ['endless cipher name', [[8, FULL]], 'LUKS header cipher name is not NUL terminated'],
  ['endless mode', [[40, FULL]], 'LUKS header cipher mode is not NUL terminated'],
  ['endless hash', [[72, FULL]], 'LUKS header hash spec is not NUL terminated'],
  ['mode without vectors', [[40, word('xts')]], "Unexpected cipher mode string format 'xts'"],
  ['unknown mode', [[40, word('foo-plain64')]], "Cipher mode 'foo' not supported"],
  ['unknown vectors', [[40, word('xts-foo')]], "IV generator 'foo' not supported"],
  ['unknown hash of vectors', [[40, word('xts-essiv:foo')]], "Hash algorithm 'foo' not supported"],
  ['vectors without their hash', [[40, Buffer.from('xts-essiv\0\0\0\0\0\0\0\0')]], 'Missing IV generator hash specification'],
  ['unknown hash', [[72, word('foo')]], "Hash algorithm 'foo' not supported"],
  ['payload in the header', [[104, u32(1)]], 'LUKS payload is overlapping with the header'],
  ['payload in a slot', [[104, u32(100)]], 'Keyslot 0 is overlapping with the encrypted payload'],
  ['no key', [[108, u32(0)]], "Algorithm 'aes' with key size 0 bytes not supported"],
  ['an odd key', [[108, u32(63)]], "Algorithm 'aes' with key size 31 bytes not supported"],
  ['no iterations for the key', [[164, u32(0)]], 'LUKS key iteration count is zero'],
  ['slot neither active nor not', [[208, u32(5)]], 'Keyslot 0 state (active/disable) is corrupted'],
  ['slot without iterations', [[212, u32(0)]], 'Keyslot 0 iteration count is zero'],
  ['slot in the header', [[248, u32(0)]], 'Keyslot 0 is overlapping with the LUKS header'],
  ['slot over another', [[248, u32(520192 / 512)]], 'Keyslots 0 and 2 are overlapping in the header'],
  ['no stripes', [[252, u32(0)]], 'Keyslot 0 is corrupted (stripes 0 != 4000)'],
  ['many stripes', [[300, u32(0xffffffff)]], 'Keyslot 1 is corrupted (stripes -1 != 4000)'],
];
/** What the reference accepts, or finds out later. */
const STRICTER: typeof DAMAGE = [
  ['a huge key', [[108, u32(0xffffffff)]], "Algorithm 'aes' with key size 2147483647 bytes not supported"],
  ['slot beyond the payload', [[248, u32(0xffffffff)]], 'Keyslot 0 is overlapping with the encrypted payload'],
  ['payload beyond the end', [[104, u32(0xffffffff)]], 'lies beyond the end of the file'],
  ['a cipher that is not here', [[8, word('serpent')]], "Algorithm 'serpent-256' not supported"],
];

describe('hostile headers', () => {
  test.each([...DAMAGE, ...STRICTER])('%s', async (_name, edits, message) => {
    const bench = new Bench();
    const bytes = (await bench.create(65536)).toBytes();
    for (const [at, edit] of edits) bytes.set(edit, at);
    await expect(bench.open(bench.disks.put('image', { content: bytes }))).rejects.toThrow(message);
  });

  test('more work than the policy allows is not begun', async () => {
    const bench = new Bench({ ...UNTRUSTED, allowReference: () => true });
    const bytes = (await new Bench().create(65536)).toBytes();
    bytes.set(u32(0xffffffff), 212);
    await expect(bench.open(bench.disks.put('image', { content: bytes }))).rejects.toMatchObject({ kind: 'policy' });
  });

  test('any header gives an image or an error', async () => {
    const random = prng(11);
    const bytes = (await new Bench().create(65536)).toBytes();
    for (let run = 0; run < 150; run++) {
      const copy = bytes.slice();
      for (let edit = 0; edit <= random.below(3); edit++) copy[random.below(592)] = random.below(256);
      // Iterations and salts only cost time.
      copy.set(bytes.subarray(212, 213), 212);
      copy.set(bytes.subarray(164, 165), 164);
      const bench = new Bench({ ...UNTRUSTED, maxKeyIterations: 100_000 });
      try {
        await bench.graph.release(await bench.open(bench.disks.put('image', { content: copy })));
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError' });
      }
    }
  });
});

const oracle = skipUnless('qemu-img', 'qemu-io');

describe.skipIf(oracle.skip)(oracle.title('the reference about the same'), () => {
  test('damaged headers, in the same words', async () => {
    using dir = tempDir();
    const bytes = (await new Bench().create(65536)).toBytes();
    for (const [name, edits, message] of DAMAGE) {
      const copy = bytes.slice();
      for (const [at, edit] of edits) copy.set(edit, at);
      save(new Bench().disks.put('x', { content: copy }), dir.file('disk'));
      expect(await theirIo(dir.file('disk'), ['length']), name).toContain(message);
    }
  });

  test('slots that the reference filled open here, and the other way round; what was erased does not', async () => {
    using dir = tempDir();
    const file = dir.file('disk');
    await theirs(file, 65536, '');
    await theirIo(file, ['write -P 5 0 64k']);
    const image = ['--image-opts', `driver=luks,key-secret=sec0,file.filename=${file}`];
    expect((await qemuImg('amend', ...OBJECTS, ...image, '-o', 'state=active,new-secret=new,iter-time=200')).code).toBe(0);
    const bench = new Bench();
    const disk = load(file);
    const node = await bench.open(disk, 'new');
    expect((await readAll(node)).every((byte) => byte === 5)).toBe(true);
    await amend(node, { state: 'inactive', 'old-secret': 'sec0' });
    await amend(node, { state: 'active', 'new-secret': 'wrong', keyslot: 7, 'iter-time': 0 });
    await bench.graph.release(node);
    save(disk, file);
    expect(await theirIo(file, ['read -P 5 0 64k'])).toContain('Invalid password, cannot unlock any keyslot');
    for (const secret of ['new', 'wrong']) expect(await theirIo(file, ['read -P 5 0 64k'], secret)).toContain('65536/65536');
  });
});
