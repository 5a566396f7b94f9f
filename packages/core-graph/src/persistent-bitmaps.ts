/** Dirty bitmaps that an image keeps: what a driver offers that can store some, and adding and removing bitmaps of a node. */
import { defaultGranularity, DirtyBitmap } from './dirty-bitmap.js';
import { BlockError } from './errors.js';
import type { BlockNode } from './node.js';

/** A bitmap as an image lists it, in the terms of the schema's `Qcow2BitmapInfo`. */
export interface StoredBitmap {
  readonly name: string;
  /** Bytes for each bit. */
  readonly granularity: number;
  /** `in-use`: not stored since the image was last open for writing. `auto`: writes are recorded. */
  readonly flags: readonly ('in-use' | 'auto')[];
}

/** The part of a `DriverNode` that keeps dirty bitmaps. */
export interface PersistentBitmaps {
  /** In the order in which the image lists them. */
  readonly list: readonly StoredBitmap[];
  /**
   * All of them. Called once by the graph, before the node is used; from then on the graph records writes in them. On a
   * writable image they are marked as in use, so that a crash leaves them recognisably out of date.
   */
  load(): Promise<readonly DirtyBitmap[]>;
  /** Throws where the image could not store a further bitmap. */
  check(name: string, granularity: number): void;
  /** Makes the image list these, in their present state, and no others. Called by the graph before `close`. */
  store(bitmaps: readonly DirtyBitmap[]): Promise<void>;
  /** Takes a bitmap out of the image now. Nothing happens where the image does not list it. */
  remove(name: string): Promise<void>;
}

/** How a bitmap is made. */
export interface BitmapRequest {
  readonly name: string;
  /** Bytes for each bit; absent: the image's cluster size, between 4 and 64 KiB. */
  readonly granularity?: number | undefined;
  /** The image keeps it when it is closed. */
  readonly persistent?: boolean | undefined;
  /** Writes are not recorded at first. */
  readonly disabled?: boolean | undefined;
}

const MAX_NAME_BYTES = 1023;

/** The bitmap of this name. Throws kind `not-found`. */
export function findBitmap(node: BlockNode, name: string): DirtyBitmap {
  for (const bitmap of node.bitmaps) if (bitmap.name === name) return bitmap;
  throw new BlockError('not-found', `Dirty bitmap '${name}' not found`, { node: node.name });
}

/** A new bitmap that is not attached to the node yet. Throws where the name or the granularity will not do. */
export async function makeBitmap(node: BlockNode, request: BitmapRequest): Promise<DirtyBitmap> {
  const { name, persistent = false, disabled = false } = request;
  if (name === '') throw new BlockError('invalid-argument', 'Bitmap name cannot be empty');
  const granularity = request.granularity ?? defaultGranularity((await node.driver.info?.())?.clusterSize);
  // A bad granularity goes before everything else, as in the reference.
  const bitmap = new DirtyBitmap(name, granularity, node.size, { persistent });
  if (persistent) {
    const stored = node.driver.persistentBitmaps;
    if (stored === undefined) throw cannotStore(node, `Can't store persistent bitmaps to ${node.name}: Operation not supported`);
    if (node.readOnly) throw new BlockError('read-only', `Block node '${node.name}' is read-only`, { node: node.name });
    checkUnused(node, name);
    try {
      stored.check(name, granularity);
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      throw new BlockError(error.kind, `Can't make bitmap '${name}' persistent in '${node.name}': ${error.message}`, error.context, error);
    }
  }
  checkUnused(node, name);
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) throw new BlockError('invalid-argument', `Bitmap name too long: ${name}`);
  if (disabled) bitmap.setStatus('disabled');
  return bitmap;
}

/** Adds bitmaps that were made for this node. */
export function attachBitmaps(node: BlockNode, bitmaps: Iterable<DirtyBitmap>): void {
  for (const bitmap of bitmaps) node.bitmaps.add(bitmap);
  node.updatePaths();
}

/** Makes a bitmap and adds it to the node. */
export async function addBitmap(node: BlockNode, request: BitmapRequest): Promise<DirtyBitmap> {
  const bitmap = await makeBitmap(node, request);
  attachBitmaps(node, [bitmap]);
  return bitmap;
}

/** Removes a bitmap from the node, and where it is kept from the image as well. A bitmap that is out of date can go, too. */
export async function removeBitmap(node: BlockNode, name: string): Promise<void> {
  const bitmap = findBitmap(node, name);
  bitmap.checkFree();
  if (bitmap.persistent) await node.driver.persistentBitmaps?.remove(name);
  node.bitmaps.delete(bitmap);
  node.updatePaths();
}

function checkUnused(node: BlockNode, name: string): void {
  for (const bitmap of node.bitmaps) {
    if (bitmap.name === name) throw new BlockError('exists', `Bitmap already exists: ${name}`, { node: node.name });
  }
}

function cannotStore(node: BlockNode, message: string): BlockError {
  return new BlockError('unsupported', message, { node: node.name, driver: node.driverName });
}
