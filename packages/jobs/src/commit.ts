/**
 * Commit of images in the middle of a chain: what they hold goes into an image below them, and they are taken out of the chain.
 *
 * The base is written while guests read through the images above it, which hide every change: what is written is what they hold. When all
 * of it is on stable storage, the header of the overlay names the base, and the graph follows; a crash before or after that leaves a
 * disk with the same content.
 */
import {
  andThen, BlockError, changeAccess, heldZeroes, messageOf, Permission, setReadOnly, WriteFlag, type BlockNode, type Completion, type Edge, type OnError,
} from '@blk/core-graph';
import type { JobBody, JobControl } from './body.js';
import { imageBehind, imagesAbove, linksBetween } from './chain.js';
import { ChainPlan } from './chain-plan.js';
import { copyPieces, failing, type CopyPiece } from './copy-engine.js';
import type { Job, JobOptions } from './job.js';
import { setLenient } from './lenient.js';
import { cannotRelink, changeBacking } from './relink.js';
import type { Jobs } from './jobs.js';

export interface CommitOptions extends Omit<JobOptions, 'type'> {
  /** The highest image whose content goes down; not the one that the guest writes to. */
  readonly top: BlockNode;
  /** The image that takes it, somewhere below. */
  readonly base: BlockNode;
  /** What the image above the top one records as the name of its backing file; not looked at. Default: the name of the base. */
  readonly backingFile?: string | undefined;
  /** Default `report`. A job that ignored an error fails at its end, with the chain as it was. */
  readonly onError?: OnError | undefined;
  /** Name of a node that lies over the top image while the job runs. Default: none does. */
  readonly filterName?: string | undefined;
}

const PIECE = 2 * 1024 * 1024;
const LANES = 8;
/** Bytes made zero at once behind the end of a short image. */
const TAIL = 32 * 1024 * 1024;

/**
 * Starts a commit in the chain whose first image is `node`, or lies behind it where it is a filter.
 *
 * @throws BlockError kind `not-found` where the images are not in the chain in this order, `busy` where another job or user of the
 * chain objects, `read-only` where the base must not be written.
 */
export function startCommit(jobs: Jobs, node: BlockNode, options: CommitOptions): Promise<Job> {
  return jobs.create({ ...options, type: 'commit' }, async (control) => {
    const commit = new Commit(jobs, node, options);
    try {
      await commit.setUp(control);
    } catch (error) {
      await control.release();
      await commit.clean();
      throw error;
    }
    return commit;
  });
}

class Commit implements JobBody {
  readonly #root: BlockNode;
  readonly #overlay: BlockNode;
  readonly #top: BlockNode;
  readonly #base: BlockNode;
  /** The images whose content goes down, from the top. */
  readonly #images: readonly BlockNode[];
  /** The base as it is held while it is written. */
  #target: Edge | undefined;
  /** The link into the base, whose parent bears that it is written. */
  #lenient: Edge | undefined;
  readonly #madeWritable: BlockNode[] = [];

  constructor(
    private readonly jobs: Jobs,
    node: BlockNode,
    private readonly options: CommitOptions,
  ) {
    const { base } = options;
    const top = imageBehind(options.top);
    this.#root = imageBehind(node);
    this.#top = top;
    this.#base = imageBehind(base);
    const above = imagesAbove(this.#root, top);
    if (above === undefined || above.length === 0) {
      throw new BlockError('not-found', `'${top.filename}' is not in the backing chain below '${this.#root.filename}'`, { node: top.name });
    }
    const images = top === this.#base ? undefined : imagesAbove(top, this.#base);
    if (images === undefined) throw new BlockError('not-found', `Can't find '${base.filename}' in the backing chain`, { node: base.name });
    this.#overlay = above[above.length - 1];
    this.#images = images;
  }

  async setUp(control: JobControl): Promise<void> {
    control.progress(0, this.#top.size);
    control.block(new Set([this.#root, this.#overlay, ...this.#images, this.#base]));
    if (this.#overlay.driver.changeBackingFile === undefined) throw cannotRelink(this.#overlay);
    const { filterName } = this.options;
    if (filterName !== undefined) await control.putFilter(this.#top, { name: filterName, driver: 'commit_top', target: undefined });
    for (const link of linksBetween([this.#overlay, ...this.#images, this.#base])) control.freeze(link);
    await this.#makeWritable(this.#base);
    const above = this.#images[this.#images.length - 1];
    this.#lenient = above.backing;
    setLenient(this.#lenient, true);
    const shared = Permission.ConsistentRead | Permission.WriteUnchanged;
    this.#target = control.hold(this.#base, 'base', { permissions: Permission.ConsistentRead | Permission.Write | Permission.Resize, shared });
    for (const [index, image] of this.#images.entries()) {
      control.hold(image, index === 0 ? 'top' : 'intermediate node', { permissions: Permission.ConsistentRead, shared });
    }
  }

  async run(control: JobControl): Promise<void> {
    const { graph } = this.jobs;
    const { onError = 'report' } = this.options;
    const end = this.#top.size;
    if (this.#base.size < end) await graph.drained([this.#base], () => this.#base.truncate(end));
    const piece = Math.max(PIECE, this.#base.limits.optimalTransfer);
    const plan = new ChainPlan({
      images: this.#images,
      present: 0,
      end,
      piece,
      align: Math.max(this.#base.limits.optimalTransfer, 4096),
      zeroes: true,
    });
    const ignored = await copyPieces({
      control,
      pool: graph.pool,
      bufferBytes: piece,
      lanes: LANES,
      readPolicy: onError,
      writePolicy: onError,
      next: () => plan.next(),
      copy: (part, buffer) => this.#copy(part, buffer),
      done: ({ length }) => { control.advance(length); },
    });
    if (ignored !== undefined) throw ignored;
  }

  async prepare(): Promise<void> {
    const target = this.#target as Edge;
    const flushed = target.flush();
    if (flushed !== undefined) await flushed;
    // From here on it is read only, through the overlay.
    changeAccess((transaction) => { transaction.set(target, { permissions: Permission.ConsistentRead, shared: Permission.All }); });
    await this.#makeWritable(this.#overlay);
    await this.#coverTail();
    const base = this.#base;
    await changeBacking(this.jobs.graph, this.#overlay, this.#lenient?.node ?? base, {
      filename: this.options.backingFile ?? base.filename,
      format: base.driverName,
    });
  }

  /** Rights as they were; what fails leaves more rights than needed, and is no reason to call the job failed. */
  async clean(): Promise<void> {
    try {
      setLenient(this.#lenient, false);
      for (const node of this.#madeWritable.reverse()) if (!node.closed) await setReadOnly(this.jobs.graph, node, true);
    } catch (error) {
      this.jobs.graph.host.warn(`After ${this.options.id}: ${messageOf(error)}`);
    }
  }

  #copy({ action, offset, length }: CopyPiece, buffer: Uint8Array): Completion {
    const target = this.#target as Edge;
    if (action === 'zero') return failing('write', () => target.writeZeroes(offset, length, WriteFlag.MayUnmap));
    const write = (): Completion => failing('write', () => target.write(offset, buffer, 0, length));
    return andThen(failing('read', () => this.#top.read(offset, buffer, 0, length)), write);
  }

  async #makeWritable(node: BlockNode): Promise<void> {
    if (!node.readOnly) return;
    await setReadOnly(this.jobs.graph, node, false);
    this.#madeWritable.push(node);
  }

  /** Behind the end of a top that is shorter than both the overlay and the base, the overlay reads zeroes, and has to go on doing so. */
  async #coverTail(): Promise<void> {
    const overlay = this.#overlay;
    const end = Math.min(overlay.size, this.#base.size);
    for (let at = this.#top.size; at < end; ) {
      const length = Math.min(end - at, TAIL);
      const held = await overlay.requests.serialise(at, length);
      try {
        for (const stop = at + length; at < stop; ) {
          const extent = await overlay.extent(at, stop - at);
          const here = at;
          at += extent.length;
          const done = extent.allocated ? undefined : heldZeroes(overlay, here, extent.length);
          if (done !== undefined) await done;
        }
      } finally {
        held.finish();
      }
    }
  }
}
