import { describe, expect, it } from 'vitest';
import type { BlockNode } from '../src/index.js';
import { MemFile, noise, sameBytes, setup, turn, type Setup } from './support.js';

const SIZE = 64 * 1024;

async function chain(options: object = {}): Promise<Setup & { node: BlockNode; base: MemFile }> {
  const made = setup();
  const base = made.files.put('base', new MemFile(noise(SIZE)));
  base.bytes.fill(0, 8192, 16_384);
  await made.graph.create('mem:top', { format: 'cow', size: SIZE, options: { backing_file: 'mem:base', backing_fmt: 'plain' } });
  const node = await made.graph.open({ driver: 'cow', file: { driver: 'mem', filename: 'mem:top' }, 'copy-on-read': true, ...options });
  return { ...made, node, base };
}

const kinds = async (node: BlockNode): Promise<string> => {
  let text = '';
  for (let at = 0; at < SIZE; at += 4096) {
    const { allocated, data } = await node.extent(at, 4096);
    text += allocated ? (data ? 'd' : 'z') : '.';
  }
  return text;
};

describe('copy-on-read', () => {
  it('stores what was read, whole clusters of it, and zeroes as zeroes', async () => {
    const { node, base } = await chain();
    const buffer = new Uint8Array(9000);
    await node.read(5000, buffer, 0, 9000);
    sameBytes(buffer, base.bytes.subarray(5000, 14_000));
    expect(await kinds(node)).toBe('.dzz............');
    const reads = base.log.length;
    await node.read(4096, buffer, 0, 9000);
    expect(base.log.length).toBe(reads);
    sameBytes(buffer, base.bytes.subarray(4096, 13_096));
  });

  it('does nothing where the image cannot be written, and reads all the same', async () => {
    const { node, base } = await chain({ 'read-only': true });
    const buffer = new Uint8Array(SIZE);
    await node.read(0, buffer, 0, SIZE);
    sameBytes(buffer, base.bytes);
    expect(await kinds(node)).toBe('.'.repeat(16));
  });

  it('never writes over what a guest wrote meanwhile', async () => {
    for (const delays of [1, 2, 3]) {
      const { node, base, files } = await chain();
      base.before = async () => {
        for (let i = 0; i < delays; i++) await turn();
      };
      files.get('mem:top').before = () => turn();
      const data = noise(3000, 9);
      const buffer = new Uint8Array(4096);
      await Promise.all([node.read(0, buffer, 0, 4096), node.write(500, data, 0, 3000), node.read(0, new Uint8Array(8192), 0, 8192)]);
      await node.read(0, buffer, 0, 4096);
      const model = base.bytes.slice(0, 4096);
      model.set(data, 500);
      sameBytes(buffer, model);
    }
  });

  it('is waited for when the image is closed', async () => {
    const { node, base, graph, files } = await chain();
    base.before = () => turn();
    const buffer = new Uint8Array(SIZE);
    const reading = node.read(0, buffer, 0, SIZE);
    await graph.release(node);
    await reading;
    sameBytes(buffer, noise(SIZE).fill(0, 8192, 16_384));
    expect(files.get('mem:top').opened).toBe(0);
  });

  it('can be turned on as often as it is turned off', async () => {
    const { node } = await chain();
    node.setCopyOnRead(true);
    node.setCopyOnRead(false);
    await node.read(0, new Uint8Array(1), 0, 1);
    node.setCopyOnRead(false);
    await node.read(20_000, new Uint8Array(1), 0, 1);
    expect(await kinds(node)).toBe('d...............');
  });
});
