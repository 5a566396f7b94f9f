/** `rebaseImage`: another backing file for an image, whose content stays the same. */
import {
  Backend, BlockError, chainExtentAt, errnoOf, isPromise, isZero, messageOf, normalisePath, Permission, resolveReference, sameBytes, strerror,
  WriteFlag, type BlockGraph, type BlockNode, type ChainExtent,
} from '@blk/core-graph';
import type { CacheSetting } from './convert/request.js';
import { errnoText } from './failure.js';
import { openSource, type AnySource } from './open.js';
import { Pace, type Progress } from './pause.js';

export interface RebaseRequest {
  readonly format?: string;
  readonly cache?: CacheSetting;
  readonly writeThrough?: boolean;
  /** How backing files are read. */
  readonly sourceCache?: CacheSetting;
  /** As it is to be recorded: beside the image, unless absolute. Absent or empty: the image gets all content itself. */
  readonly backing?: string;
  readonly backingFormat?: string;
  /** Only the record changes. The new file has to have the same content; it is not looked at, nor is the old one. */
  readonly unsafe?: boolean;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

const PIECE = 1024 * 1024;

/**
 * Changes the backing file. Unless `unsafe`, what would read differently is copied into the image first; interrupted before
 * the new name is recorded, the image still reads as before.
 */
export async function rebaseImage(graph: BlockGraph, source: AnySource, request: RebaseRequest): Promise<void> {
  const { backing = '', backingFormat, unsafe = false } = request;
  if (backingFormat !== undefined && !graph.drivers.has(backingFormat)) {
    throw new BlockError('invalid-argument', `Invalid format name: '${backingFormat}'`);
  }
  const signal = request.signal === undefined ? {} : { signal: request.signal };
  const top = await openSource(graph, source, {
    ...(request.format === undefined ? {} : { format: request.format }),
    ...(request.cache === undefined ? {} : { cache: request.cache }),
    ...signal,
    ...(unsafe ? { noBacking: true } : {}),
  });
  try {
    if (!unsafe) await copyDifferences(graph, top, request);
    checkChange(top, backing, backingFormat);
    await record(top, backing, backingFormat);
  } finally {
    await graph.release(top);
  }
}

/** What is refused is refused before anything was copied. */
function checkChange(top: BlockNode, backing: string, format: string | undefined): void {
  const refuse = (why: string): never => {
    throw new BlockError('unsupported', `Could not change the backing file to '${backing}': ${why}`, { filename: top.filename });
  };
  if (backing !== '' && format === undefined) refuse('backing format must be specified');
  if (top.driver.changeBackingFile === undefined) refuse(strerror('ENOTSUP'));
}

async function record(top: BlockNode, backing: string, format: string | undefined): Promise<void> {
  try {
    await top.driver.changeBackingFile?.(backing === '' ? undefined : { filename: backing, ...(format === undefined ? {} : { format }) });
  } catch (error) {
    if (errnoOf(error) === 'ENOSPC') {
      throw new BlockError('no-space', `Could not change the backing file to '${backing}': No space left in the file header`, {}, error);
    }
    throw new BlockError('io', `Could not change the backing file to '${backing}': ${strerror(errnoOf(error))}`, {}, error);
  }
}

async function copyDifferences(graph: BlockGraph, top: BlockNode, request: RebaseRequest): Promise<void> {
  const { backing = '', backingFormat, sourceCache, signal } = request;
  const old = top.backing?.node;
  const resolved = backing === '' ? undefined : resolveReference(top.filename, backing);
  const shared = resolved === undefined ? undefined : imageOf(old, resolved, backingFormat);
  const fresh =
    resolved === undefined || shared !== undefined
      ? undefined
      : await openNew(graph, backing, resolved, {
          readOnly: true,
          ...(backingFormat === undefined ? {} : { format: backingFormat }),
          ...(sourceCache === undefined ? {} : { cache: sourceCache }),
          ...(signal === undefined ? {} : { signal }),
        });
  try {
    checkChange(top, backing, backingFormat);
    const target = Backend.over(graph, top, {
      description: 'rebase target',
      writable: true,
      shared: Permission.ConsistentRead,
      writeThrough: request.writeThrough ?? false,
    });
    try {
      await new Rebaser(graph, target, old, shared ?? fresh, shared, request).run();
      const flushed = target.flush();
      if (flushed !== undefined) await flushed;
    } finally {
      await target.detach();
    }
  } finally {
    if (fresh !== undefined) await graph.release(fresh);
  }
}

/** The image of the old chain that is this file. */
function imageOf(old: BlockNode | undefined, resolved: string, format: string | undefined): BlockNode | undefined {
  for (let at = old; at !== undefined; at = at.backing?.node) {
    if (normalisePath(at.filename) === normalisePath(resolved) && at.driverName === format) return at;
  }
  return undefined;
}

async function openNew(graph: BlockGraph, backing: string, resolved: string, options: Parameters<BlockGraph['open']>[1]): Promise<BlockNode> {
  try {
    return await graph.open(resolved, options);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `Could not open new backing file '${backing}': ${messageOf(error)}`, error.context, error);
  }
}

class Rebaser {
  readonly #top: BlockNode;
  readonly #pace: Pace;

  constructor(
    private readonly graph: BlockGraph,
    private readonly target: Backend,
    private readonly old: BlockNode | undefined,
    private readonly fresh: BlockNode | undefined,
    /** Where the new backing file is part of the old chain: itself. What no image above it holds is the same. */
    private readonly shared: BlockNode | undefined,
    private readonly request: RebaseRequest,
  ) {
    this.#top = target.root;
    this.#pace = new Pace(request.signal);
  }

  async run(): Promise<void> {
    const { pool } = this.graph;
    const before = pool.take(PIECE);
    const after = pool.take(PIECE);
    const { size } = this.#top;
    const unit = Math.min(PIECE, (await this.#top.driver.info?.())?.clusterSize ?? 512);
    try {
      for (let at = 0; at < size; ) {
        this.request.progress?.(at, size);
        if (this.#pace.due()) await this.#pace.pause();
        const length = await this.#same(at, size - at);
        if (length > 0) {
          at += length;
          continue;
        }
        const count = Math.min(PIECE - (at % PIECE), await this.#undecided(at, size - at));
        await this.#piece(at, count, unit, before, after);
        at += count;
      }
      this.request.progress?.(size, size);
    } finally {
      pool.give(before);
      pool.give(after);
    }
  }

  /** How far from `at` on nothing has to be done; 0: something may have to be. */
  async #same(at: number, most: number): Promise<number> {
    const own = await this.#top.extent(at, most);
    if (own.allocated) return own.length;
    const before = await extentOf(this.old, at, own.length, this.shared);
    if (this.shared !== undefined && !before.allocated && at < this.shared.size) {
      // Beyond the end of an image in between there are zeroes, which the new backing file may not have.
      if (!before.zero) return Math.min(before.length, this.shared.size - at);
    }
    if (!before.zero) return 0;
    const after = await extentOf(this.fresh, at, before.length);
    return after.zero ? after.length : 0;
  }

  /** Length from `at` on that is neither held by the image nor told about yet. */
  async #undecided(at: number, most: number): Promise<number> {
    return (await this.#top.extent(at, most)).length;
  }

  async #piece(at: number, count: number, unit: number, before: Uint8Array, after: Uint8Array): Promise<void> {
    const old = await load(this.old, at, count, before);
    const fresh = await load(this.fresh, at, count, after);
    if (old && fresh) return;
    for (let from = 0; from < count; ) {
      const step = Math.min(unit - ((at + from) % unit), count - from);
      let length = 0;
      // Neighbours that differ are written together.
      while (from + length < count && differs(from + length)) length += Math.min(unit - ((at + from + length) % unit), count - from - length);
      if (length > 0) await this.#store(at + from, before, from, length);
      from += Math.max(length, step);
    }

    function differs(from: number): boolean {
      return !sameBytes(before, from, after, from, Math.min(unit - ((at + from) % unit), count - from));
    }
  }

  async #store(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    try {
      if (isZero(buffer, start, length)) {
        const zeroed = this.target.writeZeroes(offset, length, WriteFlag.MayUnmap);
        if (zeroed !== undefined) await zeroed;
        // Where the old backing file has nothing, formats may leave zeroes to it; the new one need not have them.
        if (await this.#isHeld(offset, length)) return;
      }
      const done = this.target.write(offset, buffer, start, length);
      if (done !== undefined) await done;
    } catch (error) {
      throw errnoText(error, 'Error while writing to COW image');
    }
  }

  async #isHeld(offset: number, length: number): Promise<boolean> {
    for (let at = offset; at < offset + length; ) {
      const extent = await this.#top.extent(at, offset + length - at);
      if (!extent.allocated) return false;
      at += extent.length;
    }
    return true;
  }
}

/** Fills `buffer` with what a backing file shows at `at`; true where that is nothing but zeroes without a look. */
async function load(node: BlockNode | undefined, at: number, count: number, buffer: Uint8Array): Promise<boolean> {
  const inside = node === undefined ? 0 : Math.max(0, Math.min(count, node.size - at));
  if (inside > 0) {
    try {
      const done = node?.read(at, buffer, 0, inside);
      if (done !== undefined) await done;
    } catch (error) {
      throw errnoText(error, `error while reading from ${node?.filename ?? ''} at byte ${at}`);
    }
  }
  buffer.fill(0, inside, count);
  return inside === 0;
}

async function extentOf(node: BlockNode | undefined, offset: number, length: number, base?: BlockNode): Promise<ChainExtent> {
  if (node === undefined || offset >= node.size) {
    return { offset, length, depth: 0, data: false, zero: true, allocated: false, compressed: false, hostOffset: -1 };
  }
  if (node === base) {
    const here = Math.min(length, node.size - offset);
    return { offset, length: here, depth: 0, data: false, zero: false, allocated: false, compressed: false, hostOffset: -1 };
  }
  const found = chainExtentAt(node, offset, Math.min(length, node.size - offset), base);
  return isPromise(found) ? await found : found;
}
