/** The parts of one open image, put together; each owns its own state. */
import type { Edge, MaybePromise, OpenContext } from '@blk/core-graph';
import { Allocator, type Run } from './allocator.js';
import type { BitmapEntry } from './bitmap-directory.js';
import { ClusterLocks } from './cluster-locks.js';
import { CompressedClusters } from './compressed-read.js';
import { compressionOf, type Compression } from './compression.js';
import { CompressedSpace } from './compressed-space.js';
import { Corruption } from './corruption.js';
import type { Encryption } from './encryption.js';
import { Autoclear } from './feature-bits.js';
import { Flusher } from './flusher.js';
import type { Geometry } from './format.js';
import { HeaderFile } from './header-file.js';
import type { Header } from './header.js';
import type { L1Table } from './l1-table.js';
import { L2Tables } from './l2-tables.js';
import type { Qcow2Options } from './options.js';
import type { MetadataMap } from './overlap.js';
import { Reclaim, type FreedRun } from './reclaim.js';
import { Refcounts } from './refcounts.js';
import type { SnapshotTable } from './snapshot-table.js';

/** What `open` read before the parts are put together. */
export interface ImageSource {
  readonly file: Edge;
  /** The external data file; absent: data lies in `file` as well. */
  readonly data: Edge | undefined;
  /** Absent: data is not encrypted. */
  readonly encryption: Encryption | undefined;
  readonly header: Header;
  readonly l1: L1Table;
  /** Empty where the image is read-only. */
  readonly refcountTable: Float64Array;
  readonly snapshots: SnapshotTable;
  readonly bitmaps: readonly BitmapEntry[];
  readonly metadata: MetadataMap;
  readonly options: Qcow2Options;
  readonly readOnly: boolean;
  readonly context: Pick<OpenContext, 'corrupted' | 'warn' | 'pool'>;
}

export class Qcow2Image {
  readonly file: Edge;
  /** Where the guest's data lies: the external data file, or `file`. */
  readonly data: Edge;
  readonly encryption: Encryption | undefined;
  readonly geometry: Geometry;
  readonly header: HeaderFile;
  readonly metadata: MetadataMap;
  readonly corruption: Corruption;
  readonly reclaim: Reclaim;
  readonly refcounts: Refcounts;
  readonly allocator: Allocator;
  readonly l2: L2Tables;
  readonly flusher: Flusher;
  readonly locks = new ClusterLocks();
  readonly compression: Compression;
  readonly compressed: CompressedClusters;
  readonly compressedSpace: CompressedSpace;
  readonly options: Qcow2Options;
  readonly readOnly: boolean;
  /** Bytes of the file when it was opened. */
  readonly lengthAtOpen: number;
  readonly pool: OpenContext['pool'];
  snapshots: SnapshotTable;
  /** As the directory on disk lists them; none where it is out of date. */
  bitmaps: readonly BitmapEntry[];
  /** What unallocated clusters read; absent: zeroes. */
  backing: Edge | undefined;
  /** Guest bytes. */
  size: number;
  /** Refcounts may be too high or marks missing: the dirty bit has to stay, so that the next opening puts them right. */
  uncertain = false;

  constructor(source: ImageSource) {
    const { file, header, l1, metadata, options, readOnly, context } = source;
    const { geometry } = header;
    this.file = file;
    this.lengthAtOpen = file.size;
    this.data = source.data ?? file;
    this.encryption = source.encryption;
    this.geometry = geometry;
    this.options = options;
    this.readOnly = readOnly;
    this.metadata = metadata;
    this.pool = context.pool;
    // What is encrypted has whole sectors.
    this.size = source.encryption === undefined ? header.size : Math.floor(header.size / 512) * 512;
    this.compression = compressionOf(header.incompatible);
    this.snapshots = source.snapshots;
    this.bitmaps = source.bitmaps;
    this.header = new HeaderFile(file, header);
    this.corruption = new Corruption(context, this.header, readOnly, () => {
      this.l2.cache.clear();
    });
    this.reclaim = new Reclaim((freed) => this.#giveBack(freed));
    this.refcounts = new Refcounts(
      file,
      geometry,
      metadata,
      this.corruption,
      source.refcountTable,
      header.refcountTableOffset,
      header.refcountTableClusters,
      options.refcountCacheTables,
      (cluster, count) => {
        this.reclaim.free(cluster, count);
      },
    );
    this.allocator = new Allocator(file, this.refcounts, geometry);
    const allocator = readOnly ? undefined : this.allocator;
    this.l2 = new L2Tables(file, geometry, l1, this.corruption, metadata, this.reclaim, allocator, options.l2CacheTables);
    this.flusher = new Flusher(file, source.data, this.header, this.l2, this.refcounts, this.reclaim, this.corruption, options.lazyRefcounts);
    this.compressed = new CompressedClusters(file, geometry, this.compression);
    this.compressedSpace = new CompressedSpace(this.allocator, this.refcounts, geometry);
  }

  /** Host clusters for guest cluster `cluster` and up to `want` in all; in an external data file they have their places. */
  takeData(cluster: number, want: number): MaybePromise<Run> {
    return this.geometry.external ? { cluster, count: want, virgin: false } : this.allocator.allocate(want);
  }

  /** Gives back what `takeData` gave and nothing was linked to. */
  async giveUpData(run: Run): Promise<void> {
    if (!this.geometry.external) await this.allocator.release(run.cluster, run.count).catch(() => undefined);
  }

  /** The data file has to hold at all times what the guest sees. */
  get rawData(): boolean {
    return (this.header.current.autoclear & Autoclear.RawData) !== 0n;
  }

  /** Where the state of a virtual machine begins, as an offset into the disk: at the first L1 entry that the disk has no part in. */
  get vmStateOffset(): number {
    const { l2Span } = this.geometry;
    return Math.ceil(this.size / l2Span) * l2Span;
  }

  /** Whether an unallocated cluster at this guest offset reads as zeroes. */
  readsZero(offset: number): boolean {
    return this.backing === undefined || offset >= this.backing.size;
  }

  /** Takes a reference from clusters; discards below those that have none left, before anybody may have them. */
  async #giveBack(freed: readonly FreedRun[]): Promise<void> {
    const { clusterSize } = this.geometry;
    const { discardRequests, discardSnapshots, discardOther } = this.options;
    await this.file.event('cluster_free');
    for (const { cluster, count, cause } of freed) {
      const discard = cause === 'request' ? discardRequests : cause === 'snapshot' ? discardSnapshots : discardOther;
      for (let at = cluster; at < cluster + count; at++) this.compressedSpace.leave(at);
      if (discard) {
        for (let at = cluster; at < cluster + count; ) {
          let end = at;
          while (end < cluster + count && (await this.refcounts.get(end)) === 1) end++;
          if (end > at) {
            const done = this.file.discard(at * clusterSize, (end - at) * clusterSize);
            if (done !== undefined) await done;
          }
          at = end + 1;
        }
      }
      await this.refcounts.change(cluster, count, -1);
    }
  }
}
