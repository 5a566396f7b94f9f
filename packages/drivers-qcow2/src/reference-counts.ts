/** Counting what refers to each host cluster, by a walk through all tables of an image. */
import type { ImagePolicy } from '@blk/core-graph';
import { hex } from './corruption.js';
import { qcow2Error } from './errors.js';
import { bitmapsOf } from './extensions.js';
import { u64, viewOf } from './format.js';
import { L1Table } from './l1-table.js';
import { compressedRange, EntryKind, hostOf, kindOf } from './l2-entry.js';
import type { Qcow2Image } from './qcow2-image.js';
import type { SnapshotTable } from './snapshot-table.js';

/** References by host cluster. */
export class ReferenceCounts {
  #counts: Uint32Array;
  #length: number;

  constructor(clusters: number) {
    this.#counts = new Uint32Array(clusters);
    this.#length = clusters;
  }

  /** Clusters of the file, and those added behind it. */
  get length(): number {
    return this.#length;
  }

  get(cluster: number): number {
    return this.#counts[cluster] ?? 0;
  }

  add(cluster: number): void {
    if (cluster >= this.#counts.length) {
      const grown = new Uint32Array(Math.max(cluster + 1, Math.ceil(this.#counts.length * 1.25)));
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#counts[cluster]++;
    this.#length = Math.max(this.#length, cluster + 1);
  }
}

/** Throws kind `corrupt` where a table is damaged: then the references can't be told. */
export async function countReferences(image: Qcow2Image, snapshots: SnapshotTable, policy: ImagePolicy): Promise<ReferenceCounts> {
  const { file, geometry, header } = image;
  const { clusterSize } = geometry;
  const clusters = Math.ceil(file.size / clusterSize);
  if (clusters * 4 > policy.maxMetadataBytes) {
    throw qcow2Error({ what: 'table-memory', bytes: clusters * 4, limit: policy.maxMetadataBytes });
  }
  const walk = new Walk(image, new ReferenceCounts(clusters));
  const { current } = header;
  walk.range('header', 0, clusterSize);
  walk.range('L1 table', current.l1Offset, current.l1Size * 8);
  walk.range('refcount table', current.refcountTableOffset, current.refcountTableClusters * clusterSize);
  for (const offset of image.refcounts.table) if (offset !== 0) walk.cluster('refcount block', offset);
  walk.range('snapshot table', current.snapshotsOffset, snapshots.length);
  await walk.bitmaps();
  await walk.l1(image.l2.l1);
  for (const { offset, entries } of snapshots.l1Tables) {
    walk.range('snapshot L1 table', offset, entries * 8);
    await walk.l1(L1Table.decode(await walk.read(offset, entries * 8), entries, offset));
  }
  return walk.counts;
}

class Walk {
  constructor(
    private readonly image: Qcow2Image,
    readonly counts: ReferenceCounts,
  ) {}

  range(what: string, offset: number, length: number): void {
    if (length === 0) return;
    const { clusterSize } = this.image.geometry;
    const end = Math.ceil((offset + length) / clusterSize);
    if (offset >= this.image.file.size || end > Math.ceil(this.image.file.size / clusterSize)) {
      throw damaged(`${what} at ${hex(offset)} lies beyond the end of the file`);
    }
    for (let cluster = Math.floor(offset / clusterSize); cluster < end; cluster++) this.counts.add(cluster);
  }

  cluster(what: string, offset: number): void {
    if (offset % this.image.geometry.clusterSize !== 0) throw damaged(`${what} at ${hex(offset)} is not aligned`);
    this.range(what, offset, this.image.geometry.clusterSize);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    if (length > 0) await this.image.file.read(offset, bytes, 0, length);
    return bytes;
  }

  async l1(l1: L1Table): Promise<void> {
    const { clusterSize, l2Entries } = this.image.geometry;
    const bytes = new Uint8Array(clusterSize);
    const view = viewOf(bytes);
    for (const offset of l1.offsets) {
      if (offset === 0) continue;
      this.cluster('L2 table', offset);
      const done = this.image.file.read(offset, bytes, 0, clusterSize);
      if (done !== undefined) await done;
      for (let at = 0; at < l2Entries; at++) this.#entry(view.getUint32(at * 8), view.getUint32(at * 8 + 4));
    }
  }

  /** Persistent bitmaps, consistent or not: their clusters are in use all the same. */
  async bitmaps(): Promise<void> {
    const { header, file } = this.image;
    const extension = bitmapsOf(header.current.extensions);
    if (extension === undefined) return;
    if (extension.directoryOffset + extension.directorySize > BigInt(file.size) || extension.directorySize > 64n << 20n) {
      throw damaged('bitmap directory lies beyond the end of the file');
    }
    const offset = Number(extension.directoryOffset);
    const directory = viewOf(await this.read(offset, Number(extension.directorySize)));
    this.range('bitmap directory', offset, directory.byteLength);
    for (let at = 0; at + 24 <= directory.byteLength; ) {
      await this.#bitmapTable(u64(directory, at), directory.getUint32(at + 8));
      at += Math.ceil((24 + directory.getUint16(at + 18) + directory.getUint32(at + 20)) / 8) * 8;
    }
  }

  async #bitmapTable(offset: number, entries: number): Promise<void> {
    this.range('bitmap table', offset, entries * 8);
    const table = viewOf(await this.read(offset, entries * 8));
    for (let at = 0; at < table.byteLength; at += 8) {
      const data = hostOf(table.getUint32(at), table.getUint32(at + 4));
      if (data !== 0) this.cluster('bitmap data', data);
    }
  }

  #entry(high: number, low: number): void {
    const kind = kindOf(high, low);
    if (kind === EntryKind.Data || kind === EntryKind.ZeroAllocated) this.cluster('data cluster', hostOf(high, low));
    if (kind !== EntryKind.Compressed) return;
    const { offset, length } = compressedRange(high, low, this.image.geometry);
    if (offset >= this.image.file.size) throw damaged(`compressed cluster at ${hex(offset)} lies beyond the end of the file`);
    // The last sector may be one that the file has only the beginning of.
    this.range('compressed cluster', offset, Math.min(length, this.image.file.size - offset));
  }
}

function damaged(text: string): Error {
  return qcow2Error({ what: 'dirty', text });
}
