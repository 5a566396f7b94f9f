/** Changes of bitmaps as steps of a transaction: made whole, or taken back. */
import { describe, expect, it } from 'vitest';
import {
  addBitmap, addBitmapAction, clearBitmapAction, findBitmap, mergeBitmapsAction, recordBitmapAction, removeBitmapAction, runTransaction,
  type BlockNode, type GraphAction,
} from '../src/index.js';
import { MemFile, setup } from './support.js';

const failing: GraphAction = {
  prepare() { throw new Error('no'); },
  commit: () => undefined,
  abort: () => undefined,
};

function state(node: BlockNode): unknown[] {
  return [...node.bitmaps].map(({ name, status, count }) => [name, status, count]);
}

describe('steps with bitmaps', () => {
  it.each([false, true])('all take effect one after the other, and are taken back (aborted: %s)', async (aborted) => {
    const { graph } = setup();
    const node = await graph.open(new MemFile(8192).definition);
    const a = await addBitmap(node, { name: 'a', granularity: 512 });
    const b = await addBitmap(node, { name: 'b', granularity: 1024 });
    a.mark(0, 512);
    b.mark(4096, 1);
    const before = state(node);
    const steps = [
      addBitmapAction(node, { name: 'c', granularity: 512 }),
      mergeBitmapsAction(node, 'c', () => [{ node, name: 'a' }, { node, name: 'b' }]),
      recordBitmapAction(node, 'c', 'disabled'),
      clearBitmapAction(node, 'b'),
      removeBitmapAction(node, 'a'),
    ];
    const running = runTransaction(aborted ? [...steps, failing] : steps);
    if (aborted) await expect(running).rejects.toThrow('no');
    else await running;
    expect(state(node)).toEqual(aborted ? before : [['b', 'active', 0], ['c', 'disabled', 1536]]);
    if (aborted) expect([a.get(0), b.get(4096)]).toEqual([true, true]);
    await graph.close();
  });

  it('refuse a bitmap that is in use, with nothing changed', async () => {
    const { graph } = setup();
    const node = await graph.open(new MemFile(8192).definition);
    const a = await addBitmap(node, { name: 'a' });
    await addBitmap(node, { name: 'b' });
    a.freeze();
    const inUse = "Bitmap 'a' is currently in use by another operation and cannot be used";
    for (const step of [
      clearBitmapAction(node, 'a'), removeBitmapAction(node, 'a'), recordBitmapAction(node, 'a', 'disabled'),
      mergeBitmapsAction(node, 'a', () => [{ node, name: 'b' }]), mergeBitmapsAction(node, 'b', () => [{ node, name: 'a' }]),
    ]) {
      await expect(runTransaction([step])).rejects.toThrow(inUse);
    }
    expect(findBitmap(node, 'a').status).toBe('frozen');
    await graph.close();
  });
});
