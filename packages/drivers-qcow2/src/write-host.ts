/** Writes to where data lies, never where metadata does. */
import type { Completion } from '@blk/core-graph';
import { writeData } from './data-access.js';
import type { Qcow2Image } from './qcow2-image.js';

/** Writes data to where it lies, after a look whether metadata lies there. */
export function writeHost(image: Qcow2Image, host: number, guest: number, buffer: Uint8Array, start: number, length: number): Completion {
  checkHostRange(image, host, length);
  return writeData(image, host, guest, buffer, start, length);
}

/** Throws where data is about to be written over metadata. */
export function checkHostRange(image: Qcow2Image, host: number, length: number): void {
  const { clusterSize, external } = image.geometry;
  if (external) return;
  const first = Math.floor(host / clusterSize);
  const hit = image.metadata.hit(first, Math.floor((host + length - 1) / clusterSize) - first + 1);
  if (hit === undefined) return;
  throw image.corruption.found(`Preventing invalid write on metadata (overlaps with ${hit})`, host, length);
}
