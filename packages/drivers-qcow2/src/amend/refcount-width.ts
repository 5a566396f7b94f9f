/** Another width of refcounts: the same counts in new tables, which the header names when all of them are on stable storage. */
import { isPromise, type AmendContext } from '@blk/core-graph';
import { CountsOnDisk } from '../check/counts-on-disk.js';
import { rebuildStructures } from '../check/rebuild.js';
import { checkStructures } from '../check/refcounts.js';
import { CheckRun, type CheckSubject } from '../check/run.js';
import { argumentError } from '../errors.js';
import { hex } from '../corruption.js';
import { maxRefcount } from '../refcount-codec.js';

/** Throws, with nothing changed, where a count does not fit the new width. */
export async function changeRefcountWidth(subject: CheckSubject, order: number, { progress, pause }: AmendContext): Promise<void> {
  const run = new CheckRun(subject, { repair: 'none', ...(pause === undefined ? {} : { pause }) });
  const { geometry, references, fileClusters } = run;
  const disk = await CountsOnDisk.read(run);
  const max = maxRefcount(order);
  const total = Math.max(fileClusters, disk.entries * geometry.blockEntries);
  for (let cluster = 0; cluster < total; cluster++) {
    if (cluster % geometry.blockEntries === 0) {
      progress?.(cluster, total * 2);
      const paused = pause?.();
      if (paused !== undefined) await paused;
      if (disk.entry(cluster / geometry.blockEntries).offset === 0) {
        cluster += geometry.blockEntries - 1;
        continue;
      }
    }
    const found = disk.get(cluster);
    const count = isPromise(found) ? await found : found;
    if (count === undefined) throw argumentError(`Can't get refcount for cluster ${cluster}`, 'io');
    if (count === 0) continue;
    if (count > max) {
      throw argumentError(
        `Cannot decrease refcount entry width to ${2 ** order} bits: Cluster at offset ${hex(cluster * geometry.clusterSize)} has a refcount of ${count}`,
      );
    }
    references.set(cluster, count);
  }
  await rebuildStructures(run, oldStructures(run, subject, disk), order, (done, all) => {
    progress?.(total + Math.floor((done / all) * total), total * 2);
  });
}

/** The clusters that the present tables take, once each. */
function oldStructures(run: CheckRun, subject: CheckSubject, disk: CountsOnDisk): number[] {
  const scratch = new CheckRun(subject, { repair: 'none' });
  const state = checkStructures(scratch, disk);
  if (state.damaged || state.unsafe) {
    throw argumentError('The refcount tables of the image are damaged; it has to be repaired first', 'corrupt');
  }
  return state.clusters.filter((cluster) => run.references.get(cluster) > 0);
}
