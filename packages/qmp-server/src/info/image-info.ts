/** `ImageInfo`: an open image described, with its backing images. */
import { resolveReference, type BlockNode, type DriverImageInfo, type SnapshotInfo as ImageSnapshot } from '@blk/core-graph';
import type { ImageInfo, ImageInfoSpecific, SnapshotInfo } from '@blk/qapi-types';

/** A size is shown in whole sectors, as QEMU shows it; only the file of an image can have another. */
const SECTOR = 512;

/** Describes an image; with `flat` without the images behind it. */
export async function imageInfo(node: BlockNode, options: { readonly flat?: boolean } = {}): Promise<ImageInfo> {
  const info = await driverInfo(node);
  const next = options.flat === true ? undefined : nextImage(node);
  return {
    filename: node.filename,
    format: node.driverName,
    'virtual-size': Math.ceil(node.size / SECTOR) * SECTOR,
    ...(await allocated(node)),
    'dirty-flag': info.dirty ?? false,
    ...(info.clusterSize === undefined ? {} : { 'cluster-size': info.clusterSize }),
    ...(info.encrypted === true ? { encrypted: true } : {}),
    ...(info.compressed === true ? { compressed: true } : {}),
    ...recordedBacking(node),
    ...snapshots(node),
    ...(next === undefined ? {} : { 'backing-image': await imageInfo(next) }),
    ...(info.specific === undefined ? {} : { 'format-specific': info.specific as unknown as ImageInfoSpecific }),
  };
}

/** The image behind this one: its backing file, or, as QEMU counts, what a filter lies over. */
export function nextImage(node: BlockNode): BlockNode | undefined {
  return (node.backing ?? (node.settings.driver.role === 'filter' ? node.storage : undefined))?.node;
}

/** What the driver knows; a filter knows what its child knows. */
async function driverInfo(node: BlockNode): Promise<DriverImageInfo> {
  const own = await node.driver.info?.();
  if (own !== undefined) return own;
  const below = node.storage;
  if (below?.role !== 'filtered') return {};
  // What is told of one format is shown at its own image.
  const info: { -readonly [member in keyof DriverImageInfo]: DriverImageInfo[member] } = { ...(await driverInfo(below.node)) };
  delete info.specific;
  return info;
}

/** Left out where the host cannot tell. */
async function allocated(node: BlockNode): Promise<{ 'actual-size'?: number }> {
  try {
    return { 'actual-size': await node.allocatedSize() };
  } catch {
    return {};
  }
}

function recordedBacking(node: BlockNode): Partial<ImageInfo> {
  const recorded = node.driver.recordedBacking;
  if (recorded === undefined) return {};
  return {
    'backing-filename': recorded.filename,
    ...resolved(node.filename, recorded.filename),
    ...(recorded.format === undefined ? {} : { 'backing-filename-format': recorded.format }),
  };
}

function resolved(base: string, reference: string): Partial<ImageInfo> {
  try {
    return { 'full-backing-filename': resolveReference(base, reference) };
  } catch {
    return {};
  }
}

function snapshots(node: BlockNode): Partial<ImageInfo> {
  const list = node.driver.snapshots?.list ?? [];
  return list.length === 0 ? {} : { snapshots: list.map(snapshotInfo) };
}

/** One snapshot, in the members of the schema. */
export function snapshotInfo({ id, name, vmStateSize, dateSec, dateNsec, vmClockNsec, icount }: ImageSnapshot): SnapshotInfo {
  return {
    id,
    name,
    'vm-state-size': vmStateSize,
    'date-sec': dateSec,
    'date-nsec': dateNsec,
    'vm-clock-sec': Number(vmClockNsec / NANOSECONDS),
    'vm-clock-nsec': Number(vmClockNsec % NANOSECONDS),
    ...(icount === undefined ? {} : { icount: narrow(icount) }),
  };
}

const NANOSECONDS = 1_000_000_000n;

/** A number where that is exact. */
function narrow(value: bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
