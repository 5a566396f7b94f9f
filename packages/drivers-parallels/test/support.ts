/** Images for the tests, and changes of their bytes. */
import { FormatBench, MemoryDisk } from '@blk/driver-conformance';
import type { ImagePolicy } from '@blk/core-graph';
import { parallels } from '../src/index.js';

export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(parallels, policy === undefined ? {} : { policy });
  }
}

export type Edit = readonly [at: number, value: number | string, bits?: 64];

export function edited(disk: MemoryDisk, edits: readonly Edit[]): MemoryDisk {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [at, value, bits] of edits) {
    if (typeof value === 'string') bytes.set(new TextEncoder().encode(value), at);
    else if (bits === 64) view.setBigUint64(at, BigInt(value), true);
    else view.setUint32(at, value, true);
  }
  return new MemoryDisk({ content: bytes });
}

/** 10 MiB with clusters 0, 3 and 5 in that order in the file. */
export async function sample(edits: readonly Edit[] = [], length?: number): Promise<MemoryDisk> {
  const bench = new Bench();
  const disk = await bench.create(10 << 20);
  const node = await bench.open(disk);
  for (const cluster of [0, 3, 5]) await node.write(cluster << 20, new Uint8Array(65536).fill(cluster + 1), 0, 65536);
  await bench.graph.release(node);
  const result = edited(disk, edits);
  if (length !== undefined) await result.truncate(length);
  return result;
}

/** An image of the old kind, whose entries count sectors, with clusters of 63 sectors behind a data offset that is left to the reader. */
export function oldImage(clusters: number): MemoryDisk {
  const bytes = new Uint8Array(Math.ceil((64 + clusters * 4) / 512) * 512);
  return edited(new MemoryDisk({ content: bytes }), [[0, 'WithoutFreeSpace'], [16, 2], [20, 16], [28, 63], [32, clusters], [36, clusters * 63 - 5]]);
}

/** An own look at the catalog, apart from the driver's. */
export function checkBytes(disk: MemoryDisk): void {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const u32 = (at: number): number => view.getUint32(at, true);
  const cluster = u32(28) * 512;
  const old = String.fromCharCode(...bytes.subarray(0, 16)) === 'WithoutFreeSpace';
  const seen = new Set<number>();
  for (let at = 0; at < u32(32); at++) {
    const place = u32(64 + at * 4) * (old ? 512 : cluster);
    if (place === 0) continue;
    if (seen.has(place)) throw new Error(`two clusters at ${place}`);
    if (place + cluster > bytes.length) throw new Error(`cluster ${at} at ${place} is beyond the end of the file`);
    seen.add(place);
  }
}

/** What the disk holds, found by the description of the format alone, apart from the driver and from the reference. */
export function walked(disk: MemoryDisk): Uint8Array {
  const file = disk.toBytes();
  const view = new DataView(file.buffer, file.byteOffset);
  const old = String.fromCharCode(...file.subarray(0, 16)) === 'WithoutFreeSpace';
  const [cluster, sectors] = [view.getUint32(28, true) * 512, old ? view.getUint32(36, true) : Number(view.getBigUint64(36, true))];
  const content = new Uint8Array(sectors * 512);
  for (let at = 0; at < content.length; at += cluster) {
    const entry = view.getUint32(64 + (at / cluster) * 4, true);
    const place = entry * (old ? 512 : cluster);
    if (entry !== 0) content.set(file.subarray(place, place + Math.min(cluster, content.length - at)), at);
  }
  return content;
}
