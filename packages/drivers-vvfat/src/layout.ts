/** Gives every file and folder of a tree its place on a disk, and writes the folders. */
import { ClusterMap, type Piece } from './cluster-map.js';
import { systemSectors } from './fat/boot-sector.js';
import { Attribute, EntryWriter, slotsOf } from './fat/entries.js';
import { ShortNames } from './fat/names.js';
import { clusterBytes, FIRST_CLUSTER, shapeFor, SLOT, type Shape, type ShapeRequest } from './fat/shape.js';
import type { Pieces } from './fat/tables.js';
import { vvfatError } from './errors.js';
import { pathOf, type Budget, type FileNode, type FolderNode, type Run } from './tree.js';

export interface LayoutRequest extends ShapeRequest {
  /** 11 bytes. */
  readonly label: Uint8Array;
}

/** A disk, but for the content of its files. */
export interface Layout {
  readonly shape: Shape;
  /** By their number. */
  readonly system: ReadonlyMap<number, Uint8Array>;
  readonly pieces: Pieces;
  /** The root directory where it has a place of its own. */
  readonly root: Uint8Array;
  readonly folders: ClusterMap<Uint8Array>;
  /** As the disk begins. */
  readonly files: ClusterMap<FileNode>;
}

/** Most entries of one directory. */
const MAX_SLOTS = 65536;

/** Of a root directory that has a place of its own: its entries are counted in 16 bits, and fill whole sectors. */
const MAX_ROOT_SLOTS = 65520;

/** Lays the tree out: its nodes get their clusters. Throws where the disk would be too small. */
export function layOut(tree: FolderNode, { label, ...request }: LayoutRequest, budget: Budget): Layout {
  const all = measure(tree);
  const shape = shapeOf(all, request);
  const rootInClusters = shape.fatType === 32;
  const size = clusterBytes(shape);

  let next = FIRST_CLUSTER;
  const ends: number[] = [];
  const take = (bytes: number): Run => {
    const run = { first: next, count: Math.ceil(bytes / size) };
    next += run.count;
    ends.push(next - 1);
    return run;
  };
  const files: Piece<FileNode>[] = [];
  // A folder in front of its files, these in front of its folders: reading from front to end reads the host folder by folder.
  for (const { folder, slots } of all) {
    if (folder !== tree || rootInClusters) folder.firstCluster = take(slots * SLOT).first;
    for (const file of folder.children.values()) {
      if (file.kind !== 'file' || file.size === 0) continue;
      // At first each file lies in one piece.
      const run = take(file.size);
      file.chain = [run];
      files.push({ first: run.first, count: run.count, owner: file, index: 0 });
    }
  }

  const folders: Piece<Uint8Array>[] = [];
  let root = new Uint8Array(0);
  for (const { folder, slots } of all) {
    const bytes = writeFolder(folder, slots, label);
    budget.take(bytes.length);
    if (folder.firstCluster === 0) root = bytes;
    else folders.push({ first: folder.firstCluster, count: Math.ceil(bytes.length / size), owner: bytes, index: 0 });
  }
  const usedClusters = next - FIRST_CLUSTER;
  return {
    shape,
    root,
    system: systemSectors(shape, { label, usedClusters }),
    pieces: { ends: new Uint32Array(ends), usedClusters },
    folders: new ClusterMap(folders),
    files: new ClusterMap(files),
  };
}

/** Throws where the tree, as it is by now, would make no disk of this kind. */
export function expectFit(tree: FolderNode, request: ShapeRequest): void {
  shapeOf(measure(tree), request);
}

function measure(tree: FolderNode): readonly Measured[] {
  return [...foldersOf(tree)].map((folder) => ({ folder, slots: countSlots(folder) }));
}

function shapeOf(all: readonly Measured[], request: ShapeRequest): Shape {
  const [{ slots: rootSlots }] = all as [Measured];
  if (request.fatType !== 32 && rootSlots > MAX_ROOT_SLOTS) throw vvfatError({ what: 'folder-full', path: '' });
  return shapeFor(request, { rootSlots, clusters: (bytes) => countClusters(all, request, bytes) });
}

/** A folder and how many entries it has. */
interface Measured {
  readonly folder: FolderNode;
  readonly slots: number;
}

/** All folders, each in front of those inside it. */
export function* foldersOf(folder: FolderNode): Iterable<FolderNode> {
  yield folder;
  for (const child of folder.children.values()) if (child.kind === 'folder') yield* foldersOf(child);
}

export function* filesOf(folder: FolderNode): Iterable<FileNode> {
  for (const child of folder.children.values()) if (child.kind === 'file') yield child;
}

function countSlots(folder: FolderNode): number {
  // The label; or the folder itself and its parent.
  let slots = folder.parent === undefined ? 1 : 2;
  for (const child of folder.children.values()) slots += slotsOf(child.name);
  if (slots > MAX_SLOTS) throw vvfatError({ what: 'folder-full', path: pathOf(folder) });
  return slots;
}

function countClusters(all: readonly Measured[], { fatType }: ShapeRequest, bytes: number): number {
  let clusters = 0;
  for (const { folder, slots } of all) {
    if (folder.parent !== undefined || fatType === 32) clusters += Math.ceil((slots * SLOT) / bytes);
    for (const file of folder.children.values()) if (file.kind === 'file') clusters += Math.ceil(file.size / bytes);
  }
  return clusters;
}

function writeFolder(folder: FolderNode, slots: number, label: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(slots * SLOT);
  const writer = new EntryWriter(bytes);
  const { modified, parent } = folder;
  if (parent === undefined) writer.label(label, modified);
  else {
    writer.entry({ name: '.', alias: '.', attributes: Attribute.Folder, firstCluster: folder.firstCluster, size: 0, modified });
    // The root directory is 0 here even where it has clusters.
    const above = parent.parent === undefined ? 0 : parent.firstCluster;
    writer.entry({ name: '..', alias: '..', attributes: Attribute.Folder, firstCluster: above, size: 0, modified: parent.modified });
  }
  const aliases = new ShortNames();
  for (const child of folder.children.values()) aliases.reserve(child.name);
  for (const child of folder.children.values()) {
    const file = child.kind === 'file';
    writer.entry({
      name: child.name,
      alias: aliases.alias(child.name),
      attributes: file ? Attribute.Archive : Attribute.Folder,
      firstCluster: file ? (child.chain[0]?.first ?? 0) : child.firstCluster,
      size: file ? child.size : 0,
      modified: child.modified,
    });
  }
  return bytes;
}
