/** What a device asks of requests past the page cache. */
import { readFile as readFileCallback } from 'node:fs';
import { promisify } from 'node:util';
import type { BufferPool } from '@blk/core-graph';
import { deviceNumbers, type HostFile } from './host-file.js';
import { poolRead } from './io/pool.js';

const readFile = promisify(readFileCallback);

const SECTOR = 512;
const PAGE = 4096;

/** A number that the kernel tells about a block device; a partition has some of its disk. Undefined: unknown. */
export async function deviceAttribute(device: bigint, name: string): Promise<number | undefined> {
  const { major, minor } = deviceNumbers(device);
  for (const place of ['', '../']) {
    try {
      const value = Number(await readFile(`/sys/dev/block/${major}:${minor}/${place}${name}`, 'latin1'));
      if (Number.isSafeInteger(value)) return value;
    } catch {
      // No such attribute here; perhaps the disk has it.
    }
  }
  return undefined;
}

/** Logical block size of a device in bytes. */
export async function blockSizeOf(device: bigint): Promise<number> {
  const size = await deviceAttribute(device, 'queue/logical_block_size');
  return size !== undefined && size >= SECTOR && Number.isInteger(Math.log2(size)) ? size : SECTOR;
}

/**
 * The alignment that O_DIRECT requests on a file need: the smallest that a trial read gets through with, and not less than
 * the block size of the device below. What is too short can't be tried; a page suits everybody.
 */
export async function directAlignment({ fd, stats }: HostFile, pool: BufferPool): Promise<number> {
  const least = await blockSizeOf(stats.isBlockDevice() ? stats.rdev : stats.dev);
  const size = stats.isFile() ? stats.size : BigInt(2 * PAGE);
  const buffer = pool.take(2 * PAGE);
  try {
    for (let alignment = least; alignment < PAGE; alignment *= 2) {
      // A read that meets the end of the file may succeed whatever its length.
      if (size < BigInt(alignment)) break;
      // At an odd multiple, in memory and if possible in the file, so that success means what it seems to.
      const place = size < BigInt(2 * alignment) ? 0 : alignment;
      const done = await poolRead(fd, place, buffer, alignment, alignment, alignment).catch(() => -1);
      if (done >= 0) return alignment;
    }
    return Math.max(least, PAGE);
  } finally {
    pool.give(buffer);
  }
}
