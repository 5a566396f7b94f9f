/** Mirror jobs: `startMirror`, its options, and what is refused. */
import { BlockError, chainExtents, defaultGranularity, DirtyBitmap, Permission, type BlockNode, type ChainExtent, type OnError } from '@blk/core-graph';
import type { JobControl } from './body.js';
import type { Job, JobOptions } from './job.js';
import { MirrorBody } from './mirror-body.js';
import type { Jobs } from './jobs.js';

/** What is copied at first: the whole disk, what the topmost image holds, or nothing but what guests write from now on. */
export type MirrorSync = 'full' | 'top' | 'none';

export interface MirrorOptions extends Omit<JobOptions, 'type'> {
  readonly source: BlockNode;
  /** Of the source's size. Held until the job ends; closes then where nobody else uses it. Its backing file is not touched. */
  readonly target: BlockNode;
  readonly sync: MirrorSync;
  /** The target is new: where it reads as zeroes throughout, only what the source's images hold is copied, and counted. */
  readonly blank?: boolean | undefined;
  /** Bytes for each bit of what is to be copied, a power of two from 512 to 64 MiB. Default: the cluster size, from 4 to 64 KiB. */
  readonly granularity?: number | undefined;
  /** Most bytes in flight. 0, the default: 16 MiB. */
  readonly bufferSize?: number | undefined;
  /** Zeroes may be stored as ranges without space (the default). */
  readonly unmap?: boolean | undefined;
  /** `write-blocking`: a guest's write is done only when it is in the target as well. Default `background`. */
  readonly copyMode?: 'background' | 'write-blocking' | undefined;
  /** The node whose place the target takes when the job is completed. Default: the source. */
  readonly replaces?: BlockNode | undefined;
  /** Default `report`. What failed and was ignored stays to be done. */
  readonly onSourceError?: OnError | undefined;
  readonly onTargetError?: OnError | undefined;
  /** Name of a node that lies over the source while the job runs. Default: none does. */
  readonly filterName?: string | undefined;
}

const MAX_GRANULARITY = 64 * 1024 * 1024;
const DEFAULT_BUFFER = 16 * 1024 * 1024;

/**
 * Starts a mirror. When all is copied the job is ready, and goes on following what guests write: `complete` switches all users of the source
 * to the target; `cancel` leaves the target as a copy of that moment, and with `force` as it happens to be.
 */
export async function startMirror(jobs: Jobs, options: MirrorOptions): Promise<Job> {
  const { source, target, sync } = options;
  if (source === target) throw new BlockError('invalid-argument', "Can't mirror node into itself");
  const clusterSize = (await target.driver.info?.())?.clusterSize;
  const granularity = options.granularity || defaultGranularity(clusterSize);
  checkGranularity(granularity);
  const bufferBytes = options.bufferSize || DEFAULT_BUFFER;
  if (!Number.isSafeInteger(bufferBytes) || bufferBytes < 0) throw new BlockError('invalid-argument', "Invalid parameter 'buf-size'");
  return jobs.create({ ...options, type: 'mirror' }, async (control) => {
    const { replaces = source } = options;
    control.block(new Set([source, target, replaces]));
    // Held until the end: nobody else may be left to use it then.
    if (replaces !== source) control.hold(replaces, 'replaced', { permissions: 0, shared: Permission.All });
    const held = control.hold(source, 'source', { permissions: Permission.ConsistentRead, shared: Permission.All & ~Permission.Resize });
    const edge = control.hold(target, 'target', {
      permissions: Permission.ConsistentRead | Permission.Write,
      shared: Permission.ConsistentRead | Permission.WriteUnchanged,
    });
    if (options.filterName !== undefined) await control.putFilter(source, { name: options.filterName, driver: 'mirror_top', target });
    const dirty = new DirtyBitmap(undefined, granularity, source.size);
    return jobs.graph.drained([source], () => {
      const scanned = sync === 'top' || (sync === 'full' && options.blank === true);
      if (sync === 'full' && !scanned) dirty.set(0, source.size);
      source.bitmaps.add(dirty);
      return new MirrorBody(
        jobs,
        {
          source, held, target: edge, dirty, bufferBytes,
          replaces,
          unit: Math.max(granularity, clusterSize ?? 0),
          unmap: options.unmap ?? true,
          writeBlocking: options.copyMode === 'write-blocking',
          onSourceError: options.onSourceError ?? 'report',
          onTargetError: options.onTargetError ?? 'report',
          begin: async (by) => {
            if (source.size !== target.size) throw new BlockError('invalid-argument', 'Source and target image have different sizes');
            if (!scanned) return;
            if (sync === 'top') await mark(by, source, dirty, ({ allocated, depth }) => allocated && depth === 0);
            else if (await readsAsZeroes(target)) await mark(by, source, dirty, ({ allocated }) => allocated);
            else dirty.set(0, source.size);
          },
        },
        control,
      );
    });
  });
}

/** Marks the extents of the chain that are wanted. What guests write meanwhile is marked by that. */
async function mark(control: JobControl, source: BlockNode, dirty: DirtyBitmap, wanted: (extent: ChainExtent) => boolean): Promise<void> {
  for await (const extent of chainExtents(source, 0, source.size)) {
    const paused = control.pausePoint();
    if (paused !== undefined) await paused;
    if (wanted(extent)) dirty.set(extent.offset, extent.length);
  }
}

async function readsAsZeroes(node: BlockNode): Promise<boolean> {
  for await (const { zero } of chainExtents(node, 0, node.size)) if (!zero) return false;
  return true;
}

function checkGranularity(granularity: number): void {
  if (!(granularity >= 512 && granularity <= MAX_GRANULARITY)) {
    throw new BlockError('invalid-argument', "Parameter 'granularity' expects a value in range [512B, 64MB]");
  }
  if (!Number.isInteger(Math.log2(granularity))) throw new BlockError('invalid-argument', "Parameter 'granularity' expects a power of 2");
}
