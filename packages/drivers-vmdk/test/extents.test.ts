/** Disks of several extents: what is written across their bounds, by both programs in turn, and extents that begin in the midst of a grain. */
import { writeFileSync } from 'node:fs';
import type { BlockNode } from '@blk/core-graph';
import { expectSameBytes, MemoryDisk, readAll, scribble } from '@blk/driver-conformance';
import { vmdkDescriptor } from '@blk/image-writers';
import { checkImage, createImage, expectContent, imageInfo, prng, qemuIo, qemuImg, scribbleWithQemuIo, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench } from './support.js';

const oracle = skipUnless('qemu-img', 'qemu-io');
const SPLIT = 2 ** 31;

interface Part {
  readonly kind: 'SPARSE' | 'FLAT' | 'ZERO';
  readonly sectors: number;
  readonly options?: string;
  /** Of a flat one: sectors before its own in the file. */
  readonly from?: number;
}

/** The extents' files, as the reference makes them, and the descriptor that names them. */
async function make(dir: TempDir, parts: readonly Part[], parent?: { readonly contentId: string; readonly filename: string }): Promise<void> {
  const extents: string[] = [];
  for (const [index, { kind, sectors, options, from = 0 }] of parts.entries()) {
    const name = `part ${index} é.vmdk`;
    if (kind === 'SPARSE') await createImage(dir.file(name), 'vmdk', sectors * 512, ...(options === undefined ? [] : ['-o', options]));
    // What is not the extent's own has to stay as it is.
    if (kind === 'FLAT') writeFileSync(dir.file(name), new Uint8Array((from + sectors + 1) * 512).fill(0xee).fill(0, from * 512, (from + sectors) * 512));
    extents.push(kind === 'ZERO' ? `RW ${sectors} ZERO` : `RW ${sectors} ${kind} "${name}"${kind === 'FLAT' ? ` ${from}` : ''}`);
  }
  writeFileSync(dir.file('disk.vmdk'), vmdkDescriptor({ createType: 'twoGbMaxExtentSparse', extents, ...(parent === undefined ? {} : { parent }) }));
}

const KINDS: readonly (readonly [string, readonly Part[]])[] = [
  ['sparse ones', [{ kind: 'SPARSE', sectors: 1280 }, { kind: 'SPARSE', sectors: 128, options: 'zeroed_grain=on' }, { kind: 'SPARSE', sectors: 4099 }]],
  ['flat ones', [{ kind: 'FLAT', sectors: 1, from: 77 }, { kind: 'FLAT', sectors: 4097 }, { kind: 'FLAT', sectors: 3, from: 1 }]],
  ['mixed', [{ kind: 'FLAT', sectors: 256, from: 5 }, { kind: 'SPARSE', sectors: 2560 }, { kind: 'FLAT', sectors: 128 }, { kind: 'SPARSE', sectors: 77 }]],
];

describe.skipIf(oracle.skip)(oracle.title('several extents'), () => {
  test.each(KINDS)('written in turns across their bounds: %s', async (_name, parts) => {
    using dir = tempDir();
    await make(dir, parts);
    const model = new Uint8Array(parts.reduce((sum, { sectors }) => sum + sectors * 512, 0));
    const random = prng(parts.length);
    for (let turn = 0; turn < 2; turn++) {
      await scribbleWithQemuIo(dir.file('disk.vmdk'), 'vmdk', model, random);
      const bench = new Bench();
      await scribble(bench, bench.load(dir.path, 'disk.vmdk'), model, random);
      bench.save(dir.path);
      for (const [index, { kind, sectors, from = 0 }] of parts.entries()) {
        if (kind !== 'FLAT') continue;
        const bytes = bench.disks.get(`part ${index} é.vmdk`).toBytes();
        expect([...bytes.subarray(0, from * 512), ...bytes.subarray((from + sectors) * 512)].every((byte) => byte === 0xee)).toBe(true);
      }
      await checkImage(dir.file('disk.vmdk'), 'vmdk');
      await expectContent(dir.file('disk.vmdk'), 'vmdk', model);
    }
  });

  test('one that begins in the midst of a grain of the disk is what it is by itself, and the one that has no file reads as zeroes', async () => {
    // The reference leaves the last kind out, and puts what it writes into other places of the grain.
    using dir = tempDir();
    await make(dir, [{ kind: 'SPARSE', sectors: 129 }, { kind: 'ZERO', sectors: 3 }, { kind: 'SPARSE', sectors: 1000 }]);
    const bench = new Bench();
    const disk = bench.load(dir.path, 'disk.vmdk');
    const model = prng(4).bytes(1132 * 512).fill(0, 129 * 512, 132 * 512);
    const node = await bench.open(disk);
    await node.write(0, model, 0, 129 * 512);
    await node.write(132 * 512, model, 132 * 512, 1000 * 512);
    await expect((async () => node.write(130 * 512, model, 0, 512))()).rejects.toMatchObject({ kind: 'read-only' });
    expectSameBytes(await readAll(node), model);
    await bench.graph.release(node);
    bench.save(dir.path);
    await expectContent(dir.file('part 0 é.vmdk'), 'vmdk', model.subarray(0, 129 * 512));
    await expectContent(dir.file('part 2 é.vmdk'), 'vmdk', model.subarray(132 * 512));
  });

  test.each([1, 2])('over a parent that ends in the second of them, each takes its own part of it, seed %d', async (seed) => {
    using dir = tempDir();
    const [size, half] = [5120 * 512, 2560];
    const random = prng(seed);
    const below = new Uint8Array(size - 700 * 512);
    await createImage(dir.file('parent.vmdk'), 'vmdk', below.length);
    await scribbleWithQemuIo(dir.file('parent.vmdk'), 'vmdk', below, random);
    const { cid } = (await imageInfo(dir.file('parent.vmdk')) as { 'format-specific': { data: { cid: number } } })['format-specific'].data;
    await make(dir, [{ kind: 'SPARSE', sectors: half }, { kind: 'SPARSE', sectors: half }], { contentId: cid.toString(16).padStart(8, '0'), filename: 'parent.vmdk' });
    const model = new Uint8Array(size);
    model.set(below);
    const backing = { driver: 'vmdk', file: { driver: 'memory', filename: 'memory:parent.vmdk' } };
    const bench = new Bench();
    const disk = bench.load(dir.path, 'disk.vmdk');
    expectSameBytes(await bench.content(disk, { backing }), model);
    await expectContent(dir.file('disk.vmdk'), 'vmdk', model);
    await scribble(bench, disk, model, random, { backing });
    bench.save(dir.path);
    await expectContent(dir.file('disk.vmdk'), 'vmdk', model);
    await checkImage(dir.file('disk.vmdk'), 'vmdk');
  });

  test('a disk that is split is written in turns around the bound', async () => {
    using dir = tempDir();
    const file = dir.file('disk.vmdk');
    const size = SPLIT + 65536 + 1536;
    await createImage(file, 'vmdk', size, '-o', 'subformat=twoGbMaxExtentSparse');
    // A mebibyte before the bound, and all that is behind it.
    const begin = SPLIT - (1 << 20);
    const model = new Uint8Array(size - begin);
    const random = prng(6);
    for (let turn = 0; turn < 3; turn++) {
      const commands: string[] = [];
      const bench = new Bench();
      const node = await bench.open(bench.load(dir.path, 'disk.vmdk'));
      for (let step = 0; step < 12; step++) {
        const offset = random.below(model.length / 512) * 512;
        const length = Math.min(model.length - offset, 512 * (1 + random.below(400)));
        const byte = random.below(256);
        model.fill(byte, offset, offset + length);
        if (turn === 1) commands.push(`write -P ${byte} ${begin + offset} ${length}`);
        else await node.write(begin + offset, model, offset, length);
      }
      await bench.graph.release(node);
      if (turn === 1) expect(await qemuIo(file, commands, { format: 'vmdk' })).toMatchObject({ code: 0 });
      else bench.save(dir.path);
      const again = new Bench();
      const reader = await again.open(again.load(dir.path, 'disk.vmdk'), {}, { readOnly: true });
      const found = new Uint8Array(model.length);
      await reader.read(begin, found, 0, found.length);
      expectSameBytes(found, model);
      await again.graph.release(reader);
      writeFileSync(dir.file('model'), model);
      const window = { driver: 'raw', offset: String(begin), size: String(model.length), file: { driver: 'vmdk', file: { driver: 'file', filename: file } } };
      expect(await qemuImg('compare', `json:${JSON.stringify(window)}`, `json:{"driver":"raw","file":{"driver":"file","filename":"${dir.file('model')}"}}`)).toMatchObject({ code: 0 });
    }
  });
});

test('which of several files is damaged, too short, or not there is told', async () => {
  const bench = new Bench();
  const disk = await bench.create(5 * 2 ** 30, { subformat: 'twoGbMaxExtentSparse' }, 'disk.vmdk');
  const damage = async (name: string, change: (extent: Uint8Array) => Uint8Array): Promise<unknown> => {
    const whole = bench.disks.get(name).toBytes();
    bench.disks.put(name, { content: change(whole.slice()) });
    const error = await bench.open(disk, {}, { readOnly: true }).then(() => undefined, (reason: unknown) => reason);
    bench.disks.put(name, { content: whole });
    return error;
  };
  const [second, third] = ['disk-s002.vmdk', 'disk-s003.vmdk'];
  expect(await damage(second, (extent) => extent.fill(0, 0, 4))).toMatchObject({ kind: 'invalid-image', message: `Image not in VMDK format (in the extent '${second}')` });
  expect(await damage(third, (extent) => extent.subarray(0, 1000))).toMatchObject({ message: `File truncated, expecting at least 196608 bytes (in the extent '${third}')` });
  expect(await damage(third, () => new Uint8Array(0))).toMatchObject({ message: `Image not in VMDK format (in the extent '${third}')` });
  expect(await damage(third, (extent) => extent.fill(0, 12, 20).fill(1, 13, 14))).toMatchObject({ message: `Extent '${third}' holds 131072 bytes, the descriptor tells of 1073741824` });
  expect(await damage(second, (extent) => extent)).toBe(undefined);
  const gone = new Bench();
  gone.disks.put('disk.vmdk', { content: disk.toBytes() });
  gone.disks.put('disk-s001.vmdk', { content: bench.disks.get('disk-s001.vmdk').toBytes() });
  await expect(gone.open(gone.disks.get('disk.vmdk'), {}, { readOnly: true })).rejects.toThrow(second);
});

test.each([['FLAT', 5], ['FLAT', 0], ['VMFS', 0]])('a %s extent that begins at sector %d of a file which is too short is refused, and not read as zeroes', async (kind, from) => {
  const bench = new Bench();
  const open = (bytes: number): Promise<BlockNode> => {
    bench.disks.put('flat', { content: new Uint8Array(bytes).fill(1) });
    const text = vmdkDescriptor({ createType: kind === 'VMFS' ? 'vmfs' : 'monolithicFlat', extents: [`RW 100 ${kind} "flat"${kind === 'VMFS' ? '' : ` ${from}`}`] });
    return bench.open(new MemoryDisk({ content: new TextEncoder().encode(text) }), {}, { readOnly: true });
  };
  const enough = (from + 100) * 512;
  const message = `Extent 'flat' holds ${enough - 1} bytes, the descriptor tells of ${enough}`;
  await expect(open(enough - 1)).rejects.toMatchObject({ kind: 'invalid-image', message });
  expectSameBytes(await readAll(await open(enough)), new Uint8Array(51200).fill(1));
});
