/** Votes: what wins, what is told, and what fails; texts beside the reference. */
import { addChild, BlockError, BlockGraph, openImage, removeChild, replaceChild, runTransaction, setReadOnly, type BlockNode, type QuorumReport } from '@blk/core-graph';
import { faulty, MemoryDisk, MemoryDisks, runReadmeExample, slow, type FaultRule } from '@blk/driver-conformance';
import { raw } from '@blk/drivers-raw';
import { qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quorum } from '../src/index.js';

const SIZE = 65_536;
const disk = (value = 1): MemoryDisk => new MemoryDisk({ content: new Uint8Array(SIZE).fill(value) });
const broken = (verb: NonNullable<FaultRule['verb']>, kind: 'io' | 'no-space' = 'io'): MemoryDisk => {
  const made = disk();
  made.use(faulty({ verb, error: new BlockError(kind, kind) }));
  return made;
};

async function open(disks: readonly MemoryDisk[], options: object = {}): Promise<{ graph: BlockGraph; node: BlockNode; reports: QuorumReport[] }> {
  const graph = new BlockGraph({ drivers: [new MemoryDisks().driver, raw, quorum], host: { warn: () => undefined } });
  const reports: QuorumReport[] = [];
  graph.subscribe((event) => {
    if (event.type === 'quorum') reports.push(event.report);
  });
  const children = disks.map((each, index) => ({ ...each.definition, 'node-name': `copy${index}` }));
  const node = await graph.open({ driver: 'quorum', 'vote-threshold': 2, children, ...options });
  return { graph, node, reports };
}

async function read(node: BlockNode, offset = 0, length = 512): Promise<number> {
  const buffer = new Uint8Array(length + 1);
  await node.read(offset, buffer, 1, length);
  expect(new Set(buffer.subarray(1)).size).toBe(1);
  return buffer[1];
}
const write = async (node: BlockNode, value: number): Promise<void> => { await node.write(0, new Uint8Array(512).fill(value), 0, 512); };
const failure = { what: 'failure', offset: 0, length: 512 };
const bad = (child: number, operation = 'read'): object => ({ what: 'bad', operation, child: `copy${child}`, offset: 0, length: 512 });

describe('reads', () => {
  it('give what most copies have, and tell which one differs', async () => {
    for (const odd of [0, 1, 2]) {
      const { node, reports, graph } = await open([0, 1, 2].map((at) => disk(at === odd ? 9 : 1)));
      expect(await read(node)).toBe(1);
      expect(reports).toEqual([bad(odd)]);
      await graph.close();
    }
  });

  it('find what is odd far behind the beginning of a long one that waited', async () => {
    const length = 1 << 20;
    const odd = new Uint8Array(length).fill(1);
    odd[length - 1] = 9;
    const disks = [odd, new Uint8Array(length).fill(1), new Uint8Array(length).fill(1)].map((content, seed) => {
      const made = new MemoryDisk({ content });
      made.use(slow(seed));
      return made;
    });
    const { node, reports, graph } = await open(disks);
    expect(await read(node, 0, length)).toBe(1);
    expect(reports).toEqual([{ ...bad(0), length }]);
    await graph.close();
  });

  it('bear a copy that fails, a long one too, whichever of them it is', async () => {
    for (const index of [0, 1, 2]) {
      const disks = [0, 1, 2].map(() => new MemoryDisk({ content: new Uint8Array(1 << 20).fill(1) }));
      disks[index].use(faulty({ verb: 'read', error: new BlockError('io', 'io') }));
      const { node, reports, graph } = await open(disks);
      for (let round = 0; round < 3; round++) expect(await read(node, 0, 1 << 20)).toBe(1);
      expect(reports).toHaveLength(3);
      expect(reports).toMatchObject(reports.map(() => ({ ...bad(index), length: 1 << 20 })));
      await graph.close();
    }
  });

  it('fail where too few agree', async () => {
    const { node, reports, graph } = await open([disk(1), disk(2), disk(3)]);
    await expect(read(node)).rejects.toMatchObject({ kind: 'io', message: 'No quorum about the content at 0, 512 bytes' });
    expect(reports).toEqual([failure]);
    await graph.close();
  });

  it('of as many give what came up last, as the reference does', async () => {
    for (const [values, winner] of [[[1, 2], 2], [[1, 1, 2, 2], 2], [[1, 2, 2, 1], 2], [[2, 1, 2, 1], 1], [[3, 3, 1, 2], 3]] as const) {
      const { node, graph } = await open(values.map(disk), { 'vote-threshold': 1 });
      expect(await read(node)).toBe(winner);
      await graph.close();
    }
  });

  it('bear a copy that fails', async () => {
    const { node, reports, graph } = await open([broken('read'), disk(), disk()]);
    expect(await read(node)).toBe(1);
    expect(reports).toMatchObject([{ ...bad(0), error: { message: 'io' } }]);
    await graph.close();
  });

  it('fail as most copies do where too few answer', async () => {
    const { node, reports, graph } = await open([broken('read'), broken('read', 'no-space'), broken('read', 'no-space')]);
    await expect(read(node)).rejects.toMatchObject({ kind: 'no-space' });
    expect(reports.at(-1)).toEqual(failure);
    expect(reports).toHaveLength(4);
    await graph.close();
  });

  it('put losers right where that is asked for', async () => {
    const disks = [disk(9), disk(), disk()];
    const { node, reports, graph } = await open(disks, { 'rewrite-corrupted': true });
    expect(await read(node)).toBe(1);
    expect(await read(node)).toBe(1);
    expect(reports).toEqual([bad(0)]);
    expect([...disks[0].toBytes().subarray(511, 513)]).toEqual([1, 9]);
    await graph.close();
  });

  it('ask one copy after the other, first in first out', async () => {
    const { node, reports, graph } = await open([broken('read'), disk(2), disk(3)], { 'read-pattern': 'fifo' });
    expect(await read(node)).toBe(2);
    expect(reports).toMatchObject([bad(0)]);
    await graph.close();
    const none = await open([broken('read'), broken('read', 'no-space')], { 'read-pattern': 'fifo' });
    await expect(read(none.node)).rejects.toMatchObject({ kind: 'no-space' });
    await none.graph.close();
  });

  it('of two that must not differ name the first byte that does', async () => {
    const other = disk();
    other.content.write(100, Uint8Array.of(7), 0, 1);
    const { node, graph } = await open([disk(), other], { blkverify: true });
    await expect(read(node)).rejects.toMatchObject({ message: 'quorum: offset=0 bytes=512 contents mismatch at offset 100' });
    await graph.close();
  });
});

describe('changes', () => {
  it.each(['write', 'flush'] as const)('%s bears a copy that fails, and not two', async (verb) => {
    const act = async (node: BlockNode): Promise<void> => {
      await write(node, 5);
      if (verb === 'flush') await node.flush();
    };
    const one = await open([disk(), broken(verb), disk()]);
    await act(one.node);
    expect(one.reports).toMatchObject([{ what: 'bad', operation: verb, child: 'copy1' }]);
    expect(await read(one.node)).toBe(5);
    await one.graph.close().catch(() => undefined);
    const two = await open([disk(), broken(verb, 'no-space'), broken(verb, 'no-space')]);
    await expect(act(two.node)).rejects.toMatchObject({ kind: 'no-space' });
    // No place on the disk, and nobody is told of a vote about one.
    if (verb === 'flush') expect(two.reports).toMatchObject([1, 2].map((at) => ({ what: 'bad', operation: verb, child: `copy${at}`, offset: 0, length: 0 })));
    else expect(two.reports.at(-1)).toMatchObject({ what: 'failure' });
    await two.graph.close().catch(() => undefined);
  });

  it('go on when a copy is replaced by another', async () => {
    const { graph, node } = await open([disk(), broken('read'), disk()]);
    const fresh = disk();
    const replacement = await graph.open(fresh.definition);
    await write(node, 6);
    await runTransaction([replaceChild(node.children.get('children.1') as NonNullable<ReturnType<BlockNode['children']['get']>>, replacement)]);
    await write(node, 7);
    expect(fresh.toBytes()[0]).toBe(7);
    expect(await read(node)).toBe(7);
    await graph.close();
  });
});

describe('copies that join and leave', () => {
  /** A quorum of three under writes that never end by themselves, and a further disk. */
  async function busy(disks: readonly MemoryDisk[]): Promise<Awaited<ReturnType<typeof open>> & { readonly spare: BlockNode; readonly stop: () => Promise<void> }> {
    const made = await open(disks);
    const spare = await made.graph.open({ ...disk(0).definition, 'node-name': 'spare' });
    let stopped = false;
    const writing = (async () => {
      for (let at = 0; !stopped; at = (at + 512) % SIZE) {
        await made.node.write(at, new Uint8Array(512).fill(at / 512 % 251), 0, 512);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    return { ...made, spare, stop: async () => { stopped = true; await writing; } };
  }

  it('a copy joins under load, and has what is written from then on', async () => {
    const { graph, node, spare, stop } = await busy([disk(), disk(), disk()]);
    await addChild(graph, node, spare);
    expect([...node.children.keys()]).toEqual(['children.0', 'children.1', 'children.2', 'children.3']);
    await stop();
    await write(node, 77);
    expect(await read(spare)).toBe(77);
    // Two of the old ones may go: the votes are those of the rest.
    await removeChild(graph, node, 'children.0');
    await removeChild(graph, node, 'children.1');
    expect([await read(node), [...node.children.keys()]]).toEqual([77, ['children.2', 'children.3']]);
    await expect(removeChild(graph, node, 'children.2')).rejects.toThrow('The number of children cannot be lower than the vote threshold 2');
    await graph.close();
  });

  it('one that is dead leaves under load; that it can not even be flushed is only warned of', async () => {
    const dead = broken('flush');
    const { graph, node, spare, stop } = await busy([disk(), dead, disk()]);
    const before = node.children.get('children.1')?.node as BlockNode;
    await removeChild(graph, node, 'children.1');
    expect(before.closed).toBe(true);
    await addChild(graph, node, spare);
    await stop();
    await node.flush();
    await graph.close();
    expect([...graph.nodes]).toEqual([]);
  });

  it('goes on with them when it is opened again', async () => {
    const { graph, node, spare, stop } = await busy([disk(), disk(), disk()]);
    await removeChild(graph, node, 'children.0');
    await addChild(graph, node, spare);
    await stop();
    await write(node, 9);
    await setReadOnly(graph, node, true);
    expect(await read(node)).toBe(9);
    await setReadOnly(graph, node, false);
    await write(node, 10);
    expect([await read(spare), [...node.children.keys()]]).toEqual([10, ['children.1', 'children.2', 'children.3']]);
    await graph.close();
  });

  it('none joins that has another size or another user, or where a vote is not taken', async () => {
    const { graph, node } = await open([disk(), disk(), disk()]);
    const small = await graph.open({ ...new MemoryDisk({ size: 512 }).definition, 'node-name': 'small' });
    await expect(addChild(graph, node, small)).rejects.toThrow("Cannot add 'small', which has 512 bytes, to a quorum of 65536 bytes");
    await expect(addChild(graph, node, graph.node('copy0'))).rejects.toThrow('The node copy0 already has a parent');
    await expect(addChild(graph, small, node)).rejects.toMatchObject({ kind: 'unsupported' });
    expect([...node.children.keys()]).toEqual(['children.0', 'children.1', 'children.2']);
    expect(await read(node)).toBe(1);
    const reader = await graph.open({ ...disk().definition, 'node-name': 'reader', 'read-only': true });
    await expect(addChild(graph, node, reader)).rejects.toMatchObject({ kind: 'read-only' });
    expect([reader.parents.size, node.children.size]).toEqual([0, 3]);
    await graph.close();
  });
});

describe('options', () => {
  const refused: readonly (readonly [object, string])[] = [
    [{ 'vote-threshold': 0 }, "Parameter 'vote-threshold' expects a value >= 1"],
    [{ 'vote-threshold': 4 }, 'threshold may not exceed children count'],
    [{ 'vote-threshold': 'x' }, "Parameter 'vote-threshold' expects a number"],
    [{ 'read-pattern': 'x' }, 'Please set read-pattern as fifo or quorum'],
    [{ blkverify: true }, 'blkverify=on can only be set if there are exactly two files and vote-threshold is 2'],
    [{ children: 1 }, 'Number of provided children must be 1 or more'],
    [{ children: { x: 1 } }, 'Option children is not a valid array'],
    [{ children: [1, 2] }, 'A block device must be specified for "children.0"'],
    [{ 'read-pattern': 1 }, 'Please set read-pattern as fifo or quorum'],
    [{ children: [] }, 'Number of provided children must be 1 or more'],
    [{ x: 1 }, "Block format 'quorum' does not support the option 'x'"],
  ];
  it.each(refused)('%j is refused', async (options, message) => {
    await expect(open([disk(), disk(), disk()], options)).rejects.toMatchObject({ message });
  });

  it('copies of different sizes, and losers that could not be put right, are refused', async () => {
    await expect(open([disk(), new MemoryDisk({ size: 512 })])).rejects.toMatchObject({ message: 'Could not refresh total sector count: Input/output error' });
    await expect(open([disk(), disk()], { 'rewrite-corrupted': true, 'read-only': true })).rejects.toMatchObject({ kind: 'read-only', message: 'Block node is read-only' });
    await expect(open([disk(), disk()], { blkverify: true, 'rewrite-corrupted': true })).rejects.toMatchObject({ message: 'rewrite-corrupted=on cannot be used with blkverify=on' });
  });

  const tools = skipUnless('qemu-img');
  it.skipIf(tools.skip)(tools.title('refused in the words of the reference'), async () => {
    using directory = tempDir();
    const children = ['a', 'b', 'c'].map((name) => ({ driver: 'file', filename: join(directory.path, name) }));
    for (const { filename } of children) writeFileSync(filename, new Uint8Array(SIZE));
    for (const [options, message] of refused) {
      const name = `json:${JSON.stringify({ driver: 'quorum', 'vote-threshold': 2, children, ...options })}`;
      expect((await qemuImg('info', name)).stderr).toBe(`qemu-img: Could not open '${name}': ${message}\n`);
    }
  });
});

it('does what the README shows', async () => {
  const disks = new MemoryDisks();
  for (const name of ['a.img', 'b.img', 'c.img']) disks.put(name, { size: SIZE });
  const logged = await runReadmeExample(join(import.meta.dirname, '..'), { openImage, quorum, file: { ...disks.driver, name: 'file' } });
  expect(logged).toEqual([[Uint8Array.of(1, 2, 3)]]);
});
