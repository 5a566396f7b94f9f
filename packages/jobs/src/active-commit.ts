/**
 * Commit of the image that a device writes to: a mirror into an image below it, which in the end takes its place.
 *
 * The base is written while guests read through the images above it, which hide every change: what is written is what they hold. A crash
 * leaves a chain with the same content, before the switch and after it.
 */
import { BlockError, defaultGranularity, DirtyBitmap, isPromise, messageOf, Permission, setReadOnly, type BlockNode, type OnError } from '@blk/core-graph';
import type { JobControl } from './body.js';
import { imageBehind, imagesAbove, linksBetween, partAt } from './chain.js';
import type { Job, JobOptions } from './job.js';
import { setLenient } from './lenient.js';
import { MirrorBody } from './mirror-body.js';
import type { Jobs } from './jobs.js';

export interface ActiveCommitOptions extends Omit<JobOptions, 'type'> {
  /** The image that takes the content of all above it, somewhere below. It grows to the size of the topmost one where it is smaller. */
  readonly base: BlockNode;
  /** Default `report`. What failed and was ignored stays to be done. */
  readonly onError?: OnError | undefined;
  /** Name of a node that lies over the topmost image while the job runs. Default: none does. */
  readonly filterName?: string | undefined;
}

const BUFFER = 16 * 1024 * 1024;

/**
 * Starts a commit of the chain whose topmost image is `node`, or lies behind it where it is a filter. When the job is ready, `complete`
 * switches the users of that image to the base; `cancel` leaves everything in its place.
 *
 * @throws BlockError kind `not-found` where the base is not below, `busy` where another job or user of the chain objects.
 */
export async function startActiveCommit(jobs: Jobs, node: BlockNode, options: ActiveCommitOptions): Promise<Job> {
  const { graph } = jobs;
  const source = imageBehind(node);
  const base = imageBehind(options.base);
  const images = source === base ? undefined : imagesAbove(source, base);
  if (images === undefined || images.length === 0) {
    throw new BlockError('not-found', `Can't find '${base.filename}' in the backing chain`, { node: base.name });
  }
  const clusterSize = (await base.driver.info?.())?.clusterSize;
  const granularity = defaultGranularity(clusterSize);
  const link = images[images.length - 1].backing;
  const { onError = 'report', filterName } = options;
  return jobs.create({ ...options, type: 'commit' }, async (control) => {
    control.block([...images, base]);
    for (const each of linksBetween([...images, base])) control.freeze(each);
    const undo: (() => Promise<void>)[] = [];
    const restore = async (): Promise<void> => {
      for (const step of undo.splice(0).reverse()) await step();
    };
    try {
      if (base.readOnly) {
        await setReadOnly(graph, base, false);
        undo.push(async () => { if (!base.closed) await setReadOnly(graph, base, true); });
      }
      setLenient(link, true);
      undo.push(async () => { setLenient(link, false); });
      const shared = Permission.ConsistentRead | Permission.WriteUnchanged;
      const target = control.hold(base, 'base', { permissions: Permission.ConsistentRead | Permission.Write | Permission.Resize, shared });
      const held = control.hold(source, 'top', { permissions: Permission.ConsistentRead, shared: Permission.All & ~Permission.Resize });
      for (const image of images.slice(1)) control.hold(image, 'intermediate node', { permissions: Permission.ConsistentRead, shared });
      if (filterName !== undefined) await control.putFilter(source, { name: filterName, driver: 'mirror_top', target: undefined });
      const dirty = new DirtyBitmap(undefined, granularity, source.size);
      return await graph.drained([source], () => {
        source.bitmaps.add(dirty);
        return new MirrorBody(
          jobs,
          {
            source, held, target, dirty,
            replaces: source,
            unit: Math.max(granularity, clusterSize ?? 0),
            bufferBytes: BUFFER,
            unmap: true,
            writeBlocking: false,
            onSourceError: onError,
            onTargetError: onError,
            begin: async (by) => {
              if (base.size < source.size) await graph.drained([base], () => base.truncate(source.size));
              await markHeld(by, images, dirty);
            },
            // The base is the guest's now: images above it that somebody still has open mean nothing any more.
            switched: () => { undo.length = 0; },
            clean: () =>
              restore().catch((error: unknown) => { graph.host.warn(`After ${options.id}: ${messageOf(error)}`); }),
          },
          control,
        );
      });
    } catch (error) {
      await control.release();
      await restore();
      throw error;
    }
  });
}

/** Marks what the images hold. What guests write meanwhile is marked by that. */
async function markHeld(control: JobControl, images: readonly BlockNode[], dirty: DirtyBitmap): Promise<void> {
  const [{ size }] = images;
  for (let at = 0; at < size; ) {
    const paused = control.pausePoint();
    if (paused !== undefined) await paused;
    const found = partAt(images, at, size - at);
    const part = isPromise(found) ? await found : found;
    if (part.kind !== 'none') dirty.set(at, part.length);
    at += part.length;
  }
}
