/** Leaving an image clean: everything written, nothing leaked, no dirty bit. */
import { Incompatible } from './feature-bits.js';
import type { Qcow2Image } from './qcow2-image.js';
import { refreshMarks } from './shared-trees.js';

/** Writes everything and gives back what is free, so that the file says all there is. */
export async function settle(image: Qcow2Image): Promise<void> {
  await giveBack(image);
  // What was given back by then is written as well, so that nothing leaks.
  await image.flusher.flushFully();
}

/** Writes everything but that what was free is given back. */
export async function giveBack({ corruption, flusher, reclaim }: Qcow2Image): Promise<void> {
  corruption.check();
  await flusher.flushFully();
  await reclaim.idle();
}

/** As `settle`; all counts are on disk then, and the dirty bit goes. */
export async function settleClean(image: Qcow2Image): Promise<void> {
  const { header, file } = image;
  await settle(image);
  if (!header.has(Incompatible.Dirty) || image.uncertain) return;
  await header.update({ incompatible: header.current.incompatible & ~Incompatible.Dirty });
  await file.flush();
}

export async function closeImage(image: Qcow2Image): Promise<void> {
  if (image.readOnly) return;
  await image.corruption.marked;
  // What is in memory must not reach a damaged image.
  if (image.corruption.fatal !== undefined) return;
  // What could not be put right when it was changed may be now.
  if (image.uncertain) await refreshMarks(image).catch(() => undefined);
  await settleClean(image);
  await endWithCluster(image);
}

/**
 * The zeroes that follow in the file's last cluster are not written with the data. Images without them are sound, but not every
 * program reads a cluster that the file has in part, and the reference leaves whole ones. What was short before stays as it is.
 */
async function endWithCluster({ file, geometry, lengthAtOpen }: Qcow2Image): Promise<void> {
  const { node } = file;
  const end = Math.ceil(file.size / geometry.clusterSize) * geometry.clusterSize;
  if (file.size <= lengthAtOpen || file.size === end || node.driver.growable !== true || node.driver.truncate === undefined) return;
  try {
    await node.truncate(end, { preallocation: 'off' });
  } catch {
    // A full disk; nothing is lost.
  }
}
