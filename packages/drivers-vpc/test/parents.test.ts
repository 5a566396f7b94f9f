/** How differencing disks name their parents: by locators in any of eight slots, or in the header. */
import { MemoryDisk } from '@blk/driver-conformance';
import { describe, expect, test } from 'vitest';
import { Bench, differencing, patched, u32, u64, type Patches } from './support.js';

/** The slot that `differencing` fills, and others, by offset in the header. */
const slot = (index: number): number => 576 + index * 24;
const ascii = (text: string): number[] => [...text].map((char) => char.charCodeAt(0));
const bigEndian = (text: string): number[] => ascii(text).flatMap((unit) => [0, unit]);
const locator = (platform: string, length: number, offset: number): number[] => [...ascii(platform), ...u32(512), ...u32(length), ...u32(0), ...u64(offset)];

interface Naming {
  readonly name: string;
  readonly platform?: string;
  readonly patches?: Patches;
}

async function childOf({ name, platform = 'W2ru', patches = {} }: Naming): Promise<Uint8Array> {
  const parent = (await new Bench().create(1 << 20, { subformat: 'fixed', force_size: true })).toBytes();
  return patched(differencing(parent, name, { platform }), patches);
}

const open = (bytes: Uint8Array): ReturnType<Bench['open']> => new Bench().open(new MemoryDisk({ content: bytes }), { backing: null }, { readOnly: true });

const URL_BYTES = ascii('file:///elsewhere/other.vhd');

describe('the name of the parent', () => {
  test.each<[string, Naming, string]>([
    ['is a path and no URL', { name: 'a:parent.vhd' }, './a:parent.vhd'],
    ['begins in the folder of the image', { name: '.\\.\\sub\\parent.vhd' }, 'sub/parent.vhd'],
    ['is that from the folder before others', { name: 'parent.vhd', patches: { header: { [slot(2)]: locator('MacX', URL_BYTES.length, 1800) }, raw: { 1800: URL_BYTES } } }, 'parent.vhd'],
    ['is the path of a file URL', { name: 'file:///disks/a%20b/parent.vhd', platform: 'MacX' }, '/disks/a b/parent.vhd'],
    ['is in the last slot', { name: 'parent.vhd', patches: { header: { [slot(1)]: locator('\0\0\0\0', 0, 0), [slot(7)]: locator('W2ru', 20, 1536) } } }, 'parent.vhd'],
    ['is in the header, before an absolute one', { name: 'C:\\x\\locator.vhd', platform: 'W2ku', patches: { header: { 64: bigEndian('C:\\y\\header.vhd\0junk') } } }, 'header.vhd'],
    ['ends with a zero', { name: 'parent.vhd\0rest' }, 'parent.vhd'],
  ])('%s', async (_what, naming, filename) => {
    expect((await open(await childOf(naming))).driver.recordedBacking).toEqual({ filename, format: 'vpc' });
  });

  test('is refused where there is none that makes sense', async () => {
    const long = (bytes: Uint8Array): Uint8Array => {
      const longer = new Uint8Array(bytes.length + 131_072).fill(65);
      longer.set(bytes.subarray(0, -512));
      longer.set(bytes.subarray(-512), longer.length - 512);
      return longer;
    };
    const none = { message: 'The differencing image does not name its parent' };
    await expect(open(await childOf({ name: 'http://host/parent.vhd', platform: 'MacX' }))).rejects.toMatchObject(none);
    await expect(open(await childOf({ name: 'parent.vhd', patches: { header: { [slot(1)]: locator('W2ru', 2 ** 31, 1536) } } }))).rejects.toMatchObject(none);
    await expect(open(await childOf({ name: 'parent.vhd', patches: { header: { [slot(1)]: locator('W2ru', 20, 2 ** 40) } } }))).rejects.toMatchObject(none);
    await expect(open(long(await childOf({ name: 'parent.vhd', patches: { header: { [slot(1)]: locator('W2ru', 65_538, 1536) } } })))).rejects.toMatchObject(none);
    await expect(open(long(await childOf({ name: 'parent.vhd', patches: { header: { [slot(1)]: locator('W2ru', 20, 1536) } } })))).resolves.toBeDefined();
  });
});
