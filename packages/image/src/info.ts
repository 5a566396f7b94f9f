/** `imageInfo`: what an image is, in the members of the schema's `ImageInfo`. */
import {
  BlockError, normalisePath, resolveReference, type BlockGraph, type BlockNode, type ImagePolicy,
  type SnapshotInfo,
} from '@blk/core-graph';
import { nameOf, openSource, wholeSectors, unfiltered, type AnySource } from './open.js';
import { shownName } from './shown-name.js';

/** Drivers of which the reference has nothing to tell, not even whether an image was closed. */
const SAYS_NOTHING = new Set([
  'null-co', 'null-aio', 'parallels', 'bochs', 'cloop', 'dmg', 'quorum', 'nbd', 'http', 'https', 'ftp', 'ftps', 'ssh', 'tftp',
]);

/** The schema's `ImageInfo`, for images of any format. Sizes in bytes. */
export interface ImageInfo {
  snapshots?: ImageSnapshot[];
  filename: string;
  format: string;
  'dirty-flag'?: boolean;
  'actual-size'?: number;
  'virtual-size': number;
  'cluster-size'?: number;
  encrypted?: boolean;
  compressed?: boolean;
  /** As the image records it. */
  'backing-filename'?: string;
  /** The same, found from here. */
  'full-backing-filename'?: string;
  'backing-filename-format'?: string;
  'format-specific'?: { type: string; data: Record<string, unknown> };
}

/** The schema's `SnapshotInfo`. */
export interface ImageSnapshot {
  id: string;
  name: string;
  'vm-state-size': number;
  'date-sec': number;
  'date-nsec': number;
  'vm-clock-sec': number;
  'vm-clock-nsec': number;
  icount?: number;
}

export interface InfoOptions {
  readonly format?: string;
  readonly forceShare?: boolean;
  readonly policy?: ImagePolicy;
  readonly signal?: AbortSignal;
}

/**
 * Describes one image, without its backing file, which need not be there. Throws `Could not open …` in the words of the
 * reference tools.
 */
export async function imageInfo(graph: BlockGraph, source: AnySource, options: InfoOptions = {}): Promise<ImageInfo> {
  const node = await openSource(graph, source, { ...options, readOnly: true, noBacking: true, noIo: true });
  try {
    return await describeImage(node, shownName(source, node));
  } finally {
    await graph.release(node);
  }
}

/** The image and its backing files, from the top down. Throws where the chain comes back to an image of its own. */
export async function chainInfo(graph: BlockGraph, source: AnySource, options: InfoOptions = {}): Promise<ImageInfo[]> {
  const chain: ImageInfo[] = [];
  const seen = new Set<string>();
  const policy = options.policy ?? graph.policy;
  let next: AnySource = source;
  let { format } = options;
  for (;;) {
    const name = nameOf(next);
    if (seen.has(normalisePath(name))) throw new BlockError('invalid-image', `Backing file '${name}' creates an infinite loop.`);
    seen.add(normalisePath(name));
    const info = await imageInfo(graph, next, { ...options, ...(format === undefined ? {} : { format }) });
    chain.push(info);
    const backing = info['full-backing-filename'];
    if (backing === undefined) return chain;
    if (!policy.allowReference(backing, 'backing', info.filename) || chain.length > policy.maxChainDepth) {
      throw new BlockError('policy', `The policy for this image does not allow its backing file '${backing}'`);
    }
    next = backing;
    format = info['backing-filename-format'];
  }
}

/** What an open node tells about itself; `name` replaces its file name. */
export async function describeImage(node: BlockNode, name: string = node.filename): Promise<ImageInfo> {
  const about = await node.driver.info?.();
  const backing = node.driver.recordedBacking;
  // What lies over an image without a format of its own shows that one's.
  const inner = unfiltered(node);
  const innerAbout = inner === node ? about : await inner.driver.info?.();
  const snapshots = inner.driver.snapshots?.list ?? [];
  return {
    ...(snapshots.length === 0 ? {} : { snapshots: snapshots.map(snapshotInfo) }),
    filename: name,
    format: node.driverName,
    'virtual-size': wholeSectors(node.size),
    ...(await spaceTaken(node)),
    // Of these the reference knows nothing besides the size.
    ...(SAYS_NOTHING.has(inner.driverName) ? {} : { 'dirty-flag': innerAbout?.dirty ?? false }),
    ...(innerAbout?.clusterSize === undefined ? {} : { 'cluster-size': innerAbout.clusterSize }),
    ...(about?.encrypted === true ? { encrypted: true } : {}),
    ...(about?.compressed === true ? { compressed: true } : {}),
    ...(backing === undefined ? {} : { 'backing-filename': backing.filename, 'full-backing-filename': fullName(name, node, backing.filename) }),
    ...(backing?.format === undefined ? {} : { 'backing-filename-format': backing.format }),
    ...(about?.specific === undefined ? {} : { 'format-specific': { type: about.specific.type, data: about.specific.data } }),
  };
}

function snapshotInfo({ id, name, vmStateSize, dateSec, dateNsec, vmClockNsec, icount }: SnapshotInfo): ImageSnapshot {
  return {
    id,
    name,
    'vm-state-size': vmStateSize,
    'date-sec': dateSec,
    'date-nsec': dateNsec,
    'vm-clock-sec': Number(vmClockNsec / 1_000_000_000n),
    'vm-clock-nsec': Number(vmClockNsec % 1_000_000_000n),
    ...(icount === undefined ? {} : { icount: Number(icount) }),
  };
}

/** Nothing where that cannot be known: an export of a server that does not tell. */
async function spaceTaken(node: BlockNode): Promise<{ readonly 'actual-size'?: number }> {
  try {
    return { 'actual-size': await node.allocatedSize() };
  } catch (error) {
    if (error instanceof BlockError && error.kind === 'unsupported') return {};
    throw error;
  }
}

function fullName(name: string, node: BlockNode, backing: string): string {
  try {
    return resolveReference(name, backing);
  } catch {
    return resolveReference(node.filename, backing);
  }
}
