/** Leaving an image clean: everything written, nothing leaked, no dirty bit. */
import { Incompatible } from './features.js';
import type { Qcow2Image } from './qcow2-image.js';

export async function closeImage(image: Qcow2Image): Promise<void> {
  if (image.readOnly) return;
  const { corruption, flusher, header, reclaim, file } = image;
  await corruption.marked;
  // What is in memory must not reach a damaged image.
  if (corruption.fatal !== undefined) return;
  await flusher.flushFully();
  await reclaim.idle();
  // What was given back by then is written as well, so that nothing leaks.
  await flusher.flushFully();
  if (!header.has(Incompatible.Dirty)) return;
  await header.update({ incompatible: header.current.incompatible & ~Incompatible.Dirty });
  await file.flush();
}
