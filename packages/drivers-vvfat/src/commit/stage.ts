/** New content, whole and on stable storage, under temporary names: the directory changes only when all of it is there. */
import { constants } from 'node:fs';
import { lstat, open, unlink, type FileHandle } from 'node:fs/promises';
import { parseTime } from '../fat/time.js';
import { hostError, isGone } from '../errors.js';
import type { HostFolder } from '../host/host-folder.js';
import { fileIdentity } from '../host/identity.js';
import { newTemporaryName } from '../host/temporary.js';
import { childPath, type FileNode, type FolderNode } from '../tree.js';
import { inFolder } from './in-folder.js';
import type { Write } from './plan.js';

export interface StageContext {
  readonly root: HostFolder;
  /** Kept for the next commit where this one fails. */
  readonly leftovers: Set<Leftover>;
  readonly random: (into: Uint8Array<ArrayBuffer>) => void;
  /** The bytes of the disk as the guest sees it. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
  /** Where a cluster begins on the disk, and how long it is. */
  clusterOffset(cluster: number): number;
  readonly clusterBytes: number;
}

/** A file under its temporary name, which is not among its parent's children yet; and what it will be. */
export interface Staged {
  readonly node: FileNode;
  readonly write: Write;
}

/** A temporary file that could not be taken away yet. */
export type Leftover = Pick<FileNode, 'parent' | 'name'>;

/** Writes one file, into the nearest folder that is on the host already. Nothing is left behind where that fails, but for what is among `leftovers` then. */
export async function stage(write: Write, context: StageContext): Promise<Staged> {
  const parent = nearestMade(write.parent);
  const name = newTemporaryName(context);
  const path = childPath(write.parent, write.file.name);
  const identity = await inFolder(context.root, parent, async (folder) => {
    // What a private file holds is nobody's business meanwhile either.
    const handle = await open(folder.path(name), CREATE, write.before === undefined ? 0o666 : 0o600);
    try {
      await fill(handle, write, context);
      return fileIdentity(await handle.stat({ bigint: true }));
    } finally {
      await handle.close();
    }
  }).catch(async (error: unknown) => {
    if ((error as { code?: unknown }).code !== 'EEXIST') await takeAway([{ parent, name }], context);
    throw hostError('Could not write', path, error);
  });
  const { size, modified, chain } = write.file;
  return { node: { kind: 'file', name, parent, identity, size, modified, chain }, write };
}

/** Takes temporary files away again. What stays is tried again by the next commit; if there is none, it is left out, and told, when the directory is opened again. */
export async function takeAway(files: Iterable<Leftover>, { root, leftovers }: Pick<StageContext, 'root' | 'leftovers'>): Promise<void> {
  for (const file of files) {
    leftovers.add(file);
    try {
      await inFolder(root, file.parent, (folder) => unlink(folder.path(file.name)));
    } catch (error) {
      if (!isGone(error)) continue;
    }
    leftovers.delete(file);
  }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const PART = 1 << 20;

/** Folders that the guest made have no identity yet. */
function nearestMade(folder: FolderNode): FolderNode {
  let at = folder;
  while (at.identity === '') at = at.parent as FolderNode;
  return at;
}

async function fill(handle: FileHandle, { file, before }: Write, context: StageContext): Promise<void> {
  let left = file.size;
  for (const run of file.chain) {
    const bytes = Math.min(run.count * context.clusterBytes, left);
    for (let at = 0; at < bytes; at += PART) {
      const part = await context.read(context.clusterOffset(run.first) + at, Math.min(PART, bytes - at));
      await writeWhole(handle, part);
    }
    left -= bytes;
  }
  if (before !== undefined) await copyOwner(handle, before, context.root);
  const time = parseTime(file.modified);
  if (time !== undefined) await handle.utimes(new Date(time), new Date(time));
  await handle.sync();
}

/** The new file belongs to whom the old one did, as far as the host allows. */
async function copyOwner(handle: FileHandle, before: FileNode, root: HostFolder): Promise<void> {
  const old = await inFolder(root, before.parent, (folder) => lstat(folder.path(before.name)));
  const now = await handle.stat();
  if (old.uid !== now.uid || old.gid !== now.gid) await handle.chown(old.uid, old.gid).catch(() => undefined);
  await handle.chmod(old.mode & 0o777);
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
}
