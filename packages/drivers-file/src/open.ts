/** Opening a regular file or a device as a node. */
import { BlockError, NO_LIMITS, type DriverNode, type NodeLimits, type OpenContext } from '@blk/core-graph';
import { blockSizeOf, deviceAttribute, directAlignment } from './alignment.js';
import { cannotOpen, isCode, wrongKind } from './errors.js';
import { checkedSize, closeFile, openHostFile, statusOf, type HostFile } from './host-file.js';
import { HostNode, WritableHostNode, type HostNodeParts } from './host-node.js';
import { HoleFinder } from './extents.js';
import { ImageLocks, takenLocks } from './locks/locks.js';
import { seenLocks } from './locks/proc-locks.js';
import { DeviceSpace } from './space/device-space.js';
import { FileSpace } from './space/file-space.js';
import type { Aio, Engines } from './engines.js';
import type { FileIo } from './io/file-io.js';
import { driveCalls, type DriveKind } from './media/drive-calls.js';
import { DriveMedium } from './media/drive-medium.js';
import { MediumIo } from './media/medium-io.js';
import type { Native } from './native/native.js';

export interface FileOptions {
  readonly filename?: string;
  readonly locking?: 'auto' | 'on' | 'off';
  readonly aio?: Exclude<Aio, undefined>;
}

/** Opens a regular file. */
export async function openRegular(options: FileOptions, context: OpenContext, engines: Engines): Promise<DriverNode> {
  const filename = options.filename ?? '';
  checkAio(options, context);
  const status = await statusOf('file', filename);
  // The system's own words, which it would use for an attempt to write there.
  if (status.isDirectory() && !context.readOnly) throw cannotOpen(filename, { code: 'EISDIR' });
  if (!status.isFile()) throw wrongKind('file', filename, 'a regular file');
  const file = await openHostFile(filename, { write: !context.readOnly, direct: context.cache.direct });
  return closingOnError(file, async () => {
    // Between the look and the opening it may have become something else.
    if (!file.stats.isFile()) throw wrongKind('file', filename, 'a regular file');
    const size = checkedSize(filename, file.stats.size);
    const { native, parts, now } = await commonParts(file, size, options, context, engines);
    const holes = native && new HoleFinder(file.fd, native, now);
    if (context.readOnly) return new HostNode({ ...parts, holes });
    const space = new FileSpace({ fd: file.fd, filename, native, now });
    return new WritableHostNode({ ...parts, holes, space, growable: true });
  });
}

/** A driver for devices: its name, and the kind of drive that it is for. */
export interface DeviceKind {
  readonly name: 'host_device' | 'host_cdrom' | 'host_floppy';
  readonly drive?: DriveKind;
}

/** Opens a block device, or a character device. */
export async function openDevice({ name, drive }: DeviceKind, options: FileOptions, context: OpenContext, engines: Engines): Promise<DriverNode> {
  const filename = options.filename ?? '';
  const wanted = 'either a character or block device';
  checkAio(options, context);
  if (!isDevice(await statusOf(name, filename))) throw wrongKind(name, filename, wanted);
  const file = await openForDevice(filename, context, drive !== undefined);
  return closingOnError(file, async () => {
    if (!isDevice(file.stats)) throw wrongKind(name, filename, wanted);
    // The kernel lets a read-only device be opened for writing, and fails the writes.
    if (!context.readOnly && file.stats.isBlockDevice() && (await deviceAttribute(file.stats.rdev, 'ro')) === 1) {
      throw notWritable(filename);
    }
    const size = await deviceSize(file, await (context.noIo ? undefined : engines.native()));
    const { native, parts: plain } = await commonParts(file, size, options, context, engines);
    const parts = drive === undefined ? plain : { ...plain, ...(await withMedium(file, drive, plain.io, native)) };
    if (context.readOnly) return new HostNode({ ...parts, holes: undefined });
    const blockSize = await blockSizeOf(file.stats.rdev);
    const space = new DeviceSpace({ fd: file.fd, filename, blockSize, native, io: parts.io });
    return new WritableHostNode({ ...parts, holes: undefined, space, growable: false });
  });
}

export function isDevice(stats: { isBlockDevice(): boolean; isCharacterDevice(): boolean }): boolean {
  return stats.isBlockDevice() || stats.isCharacterDevice();
}

/** Bytes of a device; one that has no size (`/dev/null`) has none. */
export async function deviceSize({ fd, filename, stats }: HostFile, native: Native | undefined): Promise<number> {
  if (!stats.isBlockDevice()) return 0;
  const size = native?.deviceSize(fd) ?? -1;
  if (size >= 0) return checkedSize(filename, BigInt(size));
  return checkedSize(filename, BigInt((await deviceAttribute(stats.rdev, 'size')) ?? 0) * 512n);
}

/** Whether there is a medium in a drive. */
export async function hasMedium(file: HostFile, kind: DriveKind, native: Native | undefined): Promise<boolean> {
  return (await mediumOf(file, kind, native)).inserted;
}

function mediumOf(file: HostFile, kind: DriveKind, native: Native | undefined): Promise<DriveMedium> {
  const { fd, filename } = file;
  return DriveMedium.in({ fd, filename, calls: native && driveCalls(kind, native), size: () => deviceSize(file, native) });
}

/** The medium of a drive, and transfers that mind it. */
async function withMedium(file: HostFile, kind: DriveKind, io: FileIo, native: Native | undefined): Promise<Pick<HostNodeParts, 'io' | 'copies'> & { medium: DriveMedium }> {
  const medium = await mediumOf(file, kind, native);
  return { io: new MediumIo(io, medium), medium, copies: undefined };
}

async function openForDevice(filename: string, context: OpenContext, empty: boolean): Promise<HostFile> {
  try {
    return await openHostFile(filename, { write: !context.readOnly, direct: context.cache.direct, empty });
  } catch (error) {
    if (context.readOnly || !isCode(error, 'EACCES', 'EROFS', 'EPERM')) throw error;
    throw notWritable(filename, error);
  }
}

function notWritable(filename: string, cause?: unknown): BlockError {
  return new BlockError('permission', 'The device is not writable: Permission denied', { filename, code: 'EACCES' }, cause);
}

function checkAio({ aio }: FileOptions, context: OpenContext): void {
  if (aio === 'native' && !context.cache.direct) {
    throw new BlockError(
      'invalid-argument',
      'aio=native was specified, but it requires cache.direct=on, which was not specified.',
    );
  }
}

async function commonParts(
  file: HostFile,
  size: number,
  options: FileOptions,
  context: OpenContext,
  engines: Engines,
): Promise<{ native: Native | undefined; parts: Omit<HostNodeParts, 'holes'>; now: () => number }> {
  // Whoever wants only to look at an image is done before the helper would be loaded.
  const native = context.noIo ? undefined : await engines.native();
  const alignment = context.cache.direct ? await directAlignment(file, context.pool) : 1;
  const limits: NodeLimits = { ...NO_LIMITS, alignment, memoryAlignment: alignment };
  const io = engines.engine(file, context, { native, aio: options.aio, alignment });
  const locks = await imageLocks(file, native, options, context, engines);
  const copies = context.cache.direct || context.noIo ? undefined : engines;
  const parts = { fd: file.fd, filename: file.filename, size, limits, io, locks, copies };
  return { native, parts, now: () => context.host.now() };
}

async function imageLocks(
  { fd, filename, stats }: HostFile,
  native: Native | undefined,
  { locking = 'auto' }: FileOptions,
  context: OpenContext,
  engines: Engines,
): Promise<ImageLocks | undefined> {
  if (locking === 'off' || context.forceShare) return undefined;
  if (native !== undefined) return new ImageLocks(takenLocks(fd, native), filename);
  if (locking === 'on' && !context.noIo) {
    context.warn(`File lock requested for '${filename}', but the package koffi is not there: other processes are not kept away`);
  }
  const early = context.noIo ? await engines.lockList : undefined;
  return new ImageLocks(seenLocks(stats, early === undefined ? undefined : () => early), filename);
}

async function closingOnError<T>({ fd }: HostFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}
