import { UNLIMITED, type LimitName, type ThrottleLimits } from '@blk/throttle';
import { describe, expect, it } from 'vitest';
import { Backend, ManualClock } from '../src/index.js';
import { failure, gate, MemFile, noise, setup } from './support.js';

const SECOND = 1e9;
const limits = (some: Partial<Record<LimitName, number>>): ThrottleLimits => ({ ...UNLIMITED, ...some });

async function device(some: Partial<Record<LimitName, number>>) {
  const clock = new ManualClock();
  const { graph } = setup({ host: { clock } });
  const file = new MemFile(1 << 20);
  const node = await graph.open({ ...file.definition }, { discard: true });
  const backend = Backend.over(graph, node, { name: 'drive0', writable: true });
  backend.setThrottle(limits(some));
  const went: string[] = [];
  const ask = (name: string, request: () => void | Promise<void>): Promise<void> => Promise.resolve(request()).then(() => void went.push(name));
  return { clock, graph, file, node, backend, went, ask };
}

/** Everything that can go on without the clock has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a backend with limits', () => {
  it('lets reads and writes and written zeroes wait, in their order, and counts the waiting as time', async () => {
    const { clock, backend, file, went, ask } = await device({ 'iops-total': 10 });
    const bytes = noise(512);
    expect(backend.write(0, bytes, 0, 512)).toBeUndefined();
    expect(backend.write(512, bytes, 0, 512)).toBeUndefined();
    void ask('third', () => backend.write(0, noise(512, 2), 0, 512));
    void ask('zeroes', () => backend.writeZeroes(0, 512));
    void ask('read', () => backend.read(0, bytes, 0, 512));
    await settled();
    expect([went, backend.inFlight]).toEqual([[], 3]);
    const seen = file.seen.length;
    expect(backend.discard(0, 512)).toBeUndefined();
    expect(backend.flush()).toBeUndefined();
    expect(file.seen.length).toBeGreaterThan(seen);
    clock.advance(0.1 * SECOND);
    await settled();
    expect(went).toHaveLength(1);
    for (const tenths of [2, 3]) {
      clock.advanceTo(tenths * 0.1 * SECOND);
      await settled();
    }
    expect(went.filter((name) => name !== 'read')).toEqual(['third', 'zeroes']);
    expect([backend.inFlight, clock.pending]).toEqual([0, 0]);
    expect(backend.statistics.readTime + backend.statistics.writeTime).toBeCloseTo((0.1 + 0.2 + 0.3) * SECOND, -3);
    expect(backend.statistics).toMatchObject({ readOperations: 1, writeOperations: 4 });
  });

  it('refuses at once what is out of range, and counts it for nothing', async () => {
    const { backend } = await device({ 'iops-total': 10 });
    for (let at = 0; at < 50; at++) await failure(() => backend.read(1 << 20, new Uint8Array(512), 0, 512));
    expect(backend.read(0, new Uint8Array(512), 0, 512)).toBeUndefined();
  });

  it('lets waiting requests go where its nodes are drained, and holds new ones back', async () => {
    const { clock, graph, node, file, backend, went, ask } = await device({ 'iops-total': 1 });
    const held = gate();
    for (const name of ['a', 'b', 'c']) void ask(name, () => backend.write(0, noise(512), 0, 512));
    file.before = () => held.promise;
    const order: string[] = [];
    const drained = graph.drained([node], () => void order.push(`section after ${went.length}`));
    void ask('d', () => backend.write(0, noise(512), 0, 512));
    await settled();
    expect(order).toEqual([]);
    held.open();
    await drained;
    expect(order).toEqual(['section after 3']);
    await settled();
    // What went through was counted: the next has to wait for it.
    expect(went).toEqual(['a', 'b', 'c']);
    clock.advance(3 * SECOND);
    await settled();
    expect(went).toEqual(['a', 'b', 'c', 'd']);
  });

  it('closes without waiting for its limits, and leaves no timer and no group', async () => {
    const { clock, graph, backend, went, ask } = await device({ 'bps-total': 1 });
    for (const name of ['a', 'b', 'c']) void ask(name, () => backend.write(0, noise(4096), 0, 4096));
    expect(graph.throttling.get('drive0')?.members).toHaveLength(1);
    await backend.close();
    expect([went, clock.pending, graph.throttling.get('drive0')]).toEqual([['a', 'b', 'c'], 0, undefined]);
  });

  it('shares a group with another, moves, and leaves', async () => {
    const { clock, graph, node, backend, went, ask } = await device({ 'iops-total': 10 });
    const other = Backend.over(graph, node, { name: 'drive1', writable: true });
    other.setThrottle(limits({ 'iops-total': 2 }), 'drive0');
    expect([backend.throttleGroup?.limits['iops-total'], other.throttleGroup?.name]).toEqual([2, 'drive0']);
    for (let at = 0; at < 3; at++) {
      void ask(`a${at}`, () => backend.write(0, noise(512), 0, 512));
      void ask(`b${at}`, () => other.write(0, noise(512), 0, 512));
    }
    clock.advance(1.5 * SECOND);
    await settled();
    expect(went).toEqual(['a0', 'b0', 'a1', 'b1']);
    other.setThrottle(UNLIMITED);
    await settled();
    expect(went).toEqual(['a0', 'b0', 'a1', 'b1', 'b2']);
    backend.setThrottle(limits({ 'iops-total': 1000 }), 'fast');
    clock.advance(SECOND);
    await settled();
    expect([went.at(-1), graph.throttling.get('drive0')]).toEqual(['a2', undefined]);
  });

  it('refuses limits that do not go together, and keeps those it has', async () => {
    const { backend } = await device({ 'iops-total': 10 });
    const error = await failure(() => { backend.setThrottle(limits({ 'iops-total': 1, 'iops-read': 1 })); });
    expect(error?.kind).toBe('invalid-argument');
    expect(error?.message).toBe('bps/iops/max total values and read/write values cannot be used at the same time');
    expect(backend.throttleGroup?.limits['iops-total']).toBe(10);
  });
});
