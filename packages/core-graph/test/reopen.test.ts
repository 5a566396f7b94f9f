// Images opened again in place: with other rights, several at once, and back where one of them can't be.
import { describe, expect, test } from 'vitest';
import { Backend, BlockGraph, BlockError, putOver, reopenNodes, runTransaction, setReadOnly, type BlockDriver, type BlockNode } from '../src/index.js';
import { cow, MemFile, MemFiles, plain } from './support.js';

async function chain(format = cow): Promise<{ graph: BlockGraph; files: MemFiles; top: BlockNode; base: BlockNode; device: Backend }> {
  const files = new MemFiles();
  const graph = new BlockGraph({ drivers: [files.driver, format, plain] });
  await graph.create('mem:base', { format: 'cow', size: 65536 });
  await graph.create('mem:top', { format: 'cow', size: 65536, options: { backing_file: 'mem:base', backing_fmt: 'cow' } });
  const top = await graph.open({ driver: 'cow', 'node-name': 'top', file: { driver: 'mem', filename: 'mem:top' } });
  const device = Backend.over(graph, top, { name: 'd', writable: true });
  return { graph, files, top, base: top.backing!.node, device };
}

async function write(node: BlockNode | Backend, offset: number, byte: number): Promise<void> {
  await node.write(offset, new Uint8Array(4096).fill(byte), 0, 4096);
}

async function at(node: BlockNode | Backend, offset: number): Promise<number> {
  const buffer = new Uint8Array(1);
  await node.read(offset, buffer, 0, 1);
  return buffer[0];
}

describe('setReadOnly', () => {
  test('a backing image becomes writable with its file, stays below the same overlay, and becomes read-only again', async () => {
    const { graph, files, top, base, device } = await chain();
    expect([base.readOnly, base.storage?.node.readOnly]).toEqual([true, true]);
    await setReadOnly(graph, base, false);
    expect([base.readOnly, base.storage?.node.readOnly, top.backing?.node === base]).toEqual([false, false, true]);
    await write(base, 4096, 9);
    expect(await at(device, 4096)).toBe(9);
    await setReadOnly(graph, base, true);
    expect([base.readOnly, base.storage?.node.readOnly]).toEqual([true, true]);
    await expect((async () => { await write(base, 4096, 8); })()).rejects.toMatchObject({ kind: 'read-only' });
    expect(await at(device, 4096)).toBe(9);
    expect(files.get('base').opened).toBe(1);
    await graph.close();
    expect([files.get('base').opened, files.get('top').opened]).toEqual([0, 0]);
  });

  test('requests of the guest wait meanwhile, and none is lost', async () => {
    const { graph, base, device } = await chain();
    const writes = Array.from({ length: 8 }, (_, index) => write(device, index * 4096, index + 1));
    const reopened = setReadOnly(graph, base, false);
    await Promise.all([...writes, reopened]);
    for (let index = 0; index < 8; index++) expect(await at(device, index * 4096)).toBe(index + 1);
    await device.close();
  });

  test('what was asked to be read-only is made writable all the same, as management programs rely on', async () => {
    const files = new MemFiles();
    files.put('x', new MemFile(4096));
    const graph = new BlockGraph({ drivers: [files.driver, plain] });
    const node = await graph.open({ driver: 'plain', 'node-name': 'p', 'read-only': true, file: { driver: 'mem', filename: 'mem:x' } });
    await setReadOnly(graph, node, false);
    expect(node.readOnly).toBe(false);
    expect(node.storage?.node.readOnly).toBe(false);
    await graph.close();
  });
});

describe('reopenNodes', () => {
  test('where the last one can\'t be opened the others are as they were, and everybody reads on', async () => {
    const { graph, top, base, device } = await chain();
    await write(device, 0, 3);
    const broken = { ...base.settings, driver: { ...cow, open: () => Promise.reject(new BlockError('io', 'not today')) } };
    const before = top.settings;
    await expect(
      reopenNodes(graph, [{ node: top, settings: { ...top.settings, detectZeroes: 'on' } }, { node: base, settings: broken }]),
    ).rejects.toThrow('not today');
    expect(top.settings).toBe(before);
    expect(top.detectZeroes).toBe('off');
    await write(device, 4096, 4);
    expect([await at(device, 0), await at(device, 4096)]).toEqual([3, 4]);
    await reopenNodes(graph, [{ node: top, settings: { ...top.settings, detectZeroes: 'on' } }]);
    expect(top.detectZeroes).toBe('on');
    expect([await at(device, 0), await at(device, 4096)]).toEqual([3, 4]);
    await device.close();
    await graph.close();
  });

  test.each([1, 2, 5])('an image that fails to open %i times is there again, as it was', async (failures) => {
    let left = 0;
    const flaky: BlockDriver = {
      ...cow,
      open: (options, context) => (left-- > 0 ? Promise.reject(new BlockError('io', `${left} left`)) : cow.open(options, context)),
    };
    const { graph, files, top, device } = await chain(flaky);
    await write(device, 0, 5);
    left = failures;
    await expect(reopenNodes(graph, [{ node: top, settings: top.settings }])).rejects.toThrow(`${failures - 1} left`);
    expect(await at(device, 0)).toBe(5);
    await write(device, 0, 6);
    expect(await at(device, 0)).toBe(6);
    await device.close();
    await graph.close();
    expect(files.get('top').opened).toBe(0);
  });

  test('an image that can be opened neither way gives errors, and no bytes', async () => {
    let attempts = 0;
    let broken = false;
    const flaky: BlockDriver = {
      ...cow,
      open: (options, context) => (broken ? Promise.reject(new BlockError('io', `attempt ${++attempts}`)) : cow.open(options, context)),
    };
    const { graph, files, top, device } = await chain(flaky);
    broken = true;
    // Once as it was to be, and five times as it was.
    await expect(reopenNodes(graph, [{ node: top, settings: top.settings }])).rejects.toThrow("attempt 1; and 'mem:top' can't be opened as it was: attempt 6");
    await expect((async () => { await at(device, 0); })()).rejects.toMatchObject({ kind: 'closed' });
    // It can be let go of like any other, with what is below it.
    await device.close().catch(() => undefined);
    await graph.close();
    expect([[...graph.nodes], files.get('top').opened, files.get('base').opened]).toEqual([[], 0, 0]);
  });
});

describe('putOver', () => {
  test('moves every user of the lower image, and can be taken back', async () => {
    const { graph, files, top, device } = await chain();
    await graph.create('mem:new', { format: 'cow', size: 65536 });
    const overlay = await graph.open({ driver: 'cow', 'node-name': 'new', backing: null, file: { driver: 'mem', filename: 'mem:new' } });
    const fails = { prepare: () => { throw new BlockError('io', 'no'); }, commit: () => undefined, abort: () => undefined };
    await expect(graph.drained([top, overlay], () => runTransaction([...putOver(top, overlay), fails]))).rejects.toThrow('no');
    expect([device.root.name, overlay.parents.size, overlay.backing]).toEqual(['top', 0, undefined]);
    await graph.drained([top, overlay], () => runTransaction(putOver(top, overlay)));
    expect([device.root.name, overlay.backing?.node.name]).toEqual(['new', 'top']);
    await write(device, 0, 5);
    expect([await at(device, 0), await at(top, 0)]).toEqual([5, 0]);
    await device.close();
    await graph.close();
    expect(files.get('new').opened).toBe(0);
  });
});
