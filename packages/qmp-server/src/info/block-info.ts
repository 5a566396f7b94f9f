/** `BlockInfo` and `BlockDeviceInfo`: devices and nodes described, every member of the contract. */
import { Backend, type BlockNode, type DirtyBitmap } from '@blk/core-graph';
import type { BlockDeviceInfo, BlockDirtyInfo, BlockInfo } from '@blk/qapi-types';
import { isEncrypted, lacksKey } from '../passwords.js';
import { limitInfo } from '../throttle-limits.js';
import { imageInfo, nextImage } from './image-info.js';

/** A device and what is in it. */
export async function blockInfo(backend: Backend, trayOpen: boolean): Promise<BlockInfo> {
  const node = backend.edge?.node;
  const bitmaps = node === undefined ? [] : dirtyBitmaps(node);
  return {
    device: backend.name,
    type: 'unknown',
    // No guest's device holds a medium in: every device is one for media that can be exchanged.
    removable: true,
    locked: false,
    tray_open: trayOpen,
    ...(node === undefined ? {} : { inserted: await deviceInfo(node, { backend }) }),
    ...(mayStop(backend) ? { 'io-status': backend.ioStatus } : {}),
    ...(bitmaps.length === 0 ? {} : { 'dirty-bitmaps': bitmaps }),
  };
}

export interface DeviceInfoOptions {
  /** The device it is in. */
  readonly backend?: Backend;
  /** Leave out the images behind it. */
  readonly flat?: boolean;
}

/** An image as it is open now. */
export async function deviceInfo(node: BlockNode, options: DeviceInfoOptions = {}): Promise<BlockDeviceInfo> {
  const backend = options.backend ?? deviceOver(node);
  const backing = node.backing?.node;
  const { cache } = node.settings;
  const bitmaps = dirtyBitmaps(node);
  return {
    file: node.filename,
    'node-name': node.name,
    ro: node.readOnly,
    drv: node.driverName,
    ...(backing === undefined ? {} : { backing_file: backing.filename }),
    // As QEMU has it, a flat description does not count either.
    backing_file_depth: options.flat === true ? 0 : backingDepth(node),
    encrypted: await isEncrypted(node),
    encryption_key_missing: await lacksKey(node),
    detect_zeroes: node.detectZeroes,
    ...limitInfo(backend?.throttleGroup),
    image: await imageInfo(node, { flat: options.flat ?? false }),
    cache: { writeback: !(backend?.writeThrough ?? false), direct: cache.direct, 'no-flush': cache.noFlush },
    write_threshold: node.writeThreshold,
    ...(bitmaps.length === 0 ? {} : { 'dirty-bitmaps': bitmaps }),
  };
}

/** Users of a node that are devices, exports or programs. */
export function backendsOver(node: BlockNode): Backend[] {
  const backends: Backend[] = [];
  for (const { parent } of node.parents) if (parent instanceof Backend) backends.push(parent);
  return backends;
}

function deviceOver(node: BlockNode): Backend | undefined {
  return backendsOver(node).find((backend) => backend.name !== '');
}

function backingDepth(node: BlockNode): number {
  let depth = 0;
  for (let below = nextImage(node); below !== undefined; below = nextImage(below)) depth++;
  return depth;
}

/** Whether errors may stop the device; only then it has an io-status. */
export function mayStop({ readError, writeError }: Backend): boolean {
  return [readError, writeError].some((policy) => policy === 'stop' || policy === 'enospc');
}

/** The newest first, as QEMU lists them. */
function dirtyBitmaps(node: BlockNode): BlockDirtyInfo[] {
  return [...node.bitmaps].map(dirtyInfo).reverse();
}

function dirtyInfo(bitmap: DirtyBitmap): BlockDirtyInfo {
  return {
    ...(bitmap.name === undefined ? {} : { name: bitmap.name }),
    count: bitmap.count,
    granularity: bitmap.granularity,
    status: bitmap.status,
    recording: bitmap.recording,
    busy: bitmap.busy,
    persistent: bitmap.persistent,
    ...(bitmap.inconsistent ? { inconsistent: true } : {}),
  };
}
