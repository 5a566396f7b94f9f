/** What is compared, what is told, and how failures of one side show; texts beside the reference. */
import { BlockError, BlockGraph, openImage, type Completion, type Definition } from '@blk/core-graph';
import { faulty, MemoryDisk, MemoryDisks, runReadmeExample, slow, type FaultRule } from '@blk/driver-conformance';
import { qcow2 } from '@blk/drivers-qcow2';
import { raw } from '@blk/drivers-raw';
import { needTool, run, skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blkverify } from '../src/index.js';

const SIZE = 65_536;
const content = new Uint8Array(SIZE).fill(1);

function bench(test = new MemoryDisk({ content }), copy = new MemoryDisk({ content })): { graph: BlockGraph; warnings: string[]; test: MemoryDisk; copy: MemoryDisk; definition: Definition } {
  const disks = new MemoryDisks();
  disks.put('test', test);
  disks.put('copy', copy);
  const warnings: string[] = [];
  const graph = new BlockGraph({ drivers: [disks.driver, raw, qcow2, blkverify], host: { warn: (message) => warnings.push(message) } });
  return { graph, warnings, test, copy, definition: { driver: 'blkverify', test: test.definition, raw: copy.definition } };
}

/** Verbs may throw at once. */
const attempt = async (verb: () => Completion): Promise<void> => { await verb(); };

const broken = (verb: NonNullable<FaultRule['verb']>): MemoryDisk => {
  const disk = new MemoryDisk({ content });
  disk.use(faulty({ verb, error: new BlockError('no-space', 'full') }));
  return disk;
};

describe('blkverify', () => {
  it('does what the README shows', async () => {
    const disks = new MemoryDisks();
    disks.put('copy.img', { size: SIZE });
    const driver = { ...disks.driver, name: 'file' };
    const graph = new BlockGraph({ drivers: [disks.driver, qcow2] });
    await graph.create('memory:disk.qcow2', { format: 'qcow2', size: SIZE });
    const logged = await runReadmeExample(join(import.meta.dirname, '..'), { openImage, blkverify, qcow2, file: driver });
    expect(logged).toEqual([[Uint8Array.of(1, 2, 3)]]);
  });

  it('has a copy that is shorter grow where it is written to', async () => {
    const { graph, copy, definition } = bench(new MemoryDisk({ size: SIZE }), new MemoryDisk({ size: 1000 }));
    const node = await graph.open(definition);
    await node.read(0, new Uint8Array(SIZE), 0, SIZE);
    for (const [offset, length] of [[900, 200], [40_000, 512]]) {
      await node.write(offset, new Uint8Array(length).fill(3), 0, length);
      const bytes = new Uint8Array(SIZE);
      await node.read(0, bytes, 0, SIZE);
      expect(Buffer.compare(bytes.subarray(0, copy.size), copy.toBytes())).toBe(0);
    }
    expect(copy.size).toBe(40_512);
    await graph.close();
  });

  it('names the first byte that differs, to people and in the error', async () => {
    const { graph, warnings, copy, definition } = bench();
    const node = await graph.open(definition);
    copy.content.write(9000, Uint8Array.of(9), 0, 1);
    await node.read(0, new Uint8Array(4096), 0, 4096);
    const message = 'blkverify: read offset=0 bytes=65536 contents mismatch at offset 9000';
    await expect(attempt(() => node.read(0, new Uint8Array(SIZE + 1), 1, SIZE))).rejects.toMatchObject({ kind: 'io', message, context: { offset: 9000 } });
    expect(warnings).toEqual([message]);
    await graph.close();
  });

  it('finds a difference far behind the beginning of a long read that waited', async () => {
    const [test, copy] = [new Uint8Array(1 << 20), new Uint8Array(1 << 20)];
    copy[900_000] = 1;
    const disks = [test, copy].map((bytes, seed) => {
      const disk = new MemoryDisk({ content: bytes });
      disk.use(slow(seed));
      return disk;
    });
    const { graph, definition } = bench(...disks);
    const node = await graph.open(definition);
    await expect(attempt(() => node.read(4096, new Uint8Array(1 << 20), 0, (1 << 20) - 4096))).rejects.toMatchObject({ context: { offset: 900_000 } });
    await graph.close();
  });

  it('tells where one of the two fails and the other does not', async () => {
    const cases = [
      [bench(broken('read')), 'read', 'return value mismatch -28 != 0'],
      [bench(undefined, broken('read')), 'read', 'return value mismatch 0 != -28'],
      [bench(broken('write')), 'write', 'return value mismatch -28 != 0'],
      [bench(undefined, broken('write')), 'write', 'return value mismatch 0 != -28'],
    ] as const;
    for (const [{ graph, definition }, verb, text] of cases) {
      const node = await graph.open(definition);
      await expect(attempt(() => node[verb](0, new Uint8Array(512), 0, 512))).rejects.toMatchObject({ message: `blkverify: ${verb} offset=0 bytes=512 ${text}` });
      await graph.close();
    }
  });

  it('tells it of a long read as well, whoever is asked first', async () => {
    const length = 1 << 20;
    const long = (fails: boolean): MemoryDisk => {
      const disk = new MemoryDisk({ size: length });
      if (fails) disk.use(faulty({ verb: 'read', error: new BlockError('no-space', 'full') }));
      return disk;
    };
    const cases = [[true, false, 'return value mismatch -28 != 0'], [false, true, 'return value mismatch 0 != -28'], [true, true, 'full']] as const;
    for (const [test, copy, text] of cases) {
      const { graph, definition } = bench(long(test), long(copy));
      const node = await graph.open(definition);
      for (let round = 0; round < 3; round++) await expect(attempt(() => node.read(0, new Uint8Array(length), 0, length))).rejects.toThrow(text);
      await graph.close();
    }
  });

  it('fails as both do where both fail alike, and where either can not be flushed', async () => {
    const both = bench(broken('read'), broken('read'));
    const node = await both.graph.open(both.definition);
    await expect(attempt(() => node.read(0, new Uint8Array(512), 0, 512))).rejects.toMatchObject({ kind: 'no-space', message: 'full' });
    for (const { graph, definition } of [bench(broken('flush')), bench(undefined, broken('flush'))]) {
      const flushed = await graph.open(definition);
      await flushed.write(0, new Uint8Array(512), 0, 512);
      await expect(attempt(() => flushed.flush())).rejects.toMatchObject({ kind: 'no-space' });
    }
  });

  it('takes a copy that is too short for different', async () => {
    const { graph, definition } = bench(undefined, new MemoryDisk({ content: content.subarray(0, 4096) }));
    const node = await graph.open(definition);
    await expect(attempt(() => node.read(4096, new Uint8Array(512), 0, 512))).rejects.toMatchObject({ message: 'blkverify: read offset=4096 bytes=512 contents mismatch at offset 4096' });
    await graph.close();
  });

  it('looks for the format of the image in a name, and takes its copy as it is', async () => {
    const disks = new MemoryDisks();
    disks.put('disk.qcow2');
    await new BlockGraph({ drivers: [disks.driver, qcow2] }).create('memory:disk.qcow2', { format: 'qcow2', size: 4096 });
    disks.put('copy.qcow2', { content: disks.get('disk.qcow2').toBytes() });
    const graph = new BlockGraph({ drivers: [{ ...disks.driver, name: 'file', probePath: () => 1 }, raw, qcow2, blkverify] });
    const node = await graph.open('blkverify:copy.qcow2:disk.qcow2', { format: 'blkverify' });
    expect([...node.children].map(([name, child]) => [name, child.node.driverName])).toEqual([['raw', 'file'], ['test', 'qcow2']]);
    expect(node.filename).toBe('blkverify:copy.qcow2:disk.qcow2');
    await graph.close();
  });

  it('needs both names, and both disks', async () => {
    const { graph, test } = bench();
    await expect(graph.open('blkverify:image', { format: 'blkverify' })).rejects.toMatchObject({ message: 'blkverify requires raw copy and original image path' });
    await expect(graph.open({ driver: 'blkverify', test: test.definition })).rejects.toMatchObject({ message: 'A block device must be specified for "raw"' });
    await expect(graph.open({ driver: 'blkverify', raw: test.definition })).rejects.toMatchObject({ message: 'A block device must be specified for "test"' });
    await graph.close();
  });

  const tools = skipUnless('qemu-io');
  it.skipIf(tools.skip)(tools.title('says what the reference says'), async () => {
    using directory = tempDir();
    const [a, b] = ['a', 'b'].map((name) => join(directory.path, name));
    const other = content.slice();
    other[9000] = 9;
    writeFileSync(a, content);
    writeFileSync(b, other);
    const file = (filename: string): object => ({ driver: 'file', filename });
    const name = `json:${JSON.stringify({ driver: 'blkverify', test: file(b), raw: file(a) })}`;
    const { stderr } = await run(needTool('qemu-io'), ['-c', 'read 0 64k', name]);
    const ours = bench(new MemoryDisk({ content: other }));
    const node = await ours.graph.open(ours.definition);
    await expect(attempt(() => node.read(0, new Uint8Array(SIZE), 0, SIZE))).rejects.toThrow();
    expect(`${ours.warnings.join('\n')}\n`).toBe(stderr);
    await ours.graph.close();
  });
});
