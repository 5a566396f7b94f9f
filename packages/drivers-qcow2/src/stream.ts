/**
 * A new image as a stream: metadata first, then the clusters that hold data, one after the other. Where everything lies follows
 * from which ranges hold data, so that the length is known before the first byte.
 */
import type { DataRange, ImageStream, StreamSource } from '@blk/core-graph';
import { encodeFirstCluster, planImage } from './create.js';
import type { CreateOptions } from './create-options.js';
import { argumentError } from './errors.js';
import { HIGH, putU64, viewOf } from './format.js';
import type { Header } from './header.js';
import { setRefcount } from './refcount-codec.js';

/** Upper half of an entry whose cluster belongs to this image alone. */
const COPIED = 0x8000_0000;
const PIECE = 1024 * 1024;

interface ClusterRun {
  /** Guest cluster. */
  readonly first: number;
  readonly count: number;
}

interface Layout {
  readonly header: Header;
  readonly runs: readonly ClusterRun[];
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

/** Throws where the options ask for what a stream can't have: space ahead of time, a file besides. */
export async function streamQcow2(options: CreateOptions & { size: number }, source: StreamSource): Promise<ImageStream> {
  const { preallocation = 'off' } = options;
  if (preallocation !== 'off') throw argumentError('Preallocation is not supported for images that are written as a stream', 'unsupported');
  if (options.extended_l2 === true || options.data_file !== undefined || options.encryption === true || options['encrypt.format'] !== undefined) {
    throw argumentError('Extended L2 entries, data files and encryption are not supported for images that are written as a stream', 'unsupported');
  }
  const { header } = planImage(options);
  const layout = layOut(header, await runsOf(source.data, header.geometry.clusterSize));
  return { length: layout.clusters * header.geometry.clusterSize, chunks: () => chunksOf(layout, source) };
}

async function runsOf(data: AsyncIterable<DataRange>, clusterSize: number): Promise<ClusterRun[]> {
  const runs: ClusterRun[] = [];
  for await (const { offset, length } of data) {
    const last = runs[runs.length - 1] as ClusterRun | undefined;
    const after = last === undefined ? 0 : last.first + last.count;
    const first = Math.max(after, Math.floor(offset / clusterSize));
    const count = Math.ceil((offset + length) / clusterSize) - first;
    if (count <= 0) continue;
    if (last !== undefined && first === after) runs[runs.length - 1] = { first: last.first, count: last.count + count };
    else runs.push({ first, count });
  }
  return runs;
}

function layOut(empty: Header, runs: readonly ClusterRun[]): Layout {
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
  return { header, runs, tables, blocks, firstBlock, firstL1, firstTable, firstData: firstTable + tables.length, clusters };
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

function* tables({ header, runs, tables: indexes, firstData }: Layout): Generator<Uint8Array, void, undefined> {
  const { clusterSize, l2Entries } = header.geometry;
  let run = 0;
  let inRun = 0;
  let host = firstData;
  for (const index of indexes) {
    const bytes = new Uint8Array(clusterSize);
    const view = viewOf(bytes);
    const end = (index + 1) * l2Entries;
    while (run < runs.length && runs[run].first + inRun < end) {
      putCopied(view, (runs[run].first + inRun - index * l2Entries) * 8, host * clusterSize);
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
