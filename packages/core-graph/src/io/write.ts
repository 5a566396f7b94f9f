/** The slow path of writes and zero writes: checks, notifiers, bitmaps, zero detection, alignment, splitting, emulation. */
import { andThen, repeat, type Completion } from '../completion.js';
import { BlockError } from '../errors.js';
import { hasFlag, WriteFlag } from '../flags.js';
import type { BlockNode, WriteNotifier } from '../node.js';
import { isZero } from '../zero.js';
import { checkRange } from './check-range.js';
import { alignedWrite, announced, isMisaligned, widened } from './aligned-write.js';

/** Any write; everything that `BlockNode.write` does not do by itself. */
export function slowWrite(
  node: BlockNode,
  offset: number,
  buffer: Uint8Array,
  start: number,
  length: number,
  flags: number,
): Completion {
  checkWritable(node, offset, length);
  if (length === 0) return;
  // Other flags are hints; whoever asks for this one wants it.
  if (hasFlag(flags, WriteFlag.Compressed) && !hasFlag(node.driver.writeFlags ?? 0, WriteFlag.Compressed)) {
    throw new BlockError('unsupported', 'Compression is not supported by this format');
  }
  if (node.detectZeroes !== 'off' && !hasFlag(flags, WriteFlag.Compressed) && isZero(buffer, start, length)) {
    const unmap = node.detectZeroes === 'unmap' && node.discardEnabled ? WriteFlag.MayUnmap : 0;
    return slowWriteZeroes(node, offset, length, flags | unmap);
  }
  const { writeFlags = 0 } = node.driver;
  const asked = wanted(node, flags);
  return guarded(node, offset, length, asked & ~writeFlags, () => alignedWrite(node, offset, buffer, start, length, asked));
}

/** Any zero write: by the driver, by the driver in aligned parts, or by writing zero bytes. */
export function slowWriteZeroes(node: BlockNode, offset: number, length: number, flags: number): Completion {
  checkWritable(node, offset, length);
  if (length === 0) return;
  const { writeFlags = 0, zeroFlags = 0 } = node.driver;
  // Some of the range may have to be written as bytes.
  const asked = wanted(node, node.discardEnabled ? flags : flags & ~WriteFlag.MayUnmap);
  const byNode = asked & WriteFlag.Fua & ~(writeFlags & zeroFlags);
  return guarded(node, offset, length, byNode, () => zeroPieces(node, offset, length, asked & ~byNode));
}

/** What is asked of a node that stores by itself, where nothing is to be put on stable storage. */
function wanted({ children, settings }: BlockNode, flags: number): number {
  return children.size === 0 && settings.cache.noFlush ? flags & ~WriteFlag.Fua : flags;
}

/** Makes the range zero piece by piece; for those who have seen to everything else. */
export function zeroPieces(node: BlockNode, offset: number, length: number, flags: number): Completion {
  const { alignment, maxZeroes } = node.driver.limits;
  if (node.driver.writeZeroes === undefined) return writeZeroBytes(node, offset, length, flags);
  const end = offset + length;
  let at = offset;
  return repeat(() => {
    if (at >= end) return false;
    // A misaligned head and tail go the way of ordinary writes; the middle goes to the driver in one or more pieces.
    const head = at % alignment;
    let piece = head !== 0 ? Math.min(alignment - head, end - at) : Math.floor((end - at) / alignment) * alignment;
    const byDriver = head === 0 && piece > 0;
    if (!byDriver && head === 0) piece = end - at;
    if (byDriver && maxZeroes > 0) piece = Math.min(piece, maxZeroes);
    const here = at;
    at += piece;
    return byDriver ? zeroByDriver(node, here, piece, flags) : writeZeroBytes(node, here, piece, flags);
  });
}

function zeroByDriver(node: BlockNode, offset: number, length: number, flags: number): Completion {
  const fallback = (error: unknown): Completion => {
    if (error instanceof BlockError && error.kind === 'unsupported' && !hasFlag(flags, WriteFlag.NoFallback)) {
      return writeZeroBytes(node, offset, length, flags);
    }
    throw error;
  };
  try {
    const done = node.listens ? announced(node, 'pwritev_zero', () => zeroed(node, offset, length, flags)) : zeroed(node, offset, length, flags);
    return done === undefined ? undefined : done.catch(fallback);
  } catch (error) {
    return fallback(error);
  }
}

function zeroed({ driver }: BlockNode, offset: number, length: number, flags: number): Completion {
  return driver.writeZeroes?.(offset, length, flags & (driver.zeroFlags ?? 0));
}

/** Zero bytes to write from; shared, never written. */
const ZEROES = new Uint8Array(256 * 1024);

function writeZeroBytes(node: BlockNode, offset: number, length: number, flags: number): Completion {
  if (hasFlag(flags, WriteFlag.NoFallback)) {
    throw new BlockError('unsupported', 'Efficient zero writes are not supported', { node: node.name });
  }
  const end = offset + length;
  let at = offset;
  return repeat(() => {
    if (at >= end) return false;
    const here = at;
    const piece = Math.min(ZEROES.length, end - at);
    at += piece;
    return alignedWrite(node, here, ZEROES, 0, piece, flags & (WriteFlag.Unchanged | WriteFlag.Fua));
  });
}

/** What surrounds every change: notifiers, waiting for serialising requests, marks, and stable storage where `flags` still ask for it. */
function guarded(node: BlockNode, offset: number, length: number, flags: number, change: () => Completion): Completion {
  node.wrote(offset + length);
  return notified(node, offset, length, () => admitted(node, offset, length, flags, change));
}

/**
 * Runs a change between the notifiers that want to know before and after. They may read and even write the range themselves, so the
 * request holds none of it while they are at work.
 */
export function notified(node: BlockNode, offset: number, length: number, change: () => Completion): Completion {
  if (node.beforeWrite.size === 0 && node.afterWrite.size === 0) return change();
  const told = notify(node.beforeWrite, offset, length);
  const changed = told === undefined ? change() : told.then(change);
  const done = node.afterWrite.size === 0 ? changed : andThen(changed, () => notify(node.afterWrite, offset, length));
  return done === undefined ? undefined : node.requests.track(done, 0, 0);
}

function admitted(node: BlockNode, offset: number, length: number, flags: number, change: () => Completion): Completion {
  // The held range is what tracks a misaligned request.
  if (isMisaligned(node, offset, length)) return serialised(node, offset, length, flags, change);
  const wait = node.requests.hasSerialising ? node.requests.waitForSerialising(offset, length) : undefined;
  const done = andThen(wait, () => marked(node, offset, length, flags, change));
  return done === undefined ? undefined : node.requests.track(done, offset, length);
}

async function serialised(
  node: BlockNode,
  offset: number,
  length: number,
  flags: number,
  change: () => Completion,
): Promise<void> {
  const range = widened(node, offset, length);
  const held = await node.requests.serialise(range.offset, range.length);
  try {
    const done = marked(node, offset, length, flags, change);
    if (done !== undefined) await done;
  } finally {
    held.finish();
  }
}

/** Marks after the change, and stable storage where `flags` ask for it. */
export function marked(node: BlockNode, offset: number, length: number, flags: number, change: () => Completion): Completion {
  let done: Completion;
  try {
    done = change();
  } catch (error) {
    // A failed write may have changed some of its range: it is marked like one that succeeded.
    node.changed(offset, length);
    throw error;
  }
  if (done === undefined) node.changed(offset, length);
  else done = settle(done, node, offset, length);
  return hasFlag(flags, WriteFlag.Fua) ? andThen(done, () => node.flush()) : done;
}

async function settle(done: Promise<void>, node: BlockNode, offset: number, length: number): Promise<void> {
  try {
    await done;
  } finally {
    node.changed(offset, length);
  }
}

function notify(notifiers: Iterable<WriteNotifier>, offset: number, length: number): Completion {
  const waiting: Promise<void>[] = [];
  for (const notifier of notifiers) {
    const done = notifier(offset, length);
    if (done !== undefined) waiting.push(done);
  }
  return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
}

/** Throws where the node cannot be written, or not there. */
export function checkWritable(node: BlockNode, offset: number, length: number): void {
  checkRange(node, offset, length);
  if (node.readOnly || node.driver.write === undefined) {
    throw new BlockError('read-only', `Block node '${node.name}' is read-only`, { node: node.name });
  }
  if (offset + length > node.driver.size && node.driver.growable !== true) {
    throw new BlockError('out-of-range', `Request at ${offset} of ${length} bytes passes the end at ${node.driver.size}`, {
      node: node.name,
    });
  }
}
