/** `convertImage`: the content of one or more images in a new one, or in one that is there. */
import {
  Backend, BlockError, messageOf, Permission, protocolDefinition, resolveReference, type BlockGraph, type BlockNode, type Definition,
} from '@blk/core-graph';
import { couldNotOpen, definitionOf, nameOf, openSource, storesCompressed, unfiltered, wholeSectors } from '../open.js';
import { loadSnapshot } from '../snapshot.js';
import { Aside } from './aside.js';
import { checkBitmaps, checkTarget, copyBitmaps } from './bitmaps.js';
import { copy } from './copy.js';
import { Plan, type PlanOptions } from './plan.js';
import { withBacking, type ConvertRequest } from './request.js';
import { SalvagedSources } from './salvage.js';
import { Sources } from './sources.js';

/** Formats that store compressed clusters. */
const COMPRESSING: ReadonlySet<string> = new Set(['qcow', 'qcow2', 'vmdk']);
/** So long that drivers-file reads it in the thread pool. */
const PIECE = 2 * 1024 * 1024;
/** Threads that copy from file to file are started for a disk of so many bytes before anything was copied. */
const LARGE = 256 * 1024 * 1024;
/** Compressed clusters are packed in threads: enough of them at a time to keep all busy. */
const COMPRESSED_PIECE = 2 * 1024 * 1024;

/**
 * Converts. The sources are never written. Where it fails the target, if it was made, is incomplete. Errors speak in the
 * words of the reference tools: `Could not open …`, `name: error while converting …`, `error while writing at byte …`.
 */
export async function convertImage(graph: BlockGraph, asked: ConvertRequest): Promise<void> {
  const request = withBacking(asked);
  const nodes: BlockNode[] = [];
  try {
    for (const source of request.sources) {
      nodes.push(await openSource(graph, source, {
        readOnly: true,
        ...(request.sourceFormat === undefined ? {} : { format: request.sourceFormat }),
        ...(request.sourceCache === undefined ? {} : { cache: request.sourceCache }),
        ...(request.forceShare === undefined ? {} : { forceShare: request.forceShare }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      }));
    }
    const [source] = nodes;
    if (request.snapshot !== undefined) {
      if (nodes.length > 1) throw new BlockError('invalid-argument', 'No support for concatenating multiple snapshot');
      await loadSnapshot(source, request.snapshot);
    }
    if (request.bitmaps !== undefined) {
      if (nodes.length > 1) throw new BlockError('invalid-argument', 'Copying bitmaps only possible with single source');
      checkBitmaps(source, request.bitmaps);
    }
    // Nobody writes to a source meanwhile: least of all this program, where the target is the same file by another name.
    const shared = request.forceShare === true ? Permission.All : Permission.All & ~(Permission.Write | Permission.Resize);
    const users: Backend[] = [];
    try {
      for (const [at, node] of nodes.entries()) {
        const use = (): Backend => Backend.over(graph, node, { description: 'convert source', shared });
        users.push(await couldNotOpen(nameOf(request.sources[at]), use));
      }
      await toTarget(graph, new Sources(nodes), nodes, request);
    } finally {
      for (const user of users) await user.close();
    }
  } finally {
    for (const node of nodes) await graph.release(node);
  }
}

async function toTarget(graph: BlockGraph, sources: Sources, nodes: readonly BlockNode[], request: ConvertRequest): Promise<void> {
  const { noCreate = false } = request;
  checkFormat(graph, request);
  if (request.backing !== undefined && noCreate && request.targetIsZero === true) {
    throw new BlockError('invalid-argument', 'Cannot use --target-is-zero when the destination image has a backing file');
  }
  if (request.backing !== undefined && nodes.length > 1) {
    throw new BlockError('invalid-argument', 'Having a backing file for the target makes no sense when concatenating multiple input images');
  }
  if (!noCreate) await create(graph, sources.size, request);
  const node = await openTarget(graph, request);
  let failure: { readonly error: unknown } | undefined;
  try {
    if (request.bitmaps !== undefined) checkTarget(node);
    await write(graph, sources, node, request);
    if (request.bitmaps !== undefined) await copyBitmaps(nodes[0], node, request.bitmaps);
  } catch (error) {
    failure = { error };
  }
  try {
    await graph.release(node);
  } catch (error) {
    // What failed first says more than what fails because of it.
    failure ??= { error };
  }
  if (failure !== undefined) throw failure.error;
}

async function write(graph: BlockGraph, sources: Sources, node: BlockNode, request: ConvertRequest): Promise<void> {
  const target = await couldNotOpen(nameOf(request.target), () =>
    Backend.over(graph, node, {
      description: 'convert target',
      writable: true,
      shared: Permission.All & ~Permission.Resize,
      ...(request.writeThrough === true ? { writeThrough: true } : {}),
    }),
  );
  try {
    if (request.compress === true && !storesCompressed(node)) {
      const { encrypted = false } = (await node.driver.info?.()) ?? {};
      throw encrypted ? notEncrypted() : new BlockError('unsupported', 'Compression not supported for this file format');
    }
    await makeRoom(target, sources.size);
    await fill(graph, sources, target, request);
    const flushed = target.flush();
    if (flushed !== undefined) await flushed;
  } finally {
    await target.detach();
  }
}

/** A last sector that the target has in part is made whole, since sources count in whole ones. */
async function makeRoom(target: Backend, size: number): Promise<void> {
  if (target.size >= size) return;
  const refusal = (cause?: unknown): BlockError => new BlockError('out-of-range', 'output file is smaller than input file', {}, cause);
  if (wholeSectors(target.size) < size) throw refusal();
  try {
    await target.truncate(size);
  } catch (error) {
    throw refusal(error);
  }
}

function checkFormat(graph: BlockGraph, request: ConvertRequest): void {
  const { format = 'raw', compress = false, backing } = request;
  const driver = graph.drivers.get(format);
  if (typeof definitionOf(request.target) === 'string' && driver === undefined) {
    throw new BlockError('invalid-argument', `Unknown file format '${format}'`);
  }
  if (request.noCreate !== true && driver?.create === undefined && driver?.createFile === undefined) {
    throw new BlockError('unsupported', `Format driver '${format}' does not support image creation`);
  }
  if (backing !== undefined && request.noCreate !== true && driver?.createOptions?.backing_file === undefined) {
    throw new BlockError('unsupported', `Backing file not supported for file format '${format}'`);
  }
  if (!compress) return;
  if (request.noCreate !== true && !COMPRESSING.has(format)) {
    throw new BlockError('unsupported', 'Compression not supported for this file format');
  }
  const { preallocation, encryption, 'encrypt.format': encrypted } = request.options ?? {};
  if (encryption === true || encrypted !== undefined) throw notEncrypted();
  if (preallocation !== undefined && preallocation !== 'off') {
    throw new BlockError('invalid-argument', 'Compression and preallocation not supported at the same time');
  }
}

async function create(graph: BlockGraph, size: number, request: ConvertRequest): Promise<void> {
  const { format = 'raw', backing, backingFormat, signal } = request;
  const target = nameOf(request.target);
  // The new image will name it: better to hear of it before there is one.
  if (backing !== undefined && !graph.policy.allowReference(resolveReference(target, backing), 'backing', target)) {
    throw new BlockError('policy', `The policy does not allow the backing file '${backing}'`);
  }
  const options = {
    ...request.options,
    ...(backing === undefined ? {} : { backing_file: backing }),
    ...(backingFormat === undefined ? {} : { backing_fmt: backingFormat }),
  };
  // A name that leads nowhere is told of as such.
  await protocolDefinition(graph, target);
  try {
    await graph.create(target, { format, size, options, unsafe: true, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `${target}: error while converting ${format}: ${messageOf(error)}`, error.context, error);
  }
}

async function openTarget(graph: BlockGraph, request: ConvertRequest): Promise<BlockNode> {
  const { target, signal } = request;
  const definition = definitionOf(target);
  const format = request.format ?? 'raw';
  return couldNotOpen(nameOf(target), () =>
    graph.open(withKeys(definition, request), {
      ...(typeof definition === 'string' ? { format } : {}),
      ...(signal ? { signal } : {}),
      cache: request.targetCache ?? { writeback: true, noFlush: true },
      discard: true,
    }),
  );
}

/** A new encrypted image opens with the secret that it was made with. */
function withKeys(definition: string | Definition, request: ConvertRequest): string | Definition {
  if (typeof definition !== 'string' || request.noCreate === true) return definition;
  const keys = Object.entries(request.options ?? {}).filter(([name]) => name === 'key-secret' || name === 'encrypt.key-secret');
  return keys.length === 0 ? definition : { ...Object.fromEntries(keys), file: { filename: definition } };
}

async function fill(graph: BlockGraph, sources: Sources, target: Backend, request: ConvertRequest): Promise<void> {
  const { compress = false, sparse = 4096, noCreate = false, salvage, progress, signal } = request;
  const { root } = target;
  const cluster = (await root.driver.info?.())?.clusterSize;
  const overBacking = request.backing !== undefined;
  const zeroed = noCreate ? request.targetIsZero === true : !overBacking && startsZeroed(root);
  const planned: PlanOptions = { unit: cluster ?? 1, full: sparse === 0 && !compress, overBacking };
  // What is lost is told of once: when it is copied.
  const counted: PlanOptions = salvage === undefined ? planned : { ...planned, lost: () => undefined };
  const total = progress === undefined || progress.rough === true ? sources.size : await bytesToCopy(new Plan(sources, counted));
  const unit = compress ? Math.max(COMPRESSED_PIECE, cluster ?? 0) : Math.max(PIECE, cluster ?? 0);
  const granularity = sparse === 0 && !compress ? 0 : Math.max(compress ? 0 : sparse, cluster ?? 0);
  const { rateLimit = 0, parallel = 8 } = request;
  const alone = salvage !== undefined || compress || rateLimit > 0 || parallel === 1;
  await copy({
    sources: salvage === undefined ? sources : new SalvagedSources(sources, salvage),
    plan: new Plan(sources, { ...planned, lost: salvage }),
    target,
    pool: graph.pool,
    piece: unit,
    granularity,
    zeroed,
    compress,
    together: root.storage?.role === 'storage' && !compress,
    lanes: parallel,
    large: sources.size >= LARGE,
    aside: alone ? undefined : Aside.of(sources, target, { granularity, tellZeroes: !zeroed }),
    // Clusters are packed while others are stored; where they come to lie in the file is nobody's concern.
    inOrder: request.outOfOrder !== true && !(compress && parallel !== 1),
    rateLimit,
    total,
    progress,
    signal,
  });
}

/** Whether a new image reads as zeroes: all do but encrypted disks, and those on devices, which keep what was there. */
function startsZeroed(node: BlockNode): boolean {
  if (node.driver.startsAsNoise === true) return false;
  if (node.storage?.role === 'storage') return true;
  return unfiltered(node).driverName === 'file';
}

async function bytesToCopy(plan: Plan): Promise<number> {
  let total = 0;
  for (let segment = await plan.next(); segment !== undefined; segment = await plan.next()) {
    if (segment.action === 'data') total += segment.length;
  }
  return total;
}

function notEncrypted(): BlockError {
  return new BlockError('invalid-argument', 'Compression and encryption not supported at the same time');
}
