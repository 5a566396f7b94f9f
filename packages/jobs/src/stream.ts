/**
 * Stream: an image takes over what the images below it hold, down to a base or all of it, and then needs them no more.
 *
 * Only what an image above the base holds is copied, and only where the image itself holds nothing yet. A cluster is copied while the
 * guest is kept out of it, and what the guest writes first stays. When all is copied and on stable storage, the image's header names
 * the base, and the graph follows; a crash before or after that leaves a disk with the same content.
 */
import {
  BlockError, heldWrite, heldZeroes, messageOf, Permission, setReadOnly, zeroRun, type BlockNode, type Completion, type OnError,
} from '@blk/core-graph';
import type { JobBody, JobControl } from './body.js';
import { imageBehind, imagesAbove, linksBetween, partAt } from './chain.js';
import { ChainPlan } from './chain-plan.js';
import { copyPieces, failing, type CopyPiece } from './copy-engine.js';
import type { Job, JobOptions } from './job.js';
import { cannotRelink, changeBacking } from './relink.js';
import type { Jobs } from './jobs.js';

export interface StreamOptions extends Omit<JobOptions, 'type'> {
  /** The image of the chain that stays below; without it all is copied, and the image has no backing file afterwards. */
  readonly base?: BlockNode | undefined;
  /** What the image records as the name of its backing file; not looked at. Default: the name of the base. */
  readonly backingFile?: string | undefined;
  /** Default `report`. A job that ignored an error fails at its end, with the chain as it was. */
  readonly onError?: OnError | undefined;
  /** Name of a node that lies over the image while the job runs. Default: none does. */
  readonly filterName?: string | undefined;
}

/** Bytes copied at once, where the clusters of the image are no larger. */
const PIECE = 2 * 1024 * 1024;
const LANES = 8;

/**
 * Starts a stream into `node`, or the image behind it where it is a filter.
 *
 * @throws BlockError kind `not-found` where the base is not below the image, `busy` where another job or user of the chain objects.
 */
export function startStream(jobs: Jobs, node: BlockNode, options: StreamOptions): Promise<Job> {
  return jobs.create({ ...options, type: 'stream' }, (control) => Stream.setUp(jobs, imageBehind(node), options, control));
}

class Stream implements JobBody {
  private constructor(
    private readonly jobs: Jobs,
    private readonly options: StreamOptions,
    private readonly image: BlockNode,
    /** The image, and those below it whose content it takes over. */
    private readonly images: readonly BlockNode[],
    private readonly madeWritable: boolean,
  ) {}

  static async setUp(jobs: Jobs, image: BlockNode, options: StreamOptions, control: JobControl): Promise<Stream> {
    const { base } = options;
    const images = imagesAbove(image, base);
    if (images === undefined || images.length === 0) {
      throw new BlockError('not-found', `Can't find '${base?.filename ?? ''}' in the backing chain`, { node: image.name });
    }
    if (base === undefined && options.backingFile !== undefined) {
      throw new BlockError('invalid-argument', 'backing file specified, but streaming the entire chain');
    }
    control.block(images);
    if ((images.length > 1 || base !== undefined) && image.driver.changeBackingFile === undefined) throw cannotRelink(image);
    const madeWritable = image.readOnly;
    if (madeWritable) await setReadOnly(jobs.graph, image, false);
    try {
      control.hold(image, 'main node', {
        permissions: Permission.ConsistentRead | Permission.WriteUnchanged,
        shared: Permission.All & ~Permission.Resize,
      });
      const shared = Permission.ConsistentRead | Permission.WriteUnchanged;
      for (const below of images.slice(1)) control.hold(below, 'intermediate node', { permissions: Permission.ConsistentRead, shared });
      if (options.filterName !== undefined) await control.putFilter(image, { name: options.filterName, driver: 'copy-on-read', target: undefined });
      for (const link of linksBetween(images)) control.freeze(link);
    } catch (error) {
      if (madeWritable) {
        await control.release();
        await setReadOnly(jobs.graph, image, true);
      }
      throw error;
    }
    if (images.length > 1) control.progress(0, image.size);
    return new Stream(jobs, options, image, images, madeWritable);
  }

  async run(control: JobControl): Promise<void> {
    const { image, images } = this;
    const { onError = 'report', base } = this.options;
    // There is nothing in between to take over.
    if (images.length === 1) return;
    const cluster = clusterOf(image);
    const plan = new ChainPlan({
      images,
      present: 1,
      end: image.size,
      piece: Math.max(PIECE, cluster),
      align: cluster,
      zeroes: base !== undefined,
    });
    const ignored = await copyPieces({
      control,
      pool: this.jobs.graph.pool,
      bufferBytes: Math.max(PIECE, cluster),
      lanes: LANES,
      readPolicy: onError,
      writePolicy: onError,
      next: () => plan.next(),
      copy: (piece, buffer) => this.#copy(piece, buffer, cluster),
      done: ({ length }) => { control.advance(length); },
    });
    if (ignored !== undefined) throw ignored;
  }

  async prepare(): Promise<void> {
    const { image, images, options } = this;
    const lowest = images[images.length - 1];
    if (lowest.backing === undefined && image.backing === undefined) return;
    // The base may have been replaced by another job meanwhile.
    const link = options.base === undefined ? undefined : lowest.backing;
    const recorded = link && { filename: options.backingFile ?? imageBehind(link.node).filename, format: imageBehind(link.node).driverName };
    await changeBacking(this.jobs.graph, image, link?.node, recorded);
  }

  /** Rights as they were; what fails leaves more rights than needed, and is no reason to call the job failed. */
  async clean(): Promise<void> {
    const { graph } = this.jobs;
    if (!this.madeWritable || this.image.closed) return;
    await setReadOnly(graph, this.image, true).catch((error: unknown) => {
      graph.host.warn(`After ${this.options.id}: ${messageOf(error)}`);
    });
  }

  /** One piece, with the guest kept out of its clusters: what it has written by now stays. */
  async #copy({ offset, length }: CopyPiece, buffer: Uint8Array, cluster: number): Promise<void> {
    const { image } = this;
    const from = Math.floor(offset / cluster) * cluster;
    const to = Math.min(Math.ceil((offset + length) / cluster) * cluster, image.size);
    const held = await image.requests.serialise(from, to - from);
    try {
      for (let at = offset; at < offset + length; ) {
        const part = await partAt(this.images, at, offset + length - at);
        if (part.depth > 0 && part.kind !== 'none') {
          const done = part.kind === 'zero' ? failing('write', () => heldZeroes(image, at, part.length)) : this.#move(at, buffer, part.length, cluster);
          if (done !== undefined) await done;
        }
        at += part.length;
      }
    } finally {
      held.finish();
    }
  }

  async #move(offset: number, buffer: Uint8Array, length: number, cluster: number): Promise<void> {
    const { image } = this;
    const read = failing('read', (): Completion => image.backing?.read(offset, buffer, 0, length));
    if (read !== undefined) await read;
    for (let at = 0; at < length; ) {
      const run = zeroRun(buffer, at, length, cluster);
      const here = at;
      at += run.length;
      const zero = run.zero && image.driver.writeZeroes !== undefined;
      const done = failing('write', () => (zero ? heldZeroes(image, offset + here, run.length) : heldWrite(image, offset + here, buffer, here, run.length)));
      if (done !== undefined) await done;
    }
  }
}

/** The unit in which the image allocates; bytes. */
function clusterOf({ limits }: BlockNode): number {
  return Math.max(limits.zeroAlignment, limits.optimalTransfer, limits.alignment, 4096);
}
