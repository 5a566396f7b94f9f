/** One open image as the graph sees it: extents in a row, and what the descriptor says. */
import { checkInUse, Pending, type Below } from '@blk/cluster-map';
import {
  BlockError, emptyCheckResult, NO_LIMITS, WriteFlag, type CheckOptions, type CheckResult, type Completion, type DriverImageInfo, type DriverNode, type Edge, type Extent, type MaybePromise, type NodeLimits,
  type RecordedBacking,
} from '@blk/core-graph';
import { checkExtent } from './check.js';
import type { ContentId } from './content-id.js';
import { idText, NO_PARENT, type Descriptor } from './descriptor.js';
import { wishError } from './errors.js';
import type { OpenExtent } from './extent.js';

type Part = (extent: OpenExtent, offset: number, done: number, length: number) => Completion;

export class VmdkNode implements DriverNode {
  readonly size: number;
  readonly limits: NodeLimits;
  readonly writeFlags: number;
  readonly zeroFlags = WriteFlag.MayUnmap | WriteFlag.NoFallback | WriteFlag.Unchanged;
  /** Where each extent begins. */
  readonly #starts: readonly number[];
  #begun = false;
  #beginning: Promise<void> | undefined;

  constructor(
    private readonly file: Edge,
    private readonly descriptor: Descriptor,
    private readonly contentId: ContentId,
    private readonly extents: readonly OpenExtent[],
    /** Opened to be checked, and for nothing else. */
    private readonly checking: boolean,
  ) {
    let size = 0;
    this.#starts = extents.map(({ node }) => (size += node.size) - node.size);
    this.size = size;
    const grain = Math.max(...extents.map(({ grainSize = 0 }) => grainSize));
    this.limits = { ...NO_LIMITS, optimalTransfer: grain, zeroAlignment: grain };
    // Grains that are not packed are stored as they are, whole: whoever asked for packing loses nothing but space. Flat extents have no grains.
    this.writeFlags = extents.every(({ grainSize }) => grainSize !== undefined) ? WriteFlag.Compressed : 0;
  }

  /** Of the content, as children know it. */
  get id(): number {
    return this.contentId.current;
  }

  get recordedBacking(): RecordedBacking | undefined {
    const { parentHint } = this.descriptor;
    return parentHint === undefined ? undefined : { filename: parentHint, format: 'vmdk' };
  }

  setBacking(child: Edge | undefined): void {
    const below = child === undefined ? undefined : this.#checked(child);
    this.extents.forEach((extent, index) => {
      const from = this.#starts[index];
      extent.setBelow?.(below === undefined || from === 0 ? below : shifted(below, from));
    });
  }

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    if (this.extents.length === 1) return this.extents[0].node.read(offset, buffer, start, length);
    return this.#each(offset, length, ({ node }, at, done, size) => node.read(at, buffer, start + done, size));
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number, flags: number): Completion {
    if (!this.#begun) return this.#begin().then(() => this.write(offset, buffer, start, length, flags));
    if (this.extents.length === 1) return this.extents[0].node.write?.(offset, buffer, start, length, flags);
    return this.#each(offset, length, ({ node }, at, done, size) => node.write?.(at, buffer, start + done, size, flags));
  }

  writeZeroes(offset: number, length: number, flags: number): Completion {
    if (!this.#begun) return this.#begin().then(() => this.writeZeroes(offset, length, flags));
    return this.#each(offset, length, ({ node }, at, _done, size) => {
      if (node.writeZeroes === undefined) throw wishError('Zeroes have to be written', 'unsupported');
      return node.writeZeroes(at, size, flags);
    });
  }

  discard(offset: number, length: number): Completion {
    if (!this.#begun) return this.#begin().then(() => this.discard(offset, length));
    return this.#each(offset, length, ({ node }, at, _done, size) => node.discard?.(at, size));
  }

  flush(): Completion {
    const pending = new Pending();
    for (const { node } of this.extents) pending.add(() => node.flush?.());
    if (this.#begun && this.extents[0].file !== this.file) pending.add(() => this.file.flush());
    return pending.end();
  }

  flushToOs(): Completion {
    // The order of the tables needs flushes in between; there is nothing cheaper to do.
    return this.flush();
  }

  extent(offset: number, length: number): MaybePromise<Extent> {
    const index = this.#indexOf(offset);
    const start = this.#starts[index];
    const { node } = this.extents[index];
    const size = Math.min(length, start + node.size - offset);
    return node.extent?.(offset - start, size) ?? Promise.reject(new Error('every extent tells where it is'));
  }

  /** What holds the data at `offset`. */
  dataChild(offset: number): Edge | undefined {
    return this.extents[this.#indexOf(offset)].file;
  }

  info(): DriverImageInfo {
    const { createType, parentId } = this.descriptor;
    const [{ grainSize }] = this.extents;
    const extents = this.extents.map(({ node, file, kind, grainSize: grain, compressed }) => ({
      ...(compressed === true ? { compressed } : {}),
      'virtual-size': node.size,
      filename: file?.node.filename ?? '',
      ...(grain === undefined ? {} : { 'cluster-size': grain }),
      format: kind ?? '',
    }));
    const data = { cid: this.id, 'parent-cid': parentId, 'create-type': createType, extents };
    return { dirty: false, ...(grainSize === undefined ? {} : { clusterSize: grainSize }), specific: { type: 'vmdk', data } };
  }

  check(options: CheckOptions): Promise<CheckResult> {
    const check = async (how: CheckOptions): Promise<CheckResult> => {
      const result = emptyCheckResult();
      for (const [index, { checked }] of this.extents.entries()) if (checked !== undefined) await checkExtent(checked, this.#starts[index], how, result);
      return result;
    };
    return this.checking ? check(options) : checkInUse(() => this.flush(), check, options, 'vmdk');
  }

  async close(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    for (const { node } of this.extents) {
      try {
        await node.close();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }

  /** Before the first change. */
  #begin(): Promise<void> {
    this.#beginning ??= this.contentId.begin().then(
      () => {
        this.#begun = true;
      },
      (error: unknown) => {
        this.#beginning = undefined;
        throw error;
      },
    );
    return this.#beginning;
  }

  /** The part of each extent in a range, all of them at once. */
  #each(offset: number, length: number, part: Part): Completion {
    const pending = new Pending();
    const end = offset + length;
    let index = this.#indexOf(offset);
    for (let at = offset; at < end; index++) {
      const extent = this.extents[index];
      const start = this.#starts[index];
      const from = at;
      const size = Math.min(end, start + extent.node.size) - from;
      at += size;
      pending.add(() => part(extent, from - start, from - offset, size));
    }
    return pending.end();
  }

  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The parent, unless it was changed or is another disk: then whoever needs it hears of that. */
  #checked(child: Edge): Below {
    const { parentId } = this.descriptor;
    if (parentId === NO_PARENT) return child;
    const found = parentOf(child)?.id;
    if (found === undefined || found === parentId) return child;
    const message = `The parent has the content identifier ${idText(found)}, expected is ${idText(parentId)}: it was changed, or is another disk`;
    return {
      size: child.size,
      read: () => {
        throw new BlockError('invalid-argument', message, { driver: 'vmdk', reason: 'vmdk/parent' });
      },
    };
  }
}

/** What lies at `from` and behind it. */
function shifted(below: Below, from: number): Below {
  return {
    get size() {
      return Math.max(0, below.size - from);
    },
    read: (offset, buffer, start, length) => below.read(from + offset, buffer, start, length),
  };
}

/** The image below, whatever filters are between; undefined where it is of another format. */
function parentOf(child: Edge): VmdkNode | undefined {
  let { node } = child;
  while (node.storage?.role === 'filtered') ({ node } = node.storage);
  return node.driver instanceof VmdkNode ? node.driver : undefined;
}
