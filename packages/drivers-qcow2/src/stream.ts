/**
 * A new image as a stream: metadata first, then the clusters that hold data, one after the other. Where everything lies follows
 * from which ranges hold data, so that the length is known before the first byte.
 */
import type { DataRange, ImageStream, StreamSource } from '@blk/core-graph';
import { encodeFirstCluster, planImage } from './create.js';
import type { CreateOptions } from './create-options.js';
import { argumentError } from './errors.js';
import { HIGH, putU64, viewOf, type Geometry } from './format.js';
import type { Header } from './header.js';
import { setRefcount } from './refcount-codec.js';

/** Upper half of an entry whose cluster belongs to this image alone. */
const COPIED = 0x8000_0000;
const PIECE = 1024 * 1024;
/** The bits of allocated subclusters in an extended entry: its last four bytes. */
const ALLOCATED_AT = 12;
const ALL = 0xffff_ffff;

interface ClusterRun {
  /** Guest cluster. */
  readonly first: number;
  readonly count: number;
}

/** Which clusters hold data; and, with extended entries, which subclusters of those do that are not allocated as a whole: one bit each. */
interface Allocation {
  readonly runs: readonly ClusterRun[];
  readonly parts: ReadonlyMap<number, number>;
}

interface Layout extends Allocation {
  readonly header: Header;
  /** L1 indexes with a table, in order. */
  readonly tables: readonly number[];
  readonly blocks: number;
  /** Host clusters; each is followed by the next part. */
  readonly firstBlock: number;
  readonly firstL1: number;
  readonly firstTable: number;
  readonly firstData: number;
  readonly clusters: number;
}

/** Throws where the options ask for what a stream can't have: space ahead of time, another file, keys. */
export async function streamQcow2(options: CreateOptions & { size: number }, source: StreamSource): Promise<ImageStream> {
  const refused = whatIsRefused(options);
  if (refused !== undefined) throw argumentError(`${refused} not supported for images that are written as a stream`, 'unsupported');
  const { header } = planImage(options);
  const layout = layOut(header, await allocationOf(source.data, header.geometry));
  return { length: layout.clusters * header.geometry.clusterSize, chunks: () => chunksOf(layout, source) };
}

function whatIsRefused(options: CreateOptions): string | undefined {
  if ((options.preallocation ?? 'off') !== 'off') return 'Preallocation is';
  if (options.data_file !== undefined) return 'Data files are';
  if (options.encryption === true || options['encrypt.format'] !== undefined) return 'Encryption is';
  // What is left out would be the backing file's, where the disk has zeroes.
  if (options.backing_file !== undefined && options.backing_file !== '') return 'Backing files are';
  return undefined;
}

async function allocationOf(data: AsyncIterable<DataRange>, geometry: Geometry): Promise<Allocation> {
  const { clusterSize } = geometry;
  const runs: ClusterRun[] = [];
  const parts = new Map<number, number>();
  for await (const { offset, length } of data) {
    if (geometry.extended && length > 0) markUnits(parts, offset, length, geometry);
    const last = runs[runs.length - 1] as ClusterRun | undefined;
    const after = last === undefined ? 0 : last.first + last.count;
    const first = Math.max(after, Math.floor(offset / clusterSize));
    const count = Math.ceil((offset + length) / clusterSize) - first;
    if (count <= 0) continue;
    if (last !== undefined && first === after) runs[runs.length - 1] = { first: last.first, count: last.count + count };
    else runs.push({ first, count });
  }
  return { runs, parts };
}

/** Sets the bits of the subclusters that a range touches in its first cluster and in its last one. Those between are whole. */
function markUnits(parts: Map<number, number>, offset: number, length: number, { units, unitSize }: Geometry): void {
  const first = Math.floor(offset / unitSize);
  const end = Math.ceil((offset + length) / unitSize);
  for (const cluster of new Set([Math.floor(first / units), Math.floor((end - 1) / units)])) {
    const from = Math.max(0, first - cluster * units);
    const to = Math.min(units, end - cluster * units);
    // Powers, as a shift by 32 is none.
    parts.set(cluster, ((parts.get(cluster) ?? 0) | (2 ** to - 2 ** from)) >>> 0);
  }
}

function layOut(empty: Header, { runs, parts }: Allocation): Layout {
  const { clusterSize, l2Entries, blockEntries } = empty.geometry;
  const tables: number[] = [];
  let data = 0;
  for (const { first, count } of runs) {
    data += count;
    for (let index = Math.floor(first / l2Entries); index * l2Entries < first + count; index++) {
      if (tables[tables.length - 1] !== index) tables.push(index);
    }
  }
  const l1Clusters = Math.ceil((empty.l1Size * 8) / clusterSize);
  let blocks = 0;
  let tableClusters = 0;
  let clusters = 0;
  for (let before = -1; before !== clusters; ) {
    before = clusters;
    blocks = Math.max(1, Math.ceil(clusters / blockEntries));
    tableClusters = Math.ceil((blocks * 8) / clusterSize);
    clusters = 1 + tableClusters + blocks + l1Clusters + tables.length + data;
  }
  const firstBlock = 1 + tableClusters;
  const firstL1 = firstBlock + blocks;
  const firstTable = firstL1 + l1Clusters;
  const header = {
    ...empty,
    refcountTableOffset: clusterSize,
    refcountTableClusters: tableClusters,
    l1Offset: empty.l1Size === 0 ? 0 : firstL1 * clusterSize,
  };
  return { header, runs, parts, tables, blocks, firstBlock, firstL1, firstTable, firstData: firstTable + tables.length, clusters };
}

async function* chunksOf(layout: Layout, source: StreamSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { header, firstBlock, firstL1, firstTable } = layout;
  const { clusterSize } = header.geometry;
  const head = new Uint8Array(firstBlock * clusterSize);
  head.set(encodeFirstCluster(header));
  for (let block = 0; block < layout.blocks; block++) putU64(viewOf(head), clusterSize + block * 8, (firstBlock + block) * clusterSize);
  yield head;
  yield* refcountBlocks(layout);
  const l1 = new Uint8Array((firstTable - firstL1) * clusterSize);
  layout.tables.forEach((index, at) => {
    putCopied(viewOf(l1), index * 8, (firstTable + at) * clusterSize);
  });
  if (l1.length > 0) yield l1;
  yield* tables(layout);
  yield* content(layout, source);
}

function* refcountBlocks({ header, blocks, clusters }: Layout): Generator<Uint8Array, void, undefined> {
  const { clusterSize, blockEntries, refcountOrder } = header.geometry;
  for (let block = 0; block < blocks; block++) {
    const bytes = new Uint8Array(clusterSize);
    const counted = Math.min(blockEntries, clusters - block * blockEntries);
    for (let at = 0; at < counted; at++) setRefcount(viewOf(bytes), refcountOrder, at, 1);
    yield bytes;
  }
}

function* tables({ header, runs, parts, tables: indexes, firstData }: Layout): Generator<Uint8Array, void, undefined> {
  const { clusterSize, l2Entries, extended, entryBytes } = header.geometry;
  let run = 0;
  let inRun = 0;
  let host = firstData;
  for (const index of indexes) {
    const bytes = new Uint8Array(clusterSize);
    const view = viewOf(bytes);
    const end = (index + 1) * l2Entries;
    while (run < runs.length && runs[run].first + inRun < end) {
      const cluster = runs[run].first + inRun;
      const at = (cluster - index * l2Entries) * entryBytes;
      putCopied(view, at, host * clusterSize);
      if (extended) view.setUint32(at + ALLOCATED_AT, parts.get(cluster) ?? ALL);
      host++;
      inRun++;
      if (inRun === runs[run].count) {
        run++;
        inRun = 0;
      }
    }
    yield bytes;
  }
}

/** The clusters of the disk; the last one may reach beyond its end. */
async function* content({ header, runs }: Layout, source: StreamSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { clusterSize } = header.geometry;
  const buffer = new Uint8Array(Math.max(PIECE, clusterSize));
  for (const { first, count } of runs) {
    const end = (first + count) * clusterSize;
    for (let at = first * clusterSize; at < end; ) {
      const length = Math.min(buffer.length, end - at);
      const done = source.read(at, buffer, 0, length);
      if (done !== undefined) await done;
      yield buffer.subarray(0, length);
      at += length;
    }
  }
}

function putCopied(view: DataView, at: number, offset: number): void {
  view.setUint32(at, (COPIED + Math.floor(offset / HIGH)) >>> 0);
  view.setUint32(at + 4, offset >>> 0);
}
