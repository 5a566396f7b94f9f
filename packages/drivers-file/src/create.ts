/** Making files; checking devices that are to hold a new image. */
import { constants, lstat as lstatCallback, unlink as unlinkCallback } from 'node:fs';
import { promisify } from 'node:util';
import { BlockError, Permission, type CreateContext, type CreateOptionTable, type Preallocation } from '@blk/core-graph';
import { cannotCreate, isCode } from './errors.js';
import { checkName, closeFile, openFile, openHostFile, statusOfOpen } from './host-file.js';
import { ImageLocks, takenLocks } from './locks/locks.js';
import { seenLocks } from './locks/proc-locks.js';
import { deviceSize, hasMedium, type DeviceKind } from './open.js';
import { changeLength, checkPreallocation } from './space/length.js';
import type { Engines } from './engines.js';

const lstat = promisify(lstatCallback);
const unlink = promisify(unlinkCallback);

/** Options of `create`, checked. */
export interface FileCreateOptions {
  readonly preallocation?: Preallocation;
  /** Both are hints for file systems that have such a thing; accepted and not passed on. */
  readonly nocow?: boolean;
  readonly extent_size_hint?: number;
}

/** What file systems have room for: 32 bits. */
const MAX_HINT = 2 ** 32 - 1;

export const createOptions: CreateOptionTable = {
  extent_size_hint: { type: { type: 'size' }, help: 'Extent size hint for the image file, 0 to disable' },
  nocow: { type: { type: 'bool' }, help: 'Turn off copy-on-write (valid only on btrfs)' },
  preallocation: {
    type: { type: ['off', 'metadata', 'falloc', 'full'] },
    help: 'Preallocation mode (allowed values: off, falloc, full)',
  },
};

/** Makes a file, or empties one that is there and that nobody uses. A file that it made does not outlive its failure. */
export async function createRegular(
  filename: string,
  { size, preallocation = 'off', extent_size_hint: hint = 0 }: FileCreateOptions & { size: number },
  context: CreateContext,
  engines: Engines,
): Promise<void> {
  if (filename === '') throw cannotCreate(filename, { code: 'ENOENT' });
  checkName('file', filename);
  checkPreallocation(preallocation);
  if (hint > MAX_HINT) throw new BlockError('invalid-argument', 'Extent size hint is too large', { filename });
  context.signal?.throwIfAborted();
  const { fd, isNew } = await openOrCreate(filename);
  try {
    // Nobody holds a lock on what was not there a moment ago.
    if (!isNew) await keepOthersOut(fd, filename, engines);
    const native = preallocation === 'falloc' ? await engines.native() : undefined;
    await changeLength(fd, filename, native, 0, 0, { preallocation: 'off' });
    if (size > 0) await changeLength(fd, filename, native, 0, size, { preallocation, work: context.work });
  } catch (error) {
    if (isNew) await unlink(filename).catch(() => undefined);
    throw error;
  } finally {
    await closeFile(fd);
  }
}

/** Removes a regular file; a link to one stays, as all else does. */
export async function removeRegular(filename: string): Promise<void> {
  if ((await lstat(filename)).isFile()) await unlink(filename);
}

/** A device is there already; it only has to be large enough, and to have something in it. */
export async function createOnDevice(
  { name, drive }: DeviceKind,
  filename: string,
  { size, preallocation = 'off' }: FileCreateOptions & { size: number },
  engines: Engines,
): Promise<void> {
  checkName(name, filename);
  if (preallocation !== 'off') {
    throw new BlockError('unsupported', `Preallocation mode '${preallocation}' unsupported for this non-regular file`, { filename });
  }
  const file = await openHostFile(filename, { write: true, direct: false, empty: drive !== undefined });
  try {
    if (drive !== undefined && !(await hasMedium(file, drive, await engines.native()))) throw new BlockError('no-medium', 'No medium inserted', { filename });
    if (size > (await deviceSize(file, undefined))) throw new BlockError('unsupported', 'Cannot grow device files', { filename });
  } finally {
    await closeFile(file.fd);
  }
}

async function openOrCreate(filename: string): Promise<{ fd: number; isNew: boolean }> {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return { fd: await openFile(filename, flags | constants.O_EXCL, 0o644), isNew: true };
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw cannotCreate(filename, error);
  }
  try {
    return { fd: await openFile(filename, flags, 0o644), isNew: false };
  } catch (error) {
    throw cannotCreate(filename, error);
  }
}

/** Fails where somebody uses the file; with the helper, nobody can until `fd` is closed. */
async function keepOthersOut(fd: number, filename: string, engines: Engines): Promise<void> {
  const native = await engines.native();
  const bytes = native === undefined ? seenLocks(await statusOfOpen(fd)) : takenLocks(fd, native);
  new ImageLocks(bytes, filename)
    .prepare({ permissions: Permission.Write | Permission.Resize, shared: Permission.All & ~Permission.Resize })
    .commit();
}
