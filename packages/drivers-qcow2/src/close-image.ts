/** Leaving an image clean: everything written, nothing leaked, no dirty bit. */
import { Incompatible } from './feature-bits.js';
import type { Qcow2Image } from './qcow2-image.js';

/** Writes everything and gives back what is free, so that the file says all there is. */
export async function settle({ corruption, flusher, reclaim }: Qcow2Image): Promise<void> {
  corruption.check();
  await flusher.flushFully();
  await reclaim.idle();
  // What was given back by then is written as well, so that nothing leaks.
  await flusher.flushFully();
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
  await settleClean(image);
}
