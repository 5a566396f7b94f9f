/** The parts of the contract that no history shows: what is refused, and when. */
import { Backend, BlockError, type Completion } from '@blk/core-graph';
import { prng } from '@blk/oracle';
import { expect, it } from 'vitest';
import { dataOf, makeHistory } from './history.js';
import { BARE, Rig, type Provider } from './rig.js';
import { checkAll, runHistory, settle } from './run-history.js';

export interface ContractSettings {
  readonly size: number;
  readonly granularity: number;
  readonly forgets: boolean;
}

export function contractTests(provide: Provider, settings: ContractSettings): void {
  const withRig = async (test: (rig: Rig) => Promise<void>, asynchronous = false): Promise<void> => {
    const rig = await Rig.make(provide, { ...BARE, asynchronous }, { size: settings.size, seed: 1 });
    try {
      await test(rig);
    } finally {
      await rig.dispose();
    }
  };

  it('has a size and limits that make sense', () =>
    withRig(async ({ node }) => {
      expect(node.size).toBeGreaterThanOrEqual(settings.size);
      const { limits } = node;
      for (const alignment of [limits.alignment, limits.memoryAlignment]) {
        expect(alignment).toBeGreaterThanOrEqual(1);
        expect(Math.log2(alignment) % 1).toBe(0);
      }
      if (limits.maxTransfer > 0) expect(limits.maxTransfer % limits.alignment).toBe(0);
    }));

  it('refuses every change where it is opened read-only', () =>
    withRig(async (rig) => {
      await rig.close();
      await rig.open({ 'read-only': true });
      const bytes = dataOf(3, 1000);
      await refused('read-only', () => rig.node.write(100, bytes, 0, bytes.length));
      await refused('read-only', () => rig.node.writev(100, [bytes, bytes]));
      await refused('read-only', () => rig.node.writeZeroes(0, 4096));
      await refused('read-only', () => rig.node.discard(0, 4096));
      await refused('read-only', () => rig.node.truncate(settings.granularity));
      await settle(() => rig.node.flush());
      await checkAll(rig);
    }));

  it('gives kind closed to whoever uses it after it was closed', () =>
    withRig(async (rig) => {
      const { node } = rig;
      await rig.close();
      const bytes = new Uint8Array(512);
      await refused('closed', () => node.read(0, bytes, 0, 512));
      await refused('closed', () => node.readv(0, [bytes, bytes]));
      await refused('closed', () => node.write(0, bytes, 0, 512));
      await refused('closed', () => node.writeZeroes(0, 512));
      await refused('closed', () => node.discard(0, 512));
      await refused('closed', () => node.flush());
      await refused('closed', () => node.truncate(512));
      await expect((async () => node.extent(0, 512))()).rejects.toMatchObject({ kind: 'closed' });
      await rig.open();
      await checkAll(rig);
    }));

  it('keeps requests within its bounds', () =>
    withRig(async (rig) => {
      const { node, graph } = rig;
      const backend = Backend.over(graph, node, { writable: !node.readOnly });
      const bytes = new Uint8Array(512);
      const { size } = node;
      const wrong = [[size, 1], [size - 1, 2], [-1, 1], [0.5, 1], [NaN, 1], [2 ** 53, 1], [2 ** 52, 2 ** 53], [0, NaN], [0, -1]];
      for (const [offset, length] of wrong) {
        await refused(['out-of-range', 'invalid-argument'], () => backend.read(offset, bytes, 0, length));
        if (node.readOnly) continue;
        await refused(['out-of-range', 'invalid-argument'], () => backend.write(offset, bytes, 0, length));
        await refused(['out-of-range', 'invalid-argument'], () => backend.writeZeroes(offset, length));
        await refused(['out-of-range', 'invalid-argument'], () => backend.discard(offset, length));
      }
      for (const offset of [0, 1, size]) {
        await settle(() => backend.read(offset, bytes, 0, 0));
        if (!node.readOnly) await settle(() => backend.write(offset, bytes, 0, 0));
        if (!node.readOnly) await settle(() => backend.writeZeroes(offset, 0));
      }
      await backend.detach();
      await checkAll(rig);
    }));

  it('opens nothing for a signal that has fired, and can be opened afterwards', () =>
    withRig(async (rig) => {
      await rig.close();
      const nodes = [...rig.graph.nodes].length;
      const definition = rig.node.settings.options;
      await expect(rig.graph.open(definition, { signal: AbortSignal.abort() })).rejects.toThrow();
      expect([...rig.graph.nodes].length).toBe(nodes);
      await rig.open();
      await checkAll(rig);
    }));

  it('finishes what is under way before it closes', () =>
    withRig(async (rig) => {
      if (rig.node.readOnly) return;
      const written: Promise<void>[] = [];
      for (let i = 0; i < 8; i++) {
        const bytes = dataOf(4 * i + 3, 3000);
        const at = i * Math.floor((settings.size - bytes.length) / 8);
        written.push(settle(() => rig.node.write(at, bytes, 0, bytes.length)));
        if (!settings.forgets) rig.model.write(at, bytes);
      }
      await rig.close();
      await Promise.all(written);
      await rig.open();
      await checkAll(rig);
    }, true));

  it('grows with zeroes where it can be resized', () =>
    withRig(async (rig) => {
      const { node, model } = rig;
      if (node.readOnly || node.driver.truncate === undefined) return;
      const bytes = dataOf(7, 5000);
      const at = node.size - bytes.length;
      await settle(() => node.write(at, bytes, 0, bytes.length));
      model.write(at, bytes);
      const size = Math.ceil((node.size + 100_000) / settings.granularity) * settings.granularity;
      try {
        await node.truncate(size);
      } catch (error) {
        // Some images can't be, and say so.
        if (!(error instanceof BlockError) || error.kind !== 'unsupported') throw error;
        await checkAll(rig);
        return;
      }
      model.resize(size);
      await checkAll(rig);
      for (const wrong of [-1, 0.5, NaN, 2 ** 53]) await refused('invalid-argument', () => node.truncate(wrong));
      await rig.close();
      await rig.open();
      await checkAll(rig);
    }));

  it('survives many requests at the same time on the same few blocks', () =>
    withRig(async (rig) => {
      if (rig.node.readOnly) return;
      const small = { size: Math.min(rig.node.size, 20_000), steps: 24, writable: true, resizable: false, sizeGranularity: 512, growable: false };
      for (let seed = 0; seed < 4; seed++) {
        const steps = makeHistory(prng(seed), small).filter((step) => 'offset' in step);
        await runHistory(rig, [{ verb: 'together', steps }], settings.forgets);
      }
    }, true));
}

/** The request fails with this kind, thrown or rejected. */
async function refused(kind: string | readonly string[], request: () => Completion): Promise<void> {
  let error: unknown;
  try {
    await settle(request);
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof BlockError) || !(typeof kind === 'string' ? [kind] : kind).includes(error.kind)) {
    const found = error === undefined ? 'it was done' : `it gave ${error instanceof BlockError ? `kind ${error.kind}` : 'an error of another class'}`;
    throw new Error(`${request.toString().slice(0, 120)} should be refused as ${String(kind)}, but ${found}`, { cause: error });
  }
}
