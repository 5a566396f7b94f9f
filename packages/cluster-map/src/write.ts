/** Writing: in place where a cluster has its place in the file; else it gets one, filled up around what is written. */
import { WriteFlag, type Completion } from '@blk/core-graph';
import type { MappedImage } from './mapped-image.js';
import { Pending, settled } from './pending.js';
import { Place } from './place.js';
import { readRange } from './read.js';
import { checkInside, findRun, Run } from './run.js';
import type { Room } from './space.js';
import type { TablePage } from './table-page.js';

const SECTOR = 512;
const ZEROES = new Uint8Array(SECTOR);
const scratch = new Run();

/** Stores `buffer[start, start + length)` at `offset` of the disk. */
export function writeRange(image: MappedImage, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const end = offset + length;
  const waiting = findRun(image, offset, end, scratch);
  if (waiting !== undefined) return waiting.then(() => writeRange(image, offset, buffer, start, length));
  if (scratch.place >= 0 && scratch.end === end) return writeHost(image, scratch.place, offset, buffer, start, length);
  return writeParts(image, offset, buffer, start, length);
}

function writeParts(image: MappedImage, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { tables, clusterSize } = image.format;
  const pending = new Pending();
  const end = offset + length;
  for (let at = offset; at < end && !pending.failed; ) {
    const from = at;
    const source = start + from - offset;
    pending.add(() => {
      const waiting = findRun(image, from, end, scratch);
      if (waiting !== undefined) {
        at = end;
        return waiting.then(() => writeRange(image, from, buffer, source, end - from));
      }
      const { place } = scratch;
      // New places are given a table page at a time.
      const cluster = Math.floor(from / clusterSize);
      at = place >= 0 ? scratch.end : Math.min(scratch.end, tables.endOf(tables.pageOf(cluster)) * clusterSize);
      const size = at - from;
      return place >= 0 ? writeHost(image, place, from, buffer, source, size) : placeClusters(image, place, from, buffer, source, size);
    });
  }
  return pending.end();
}

function writeHost(image: MappedImage, host: number, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  checkInside(image, host, offset, length);
  const told = image.format.tables.tell('write_aio');
  if (told !== undefined) return told.then(() => store(image, host, offset, buffer, start, length));
  return store(image, host, offset, buffer, start, length);
}

function store(image: MappedImage, host: number, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { file, cipher } = image.format;
  if (cipher === undefined) return file.write(host, buffer, start, length);
  const hidden = buffer.slice(start, start + length);
  cipher.encrypt(offset, hidden, 0, length);
  return file.write(host, hidden, 0, length);
}

/** A range of clusters that all had no place when they were looked at, all in one page of one table. */
async function placeClusters(image: MappedImage, found: number, offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
  const { busy, format } = image;
  const { tables, clusterSize, space } = format;
  const first = Math.floor(offset / clusterSize);
  const last = Math.floor((offset + length - 1) / clusterSize);
  const page = tables.pageOf(first);
  const crowd = image.idle(first, last) ?? image.relieve();
  if (crowd !== undefined) {
    await crowd;
    return settled(writeRange(image, offset, buffer, start, length));
  }
  if (tables.peek(page) === null) {
    const unit = clusterSize;
    await tables.make(page, (bytes) => space.take(Math.ceil(bytes / unit)));
    return settled(writeRange(image, offset, buffer, start, length));
  }
  const room = space.take(last - first + 1);
  const end = first + room.units;
  let release!: () => void;
  const over = new Promise<void>((resolve) => (release = resolve));
  for (let cluster = first; cluster < end; cluster++) busy.set(cluster, over);
  const part = Math.min(length, end * clusterSize - offset);
  try {
    // Waits only for what has to be waited for: mostly the page cache takes all of it at once.
    const told = tables.tell('cluster_alloc');
    if (told !== undefined) await told;
    const filled = fillRoom(image, room, found, offset, buffer, start, part);
    if (filled !== undefined) await filled;
    const changed = setEntries(image, first, room);
    if (changed !== undefined) await changed;
  } catch (error) {
    space.giveBack(room);
    throw error;
  } finally {
    for (let cluster = first; cluster < end; cluster++) busy.delete(cluster);
    release();
  }
  // The file had no room for all of them side by side.
  if (part < length) return settled(writeRange(image, offset + part, buffer, start + part, length - part));
}

/** A cluster in a form of the format's own. */
export interface PackedCluster {
  readonly bytes: Uint8Array;
  /** Where the caller has room for them. */
  readonly host: number;
  /** The halves of its entry. */
  readonly entry: readonly [low: number, high: number];
  /** Called at the moment in which others can find the bytes: what was read from their place before does not count any more. */
  readonly forget: () => void;
}

/** Stores one cluster packed. The place that it had, if any, is not used again. */
export async function placePacked(image: MappedImage, cluster: number, { bytes, host, entry: [low, high], forget }: PackedCluster): Promise<void> {
  const { busy, format } = image;
  const { tables, space, clusterSize, file } = format;
  const page = tables.pageOf(cluster);
  for (;;) {
    const crowd = image.idle(cluster, cluster) ?? image.relieve();
    if (crowd !== undefined) await crowd;
    else if (tables.peek(page) === undefined) await tables.load(page);
    else if (tables.peek(page) === null) await tables.make(page, (length) => space.take(Math.ceil(length / clusterSize)));
    else break;
  }
  let release!: () => void;
  busy.set(cluster, new Promise<void>((resolve) => (release = resolve)));
  try {
    await settled(tables.tell('cluster_alloc'));
    // Also of those that nothing is copied for: so QEMU's driver for VMDK does.
    await settled(tables.tell('cow_write'));
    await settled(tables.tell('write_compressed'));
    await settled(file.write(host, bytes, 0, bytes.length));
    await settled(tables.tell('l2_update_compressed'));
    await settled(changePage(image, page, (entries) => {
      forget();
      entries.setHalves(cluster - entries.first, low, high);
    }));
  } finally {
    busy.delete(cluster);
    release();
  }
}

function setEntries(image: MappedImage, first: number, { host, units }: Room): Completion {
  const { tables, clusterSize } = image.format;
  return changePage(image, tables.pageOf(first), (entries) => {
    for (let at = 0; at < units; at++) entries.set(first + at - entries.first, host + at * clusterSize);
  });
}

/** Changes a page that was in memory before, and may have left it meanwhile: at the same moment in which it is found, or it might leave in between. */
function changePage(image: MappedImage, page: number, change: (entries: TablePage) => void): Completion {
  const { tables } = image.format;
  const entries = tables.peek(page);
  if (entries === undefined) return tables.load(page).then(() => changePage(image, page, change));
  if (entries === null) throw new Error(`page ${page} of the tables went away`);
  change(entries);
}

/** What a cluster holds around the data is stored with it. */
function fillRoom(image: MappedImage, room: Room, found: number, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { file, clusterSize, cipher } = image.format;
  const blank = found === Place.Zero || (found === Place.Hole && image.backing === undefined);
  if (!blank || cipher !== undefined || file.node.listens) return fillSlowly(image, room, blank, offset, buffer, start, length);
  return fillBlank(image, room, offset % clusterSize, buffer, start, length);
}

async function fillSlowly(
  image: MappedImage, { host, units, virgin }: Room, blank: boolean, offset: number, buffer: Uint8Array, start: number, length: number,
): Promise<void> {
  const { file, clusterSize, cipher } = image.format;
  const begin = Math.floor(offset / clusterSize) * clusterSize;
  const head = offset - begin;
  const tail = units * clusterSize - head - length;
  const around = head + tail > 0;
  const before = new Uint8Array(blank && cipher === undefined ? 0 : head);
  const after = new Uint8Array(blank && cipher === undefined ? 0 : tail);
  if (!blank && around) await readAround(image, begin, before, offset + length, after);
  if (file.node.listens) await tellStore(image, around);
  if (!around && cipher === undefined) return settled(file.write(host, buffer, start, length));
  if (blank && cipher === undefined) return settled(fillBlank(image, { host, units, virgin }, head, buffer, start, length));
  const data = buffer.subarray(start, start + length);
  if (cipher === undefined) return settled(file.writev(host, [before, data, after].filter(({ length: some }) => some > 0)));
  const whole = new Uint8Array(units * clusterSize);
  whole.set(before);
  whole.set(data, head);
  whole.set(after, head + length);
  cipher.encrypt(begin, whole, 0, whole.length);
  return settled(file.write(host, whole, 0, whole.length));
}

/** What the disk holds around a range that gets a place, from `begin` up to the range and from `end` on. */
async function readAround(image: MappedImage, begin: number, before: Uint8Array, end: number, after: Uint8Array): Promise<void> {
  const { tables, size } = image.format;
  await settled(tables.tell('cow_read'));
  if (before.length > 0) await settled(readRange(image, begin, before, 0, before.length));
  const known = Math.min(after.length, Math.max(0, size - end));
  if (known > 0) await settled(readRange(image, end, after, 0, known));
}

/** What is around the data is stored with it. */
async function tellStore({ format: { tables } }: MappedImage, around: boolean): Promise<void> {
  if (around) await settled(tables.tell('cow_write'));
  await settled(tables.tell('write_aio'));
}

/** Zeroes around what is written; where the file has nothing yet, they are there already. */
function fillBlank(image: MappedImage, { host, units, virgin }: Room, head: number, buffer: Uint8Array, start: number, length: number): Completion {
  const { file, clusterSize } = image.format;
  const tail = units * clusterSize - head - length;
  const tailHost = host + head + length;
  const pending = new Pending();
  if (!virgin && head > 0) pending.add(() => file.writeZeroes(host, head, WriteFlag.MayUnmap));
  pending.add(() => file.write(host + head, buffer, start, length));
  if (tail > 0 && virgin) {
    // All of a cluster lies in the file.
    const last = Math.min(tail, SECTOR);
    pending.add(() => file.write(tailHost + tail - last, ZEROES, 0, last));
  } else if (tail > 0) pending.add(() => file.writeZeroes(tailHost, tail, WriteFlag.MayUnmap));
  return pending.end();
}
