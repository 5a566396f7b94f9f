/** One open image as the graph sees it: the driver contract, composed of the files around it. */
import {
  BlockError, NO_LIMITS, WriteFlag, type AmendContext, type CheckOptions, type CheckResult, type Completion, type DriverImageInfo, type DriverNode, type Edge, type Extent,
  type ImagePolicy, type InternalSnapshots, type MaybePromise, type NewPlace, type NodeLimits, type PersistentBitmaps, type RecordedBacking, type TruncateOptions,
} from '@blk/core-graph';
import { StoredBitmaps } from './bitmaps.js';
import { closeImage, settleClean } from './close-image.js';
import { writeCompressed } from './compressed-write.js';
import { extentAt } from './extents.js';
import { ExtensionType } from './extensions.js';
import { Compatible, Incompatible } from './feature-bits.js';
import { rewriteHeader } from './header-rewrite.js';
import { HIGH } from './format.js';
import { ALL_UNITS, unitMask } from './link.js';
import { takePlace } from './new-place.js';
import type { Qcow2Image } from './qcow2-image.js';
import { readRange } from './read.js';
import { Snapshots } from './snapshots.js';
import { truncateImage } from './truncate.js';
import { readVmState, writeVmState } from './vm-state.js';
import { writeRange } from './write.js';
import { discardRange, emptyDisk, zeroRange } from './zero.js';

export class Qcow2Node implements DriverNode {
  readonly limits: NodeLimits;
  readonly writeFlags: number;
  readonly zeroFlags = WriteFlag.MayUnmap;
  readonly snapshots: InternalSnapshots = new Snapshots(() => this.#image);
  readonly persistentBitmaps: PersistentBitmaps = new StoredBitmaps(() => this.#image);
  #image: Qcow2Image;
  readonly #file: Edge;
  readonly #data: Edge;
  readonly #clusterSize: number;
  readonly #entryBytes: number;
  readonly #l2Span: number;
  readonly #mask: number;
  readonly #plain: boolean;
  /** The file had at least this many bytes when it was last looked at. */
  #fileSize = 0;

  constructor(
    image: Qcow2Image,
    /** Opens the image again, after its tables were changed on disk. */
    private readonly reopen: () => Promise<Qcow2Image>,
    private readonly policy: ImagePolicy,
  ) {
    const { clusterSize, unitSize, entryBytes, l2Span } = image.geometry;
    this.#image = image;
    this.#file = image.file;
    this.#data = image.data;
    this.#clusterSize = clusterSize;
    this.#entryBytes = entryBytes;
    this.#l2Span = l2Span;
    this.#mask = clusterSize - 1;
    // Encryption is by sectors; what is compressed is not encrypted.
    this.#plain = image.encryption === undefined;
    this.writeFlags = this.#plain ? WriteFlag.Compressed : 0;
    this.limits = { ...NO_LIMITS, alignment: this.#plain ? 1 : 512, optimalTransfer: clusterSize, zeroAlignment: unitSize, discardAlignment: clusterSize };
  }

  get size(): number {
    return this.#image.size;
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const host = this.#hostOf(offset, length, 0);
    if (host < 0 || host - (host % this.#clusterSize) >= this.#fileSize || this.#file.node.listens) return this.#slowRead(offset, buffer, start, length);
    const done = this.#data.read(host, buffer, start, length);
    return done === undefined ? undefined : this.#image.reclaim.track(done);
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    const image = this.#image;
    if (flags !== 0 && (flags & WriteFlag.Compressed) !== 0) return writeCompressed(image, offset, buffer, start, length);
    const host = this.#hostOf(offset, length, 1);
    if (host < 0 || image.metadata.has(Math.floor(host / this.#clusterSize)) || this.#file.node.listens) return writeRange(image, offset, buffer, start, length);
    const done = this.#data.write(host, buffer, start, length);
    return done === undefined ? undefined : image.reclaim.track(done);
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    return this.#tracked(zeroRange(this.#image, offset, length, flags));
  }

  discard(offset: number, length: number): Completion {
    const done = discardRange(this.#image, offset, length);
    return done === undefined ? undefined : this.#tracked(done);
  }

  flush(): Completion {
    return this.#image.readOnly ? undefined : this.#image.flusher.flush();
  }

  flushToOs(): Completion {
    // The order of the tables needs flushes in between; there is nothing cheaper to do.
    return this.flush();
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    return extentAt(this.#image, offset, length);
  }

  takePlace(offset: number, length: number, step: number): Promise<NewPlace | undefined> {
    return takePlace(this.#image, offset, length, step);
  }

  truncate(size: number, options: TruncateOptions): Promise<void> {
    return truncateImage(this.#image, size, options);
  }

  empty(): Promise<void> {
    return this.#tracked(emptyDisk(this.#image));
  }

  readVmState(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#tracked(readVmState(this.#image, offset, buffer, start, length));
  }

  writeVmState(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#tracked(writeVmState(this.#image, offset, buffer, start, length));
  }

  get recordedBacking(): RecordedBacking | undefined {
    const { backingFile, backingFormat } = this.#image.header.current;
    if (backingFile === undefined || backingFile === '') return undefined;
    return backingFormat === undefined ? { filename: backingFile } : { filename: backingFile, format: backingFormat };
  }

  setBacking(child: Edge | undefined): void {
    this.#image.backing = child;
  }

  async changeBackingFile(backing: RecordedBacking | undefined): Promise<void> {
    const { header, file, rawData } = this.#image;
    // The data file is to hold all that the guest sees.
    if (backing !== undefined && rawData) throw new BlockError('invalid-argument', 'Images with a raw external data file have no backing file');
    const others = header.current.extensions.filter(({ type }) => type !== ExtensionType.BackingFormat);
    const format = backing?.format;
    if (format !== undefined && format.length >= 16) {
      throw new BlockError('invalid-argument', `Parameter 'backing-fmt' does not accept value '${format}'`);
    }
    const extension = { type: ExtensionType.BackingFormat, data: new TextEncoder().encode(format ?? '') };
    const changed = {
      ...header.current,
      extensions: format === undefined ? others : [extension, ...others],
      backingFile: backing?.filename,
      backingFormat: format,
    };
    await this.flush();
    await rewriteHeader(file, header, changed);
  }

  info(): DriverImageInfo {
    const { geometry, header, encryption } = this.#image;
    const { current } = header;
    const data: Record<string, unknown> = { compat: geometry.version === 2 ? '0.10' : '1.1', 'compression-type': this.#image.compression.name };
    if (geometry.version === 3) data['lazy-refcounts'] = (current.compatible & Compatible.LazyRefcounts) !== 0n;
    const bitmaps = this.persistentBitmaps.list;
    if (bitmaps.length > 0) data['bitmaps'] = bitmaps.map(({ flags, name, granularity }) => ({ flags: [...flags], name, granularity }));
    data['refcount-bits'] = 2 ** geometry.refcountOrder;
    if (encryption !== undefined) data['encrypt'] = encryption.info();
    if (geometry.external) {
      if (current.dataFile !== undefined) data['data-file'] = current.dataFile;
      data['data-file-raw'] = this.#image.rawData;
    }
    if (geometry.version === 3) {
      data['corrupt'] = header.has(Incompatible.Corrupt);
      data['extended-l2'] = geometry.extended;
    }
    return {
      clusterSize: geometry.clusterSize,
      ...(encryption === undefined ? {} : { encrypted: true }),
      // Snapshots put the machine's state behind what the L1 entries of the disk cover.
      vmStateOffset: this.#image.vmStateOffset,
      dirty: header.has(Incompatible.Dirty),
      specific: { type: 'qcow2', data },
    };
  }

  async check(options: CheckOptions): Promise<CheckResult> {
    const { file, header, readOnly } = this.#image;
    if (!readOnly) await settleClean(this.#image);
    const { checkQcow2 } = await import('./check/check.js');
    const result = await checkQcow2({ file, header, policy: this.policy }, options);
    if (options.repair !== 'none') await this.#reload();
    return result;
  }

  async amend(options: Readonly<Record<string, unknown>>, context: AmendContext): Promise<void> {
    const target = { image: () => this.#image, reload: () => this.#reload(), policy: this.policy };
    const { amendQcow2 } = await import('./amend/amend.js');
    return amendQcow2(target, options, context);
  }

  close(): Promise<void> {
    return closeImage(this.#image);
  }

  /**
   * Host offset of a range inside one cluster that is stored plainly and not encrypted, its table being at hand; else -1. `forWriting`: 1 asks
   * for clusters that belong to this image alone.
   */
  #hostOf(offset: number, length: number, forWriting: 0 | 1): number {
    const inCluster = offset % this.#clusterSize;
    if (!this.#plain || inCluster + length > this.#clusterSize) return -1;
    const l1Index = Math.floor(offset / this.#l2Span);
    const table = this.#image.l2.cache.slots[l1Index];
    if (table === undefined || (forWriting === 1 && !table.writable)) return -1;
    const at = ((offset - l1Index * this.#l2Span - inCluster) / this.#clusterSize) * this.#entryBytes;
    const high = table.view.getUint32(at);
    const low = table.view.getUint32(at + 4);
    // Plain data below 2^53 with nothing reserved set; for writing also with the mark of one reference.
    if ((high & 0x7fe0_0000) !== 0 || (low & this.#mask) !== 0 || (high << 1) + low === 0) return -1;
    if (forWriting === 1 && high < 0x8000_0000) return -1;
    if (this.#entryBytes === 16 && !isWritten(table.view, at, inCluster, length, this.#clusterSize)) return -1;
    table.used = true;
    return (high & 0x001f_ffff) * HIGH + low + inCluster;
  }

  async #reload(): Promise<void> {
    const { backing } = this.#image;
    this.#image = await this.reopen();
    this.#image.backing = backing;
  }

  #slowRead(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { size } = this.#data;
    // Of a data file that is too short, `readRange` looks at every range.
    this.#fileSize = this.#image.geometry.external && size < this.#image.size ? 0 : size;
    return readRange(this.#image, offset, buffer, start, length);
  }

  #tracked(work: Promise<void>): Promise<void> {
    return this.#image.reclaim.track(work);
  }
}

/** Whether all subclusters of a range inside the cluster of an extended entry are written, and none is marked as zero. */
function isWritten(view: DataView, at: number, inCluster: number, length: number, clusterSize: number): boolean {
  const allocated = view.getUint32(at + 12);
  if (view.getUint32(at + 8) !== 0) return false;
  if (allocated === ALL_UNITS) return true;
  const unitSize = clusterSize / 32;
  const mask = unitMask(Math.floor(inCluster / unitSize), Math.ceil((inCluster + length) / unitSize));
  return ((allocated & mask) >>> 0) === mask;
}
