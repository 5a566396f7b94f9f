/** The target of `drive-mirror` and `drive-backup`: a new image or one that is there, over what it is to be backed by. */
import { resolve } from 'node:path';
import { createImage, normalisePath, protocolOf, replaceBacking, resolveReference, runTransaction, type BlockGraph, type BlockNode } from '@blk/core-graph';
import { below, imageBehind } from '@blk/jobs';
import type { MirrorSyncMode, NewImageMode } from '@blk/qapi-types';
import { genericError } from '../errors.js';
import { backingName } from '../snapshots/snapshot-sync.js';

export interface TargetRequest {
  readonly source: BlockNode;
  readonly target: string;
  readonly format: string | undefined;
  readonly mode: NewImageMode | undefined;
  readonly sync: MirrorSyncMode;
  readonly nodeName?: string | undefined;
}

/** Opens the target, for writing. The node belongs to the caller. */
export async function openTarget(graph: BlockGraph, request: TargetRequest): Promise<BlockNode> {
  return request.mode === 'existing' ? openExisting(graph, request) : createTarget(graph, request);
}

/** A new image of the source's size; what is not copied into it is left to the image that has it. */
async function createTarget(graph: BlockGraph, request: TargetRequest): Promise<BlockNode> {
  const { source, target, sync } = request;
  const image = imageBehind(source);
  const format = request.format ?? image.driverName;
  if (!graph.drivers.has(format)) throw genericError(`Unknown file format '${format}'`);
  const backing = sync === 'none' ? source : sync === 'top' ? below(image) : undefined;
  const named = backing === undefined ? undefined : imageBehind(backing);
  const options = named === undefined ? {} : { backing_file: backingName(named), backing_fmt: named.driverName };
  // The backing image is open already, and nobody else may look at it.
  await createImage(graph, target, { format, size: source.size, options, unsafe: true });
  const node = await open(graph, request, { format, noBacking: true });
  return backing === undefined ? node : attach(graph, node, backing, source);
}

async function openExisting(graph: BlockGraph, request: TargetRequest): Promise<BlockNode> {
  const format = request.format === undefined ? {} : { format: request.format };
  const node = await open(graph, request, { ...format, noBacking: true });
  const recorded = node.driver.recordedBacking;
  if (recorded === undefined) return node;
  const backing = inChain(request.source, node, recorded.filename);
  if (backing !== undefined) return attach(graph, node, backing, request.source);
  await graph.release(node);
  return open(graph, request, format);
}

function open(
  graph: BlockGraph,
  { source, target, nodeName }: TargetRequest,
  options: { readonly format?: string; readonly noBacking?: boolean },
): Promise<BlockNode> {
  const { cache } = source.settings;
  return graph.open(target, { ...options, cache, discard: true, ...(nodeName === undefined ? {} : { nodeName }) });
}

/** The backing image that is open already: opened again it would be kept from us. The source itself is written meanwhile. */
async function attach(graph: BlockGraph, node: BlockNode, backing: BlockNode, source: BlockNode): Promise<BlockNode> {
  try {
    await graph.drained([node, backing], () => runTransaction([replaceBacking(node, backing, { lenient: backing === source })]));
    return node;
  } catch (error) {
    await graph.release(node);
    throw error;
  }
}

/** The image of the source's chain that the target names as its backing file. */
function inChain(source: BlockNode, target: BlockNode, name: string): BlockNode | undefined {
  let wanted: string;
  try {
    wanted = absolute(resolveReference(target.filename, name));
  } catch {
    return undefined;
  }
  let image: BlockNode | undefined = imageBehind(source);
  while (image !== undefined && absolute(image.filename) !== wanted) image = below(image);
  return image === imageBehind(source) ? source : image;
}

function absolute(filename: string): string {
  return protocolOf(filename) === undefined ? resolve(normalisePath(filename)) : filename;
}
