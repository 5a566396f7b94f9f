/** `commitImage`: what an overlay holds goes into an image below it. */
import {
  Backend, BlockError, chainExtentAt, isPromise, normalisePath, Permission, replaceBacking, resolveReference, runTransaction,
  type BlockGraph, type BlockNode, type ChainExtent,
} from '@blk/core-graph';
import { copy } from './convert/copy.js';
import type { CacheSetting } from './convert/request.js';
import type { Segment } from './convert/plan.js';
import { errnoText } from './failure.js';
import { openSource, wholeSectors, type AnySource } from './open.js';
import type { Progress } from './pause.js';
import { definitionAgain } from './reopen.js';

export interface CommitRequest {
  readonly format?: string;
  readonly cache?: CacheSetting;
  readonly writeThrough?: boolean;
  /** The image of the chain that takes the content, named as the overlay would name it; by default the one directly below. */
  readonly base?: string;
  /** Leaves the overlay as it is. Images are emptied only into the one directly below, and where no `base` is named. */
  readonly keep?: boolean;
  /** Bytes a second. */
  readonly rateLimit?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

const PIECE = 1024 * 1024;

/**
 * Writes what the overlay and the images between hold into the base, which grows to the overlay's size where it is shorter,
 * and then empties the overlay. Nothing of the overlay is given up before the base is on stable storage; called off or failed
 * halfway, the overlay reads as before and the command can be repeated.
 */
export async function commitImage(graph: BlockGraph, source: AnySource, request: CommitRequest = {}): Promise<void> {
  const options = {
    ...(request.cache === undefined ? {} : { cache: request.cache }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    discard: true,
  };
  const top = await openSource(graph, source, { ...options, ...(request.format === undefined ? {} : { format: request.format }) });
  try {
    const { base, above } = findBase(top, request.base);
    const again = definitionAgain(base);
    // The base is about to change below those who read it: from here on the chain ends above it.
    await graph.drained([above], () => runTransaction([replaceBacking(above, undefined)]));
    await graph.collect(base);
    const target = await graph.open(again, { ...options, readOnly: false });
    try {
      await moveContent(graph, top, above, target, request);
    } finally {
      await graph.release(target);
    }
    if (request.keep !== true && request.base === undefined) await top.driver.empty?.();
  } finally {
    await graph.release(top);
  }
}

/** The base, and the image of which it is the backing file. */
function findBase(top: BlockNode, name: string | undefined): { readonly base: BlockNode; readonly above: BlockNode } {
  if (top.backing === undefined) throw new BlockError('invalid-argument', 'Image does not have a backing file', { filename: top.filename });
  for (let above = top, below = top.backing as BlockNode['backing']; below !== undefined; above = below.node, below = above.backing) {
    if (name === undefined || isNamed(below.node, above, top, name)) return { base: below.node, above };
  }
  throw new BlockError('not-found', `Did not find '${name ?? ''}' in the backing chain of '${top.filename}'`, { filename: top.filename });
}

function isNamed(node: BlockNode, above: BlockNode, top: BlockNode, name: string): boolean {
  if (above.driver.recordedBacking?.filename === name && above === top) return true;
  return normalisePath(node.filename) === normalisePath(resolveReference(top.filename, name));
}

async function moveContent(graph: BlockGraph, top: BlockNode, lowest: BlockNode, base: BlockNode, request: CommitRequest): Promise<void> {
  const target = Backend.over(graph, base, {
    description: 'commit target',
    writable: true,
    resizable: true,
    shared: Permission.ConsistentRead,
    writeThrough: request.writeThrough ?? false,
  });
  try {
    const tail = await fit(graph, top, target);
    await copyInto(graph, top, lowest, target, tail, request);
    const flushed = target.flush();
    if (flushed !== undefined) await flushed;
  } finally {
    await target.detach();
  }
}

/**
 * Makes the base as long as the overlay. One that lacks less than a sector stays as it is, as long as the overlay has nothing
 * but zeroes there. Gives the end of what is to be copied.
 */
async function fit(graph: BlockGraph, top: BlockNode, target: Backend): Promise<number> {
  if (target.size >= top.size) return top.size;
  if (wholeSectors(target.size) >= wholeSectors(top.size) && (await isZeroTail(graph, top, target.size))) return target.size;
  await target.truncate(top.size, { preallocation: 'off' });
  return top.size;
}

async function isZeroTail(graph: BlockGraph, top: BlockNode, from: number): Promise<boolean> {
  const extent = await chainExtentAt(top, from, top.size - from);
  if (!extent.allocated || extent.zero) return true;
  const buffer = graph.pool.take(top.size - from);
  try {
    const done = top.read(from, buffer, 0, top.size - from);
    if (done !== undefined) await done;
    return buffer.subarray(0, top.size - from).every((byte) => byte === 0);
  } finally {
    graph.pool.give(buffer);
  }
}

async function copyInto(
  graph: BlockGraph,
  top: BlockNode,
  lowest: BlockNode,
  target: Backend,
  end: number,
  { progress, signal, rateLimit = 0 }: CommitRequest,
): Promise<void> {
  const depth = depthOf(top, lowest);
  let total = end;
  if (progress !== undefined && progress.rough !== true) {
    total = 0;
    const counting = new CommitPlan(top, depth, end);
    for (let segment = await counting.next(); segment !== undefined; segment = await counting.next()) {
      if (segment.action === 'data') total += segment.length;
    }
  }
  await copy({
    sources: top,
    plan: new CommitPlan(top, depth, end),
    target,
    pool: graph.pool,
    piece: PIECE,
    granularity: 0,
    zeroed: false,
    compress: false,
    together: target.root.storage?.role === 'storage',
    lanes: 8,
    inOrder: true,
    rateLimit,
    total,
    progress,
    signal,
  });
}

function depthOf(top: BlockNode, lowest: BlockNode): number {
  let depth = 0;
  for (let at: BlockNode | undefined = top; at !== undefined && at !== lowest; at = at.backing?.node) depth++;
  return depth;
}

/** What the images from the top to the lowest one above the base decide; all else is the base's already. */
class CommitPlan {
  #at = 0;

  constructor(
    private readonly top: BlockNode,
    private readonly lowestDepth: number,
    private readonly end: number,
  ) {}

  async next(): Promise<Segment | undefined> {
    const offset = this.#at;
    if (offset >= this.end) return undefined;
    try {
      const found = chainExtentAt(this.top, offset, this.end - offset);
      const extent = isPromise(found) ? await found : found;
      this.#at = offset + extent.length;
      return { action: this.#actionFor(extent), offset, length: extent.length };
    } catch (error) {
      throw errnoText(error, 'error while reading block status');
    }
  }

  #actionFor(extent: ChainExtent): Segment['action'] {
    // The lowest image has lost its backing file: what it does not hold reads as zeroes here, and is the base's.
    if (!extent.allocated && extent.depth >= this.lowestDepth) return 'skip';
    return extent.zero ? 'zero' : 'data';
  }
}
