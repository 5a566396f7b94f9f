/** The disk as the directory makes it: each range from a table, a folder, or a file of the host. */
import { dataExtent, zeroExtent, type Completion, type Extent } from '@blk/core-graph';
import type { ClusterMap } from './cluster-map.js';
import { clusterBytes, clusterOffset, diskBytes, FIRST_CLUSTER, SECTOR } from './fat/shape.js';
import { fillTable } from './fat/tables.js';
import type { OpenFiles } from './host/open-files.js';
import type { Layout } from './layout.js';
import type { FileNode } from './tree.js';

export class Disk {
  readonly size: number;
  /** Which clusters come from which file; others after a commit. */
  #files: ClusterMap<FileNode>;
  /** Which ones come from the folders that the disk began with: fewer after a commit. */
  #folders: ClusterMap<Uint8Array>;
  readonly #clusterBytes: number;
  readonly #fatStart: number;
  readonly #rootStart: number;
  readonly #dataStart: number;

  constructor(
    readonly layout: Layout,
    private readonly openFiles: OpenFiles,
  ) {
    const { shape } = layout;
    this.#files = layout.files;
    this.#folders = layout.folders;
    this.size = diskBytes(shape);
    this.#clusterBytes = clusterBytes(shape);
    this.#fatStart = shape.fatStart * SECTOR;
    this.#rootStart = shape.rootStart * SECTOR;
    this.#dataStart = shape.dataStart * SECTOR;
  }

  get files(): ClusterMap<FileNode> {
    return this.#files;
  }

  /** What a file has got is not a folder's any more, also when the file gives it up. */
  set files(files: ClusterMap<FileNode>) {
    this.#files = files;
    this.#folders = this.#folders.without(files);
  }

  /** As `DriverNode.read`; offset and length are whole sectors. */
  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const waiting: Promise<void>[] = [];
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const here = Math.min(this.#pieceEnd(at), offset + length) - at;
      try {
        const wait = this.#readPiece(at, buffer, start + done, here);
        if (wait !== undefined) waiting.push(wait);
      } catch (error) {
        if (waiting.length === 0) throw error;
        // What is under way still uses the caller's buffer.
        return settleAll([...waiting, failed(error)]);
      }
      done += here;
    }
    return waiting.length === 0 ? undefined : settleAll(waiting);
  }

  /** What the disk is at `offset`, for at most `length` bytes. */
  extent(offset: number, length: number): Extent {
    if (offset < this.#dataStart) return dataExtent(Math.min(length, this.#dataStart - offset), -1);
    const free = this.#isFree(offset);
    let end = this.#pieceEnd(offset);
    // Files lie one behind the other; whoever copies them wants as many as there are.
    for (let pieces = 1; pieces < MAX_PIECES && end < offset + length && this.#isFree(end) === free; pieces++) end = this.#pieceEnd(end);
    const here = Math.min(end - offset, length);
    return free ? zeroExtent(here) : dataExtent(here, -1);
  }

  #isFree(offset: number): boolean {
    const cluster = this.#clusterAt(offset);
    return this.files.find(cluster) === undefined && this.#folders.find(cluster) === undefined;
  }

  /** Where that ends which lies at `offset`: one sector, table, run of a file, or gap. */
  #pieceEnd(offset: number): number {
    if (offset < this.#fatStart) return (Math.floor(offset / SECTOR) + 1) * SECTOR;
    if (offset < this.#rootStart) {
      const fatBytes = this.layout.shape.fatSectors * SECTOR;
      return offset < this.#fatStart + fatBytes ? this.#fatStart + fatBytes : this.#rootStart;
    }
    if (offset < this.#dataStart) return this.#dataStart;
    const { files } = this;
    const { shape } = this.layout;
    const cluster = this.#clusterAt(offset);
    const folders = this.#folders;
    const piece = files.find(cluster) ?? folders.find(cluster);
    const end = piece === undefined ? Math.min(files.nextFrom(cluster), folders.nextFrom(cluster)) : piece.first + piece.count;
    return end > shape.clusters + 1 ? this.size : clusterOffset(shape, end);
  }

  #readPiece(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { system, shape, pieces, root } = this.layout;
    if (offset < this.#fatStart) {
      const sector = system.get(Math.floor(offset / SECTOR));
      fillFrom(sector ?? NOTHING, offset % SECTOR, buffer, start, length);
    } else if (offset < this.#rootStart) {
      fillTable(shape, pieces, (offset - this.#fatStart) % (shape.fatSectors * SECTOR), buffer, start, length);
    } else if (offset < this.#dataStart) fillFrom(root, offset - this.#rootStart, buffer, start, length);
    else return this.#readClusters(offset, buffer, start, length);
    return undefined;
  }

  #readClusters(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const { files } = this;
    const { shape } = this.layout;
    const cluster = this.#clusterAt(offset);
    const file = files.find(cluster);
    if (file !== undefined) {
      const at = file.index * this.#clusterBytes + offset - clusterOffset(shape, file.first);
      const stored = Math.max(0, Math.min(length, file.owner.size - at));
      buffer.fill(0, start + stored, start + length);
      return stored === 0 ? undefined : this.openFiles.read(file.owner, at, buffer, start, stored);
    }
    const folder = this.#folders.find(cluster);
    if (folder === undefined) buffer.fill(0, start, start + length);
    else fillFrom(folder.owner, folder.index * this.#clusterBytes + offset - clusterOffset(shape, folder.first), buffer, start, length);
    return undefined;
  }

  #clusterAt(offset: number): number {
    return FIRST_CLUSTER + Math.floor((offset - this.#dataStart) / this.#clusterBytes);
  }
}

/** Most of them that one extent is put together from. */
const MAX_PIECES = 1024;

const NOTHING = new Uint8Array(0);

/** Copies what there is of `bytes` from `at`; zeroes behind it. */
function fillFrom(bytes: Uint8Array, at: number, buffer: Uint8Array, start: number, length: number): void {
  const part = bytes.subarray(at, at + length);
  buffer.set(part, start);
  buffer.fill(0, start + part.length, start + length);
}

/** Waits for all, since they use the caller's buffer; then throws the first error. */
async function settleAll(promises: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) if (result.status === 'rejected') throw result.reason;
}

async function failed(error: unknown): Promise<void> {
  throw error;
}
