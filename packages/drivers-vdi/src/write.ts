/** Writing: in place where a block has its place in the file; else it gets one, filled up with zeroes around what is written. */
import { WriteFlag, type Completion } from '@blk/core-graph';
import type { VdiImage } from './image.js';
import { Pending } from '@blk/cluster-map';
import { findRun, isStored, Run } from './run.js';

const SECTOR = 512;
const ZEROES = new Uint8Array(SECTOR);
const scratch = new Run();

/** Stores `buffer[start, start + length)` at `offset` of the disk. */
export function writeRange(image: VdiImage, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const end = offset + length;
  findRun(image, offset, end, scratch);
  if (scratch.host >= 0 && scratch.end === end) return image.file.write(scratch.host, buffer, start, length);
  return writeParts(image, offset, buffer, start, length);
}

function writeParts(image: VdiImage, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const pending = new Pending();
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const from = at;
    findRun(image, from, end, scratch);
    const { host } = scratch;
    // A block at a time gets its place.
    at = host >= 0 ? scratch.end : Math.min(end, (Math.floor(from / image.header.blockSize) + 1) * image.header.blockSize);
    const size = at - from;
    const source = start + from - offset;
    pending.add(() => (host >= 0 ? image.file.write(host, buffer, source, size) : writeBlock(image, from, buffer, source, size)));
  }
  return pending.end();
}

/** A part of one block that had no place when it was looked at. */
async function writeBlock(image: VdiImage, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  const { map, busy, header } = image;
  const block = Math.floor(offset / header.blockSize);
  for (let other = busy.get(block); other !== undefined; other = busy.get(block)) await other;
  const inBlock = offset - block * header.blockSize;
  const entry = map.get(block);
  if (isStored(entry)) {
    await image.file.write(image.hostOf(entry) + inBlock, buffer, start, length);
    return;
  }
  let release!: () => void;
  busy.set(block, new Promise((resolve) => (release = resolve)));
  try {
    await placeBlock(image, block, inBlock, buffer, start, length);
  } finally {
    busy.delete(block);
    release();
  }
}

async function placeBlock(image: VdiImage, block: number, inBlock: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  const { file, space, map, header } = image;
  const { index, virgin } = space.take();
  const host = image.hostOf(index);
  const tail = header.blockSize - inBlock - length;
  const tailAt = host + inBlock + length;
  const pending = new Pending();
  if (!virgin && inBlock > 0) pending.add(() => file.writeZeroes(host, inBlock, WriteFlag.MayUnmap));
  pending.add(() => file.write(host + inBlock, buffer, start, length));
  if (tail > 0 && virgin) {
    // All of a block lies in the file; what is skipped reads as zeroes.
    const last = Math.min(tail, SECTOR);
    pending.add(() => file.write(tailAt + tail - last, ZEROES, 0, last));
  } else if (tail > 0) pending.add(() => file.writeZeroes(tailAt, tail, WriteFlag.MayUnmap));
  try {
    const done = pending.end();
    if (done !== undefined) await done;
  } catch (error) {
    space.giveBack(index);
    throw error;
  }
  map.set(block, index);
}
