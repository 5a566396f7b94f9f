/** Room for clusters whose content comes from elsewhere (`DriverNode.takePlace`): taken as for a write, filled by others, linked when they are done. */
import { isPromise, type AsideRun, type NewPlace } from '@blk/core-graph';
import type { Run } from './allocator.js';
import { changeableTable, linkData } from './link.js';
import type { Qcow2Image } from './qcow2-image.js';
import { Table } from './table-cache.js';
import { planWrite } from './write-plan.js';
import { checkHostRange } from './write-host.js';

/** Undefined where the range is no whole clusters, some of it has its place already, or is going to be encrypted. */
export async function takePlace(image: Qcow2Image, offset: number, length: number, step: number): Promise<NewPlace | undefined> {
  const { clusterSize, l2Span, external } = image.geometry;
  const first = offset / clusterSize;
  const l1Index = Math.floor(offset / l2Span);
  const end = Math.floor(Math.min(offset + length, (l1Index + 1) * l2Span, image.size) / clusterSize);
  if (!Number.isInteger(first) || end <= first || step % clusterSize !== 0 || external || image.encryption !== undefined) return undefined;
  image.corruption.check();
  const generation = image.reclaim.enter();
  let unlock: (() => void) | undefined;
  const done = (): void => {
    unlock?.();
    image.reclaim.leave(generation);
  };
  try {
    const table = await tableFor(image, l1Index, first, end);
    const plan = planWrite(image, table, offset, end * clusterSize);
    if (plan.action === 'allocate') {
      unlock = image.locks.hold(first, first + plan.count);
      const run = await image.takeData(first, plan.count);
      try {
        checkHostRange(image, run.cluster * clusterSize, run.count * clusterSize);
      } catch (error) {
        await image.giveUpData(run);
        throw error;
      }
      return placeIn(image, first, run, done);
    }
  } catch (error) {
    done();
    throw error;
  }
  done();
  return undefined;
}

/** As for a write; good until the caller next waits. */
async function tableFor(image: Qcow2Image, l1Index: number, first: number, end: number): Promise<Table> {
  const relief = image.flusher.relieve();
  if (relief !== undefined) await relief;
  for (;;) {
    const table = changeableTable(image, l1Index, first, end);
    if (table instanceof Table) return table;
    await table;
  }
}

/** `run` is for the guest's clusters from `first` on; `done` is told when it is settled what they hold. */
function placeIn(image: Qcow2Image, first: number, run: Run, done: () => void): NewPlace {
  const { clusterSize, l2Entries } = image.geometry;
  const host = run.cluster * clusterSize;

  /** Links as many clusters of `stored` as are whole; says how many, also where it fails in between. */
  const link = async (stored: readonly AsideRun[], linked: (count: number) => void): Promise<void> => {
    const l1Index = Math.floor(first / l2Entries);
    let taken = 0;
    for (const { at, length } of stored) {
      if (at % clusterSize !== 0) throw new RangeError(`What is stored from byte ${at} on does not begin with a cluster of ${clusterSize} bytes`);
      const count = Math.floor(length / clusterSize);
      if (count === 0) return;
      let table = image.l2.writable(l1Index);
      while (isPromise(table)) {
        await table;
        table = image.l2.writable(l1Index);
      }
      const guest = first * clusterSize + at;
      linkData(image, table, guest / clusterSize - l1Index * l2Entries, count, host + taken * clusterSize, guest, guest + count * clusterSize);
      taken += count;
      linked(taken);
    }
  };

  return {
    node: image.data.node,
    offset: host,
    length: run.count * clusterSize,
    async settle(stored) {
      let linked = 0;
      try {
        await link(stored, (count) => (linked = count));
      } finally {
        if (linked < run.count) await image.giveUpData({ ...run, cluster: run.cluster + linked, count: run.count - linked });
        done();
      }
    },
  };
}
