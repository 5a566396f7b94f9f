/** Reading: a run at a time, all of them at once. */
import type { Completion, DebugEvent } from '@blk/core-graph';
import type { MappedImage } from './mapped-image.js';
import { Pending } from './pending.js';
import { Place } from './place.js';
import { checkInside, findRun, Run } from './run.js';

const scratch = new Run();

/** Fills `buffer[start, start + length)` from `offset` of the disk. */
export function readRange(image: MappedImage, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const end = offset + length;
  const waiting = findRun(image, offset, end, scratch);
  if (waiting !== undefined) return waiting.then(() => readRange(image, offset, buffer, start, length));
  if (scratch.end === end) return readRun(image, scratch.place, offset, buffer, start, length);
  return readParts(image, offset, buffer, start, length);
}

function readParts(image: MappedImage, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const pending = new Pending();
  const end = offset + length;
  for (let at = offset; at < end && !pending.failed; ) {
    const from = at;
    const target = start + from - offset;
    // Tables that are damaged fail here, where others may be under way already: these are waited for, and nobody is left without an answer.
    pending.add(() => {
      const waiting = findRun(image, from, end, scratch);
      at = waiting === undefined ? scratch.end : end;
      return waiting === undefined
        ? readRun(image, scratch.place, from, buffer, target, at - from)
        : waiting.then(() => readRange(image, from, buffer, target, end - from));
    });
  }
  return pending.end();
}

function readRun(image: MappedImage, place: number, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const event = eventOf(image, place);
  const told = event === undefined ? undefined : image.format.tables.tell(event);
  if (told !== undefined) return told.then(() => readStored(image, place, offset, buffer, start, length));
  return readStored(image, place, offset, buffer, start, length);
}

/** What a read of such a place is told as; that of zeroes is none. */
function eventOf({ backing }: MappedImage, place: number): DebugEvent | undefined {
  if (place === Place.Packed) return 'read_compressed';
  if (place >= 0) return 'read_aio';
  return place === Place.Hole && backing !== undefined ? 'read_backing_aio' : undefined;
}

function readStored(image: MappedImage, place: number, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { file, cipher } = image.format;
  if (place === Place.Packed) return readPacked(image, offset, buffer, start, length);
  if (place === Place.Hole && image.backing !== undefined) return image.backing.read(offset, buffer, start, length);
  if (place < 0) {
    buffer.fill(0, start, start + length);
    return;
  }
  checkInside(image, place, offset, length);
  const done = file.read(place, buffer, start, length);
  if (cipher === undefined) return done;
  if (done !== undefined) {
    return done.then(() => {
      cipher.decrypt(offset, buffer, start, length);
    });
  }
  cipher.decrypt(offset, buffer, start, length);
}

/** A part of one cluster, or all of it, which needs no memory besides. */
function readPacked(image: MappedImage, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { tables, clusterSize, unpack } = image.format;
  const cluster = Math.floor(offset / clusterSize);
  const page = tables.pageOf(cluster);
  const entries = tables.peek(page);
  // Its piece of the tables may have left the memory while the read was told to a driver below.
  if (entries === undefined) return tables.load(page).then(() => readRange(image, offset, buffer, start, length));
  if (entries === null || unpack === undefined) throw new Error(`cluster ${cluster} has no packed entry`);
  const entry = cluster - tables.firstOf(page);
  // And the cluster may have been written, and lie elsewhere now.
  if (entries.get(entry) !== Place.Packed) return readRange(image, offset, buffer, start, length);
  const at = cluster * clusterSize;
  if (length === clusterSize) return unpack(entries.low(entry), entries.high(entry), buffer, start, at);
  const whole = new Uint8Array(clusterSize);
  const from = offset - at;
  const done = unpack(entries.low(entry), entries.high(entry), whole, 0, at);
  if (done !== undefined) {
    return done.then(() => {
      buffer.set(whole.subarray(from, from + length), start);
    });
  }
  buffer.set(whole.subarray(from, from + length), start);
}
