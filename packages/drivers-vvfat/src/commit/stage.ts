/** New content, whole and on stable storage, under temporary names: the directory changes only when all of it is there. */
import { constants } from 'node:fs';
import { lstat, open, unlink, type FileHandle } from 'node:fs/promises';
import { parseTime } from '../fat/time.js';
import { hostError } from '../errors.js';
import type { HostFolder } from '../host/host-folder.js';
import { fileIdentity } from '../host/identity.js';
import { newTemporaryName } from '../host/temporary.js';
import { childPath, type FileNode, type FolderNode } from '../tree.js';
import { inFolder } from './in-folder.js';
import type { Write } from './plan.js';

export interface StageContext {
  readonly root: HostFolder;
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

/** Writes one file, into the nearest folder that is on the host already. Nothing is left behind where that fails. */
export async function stage(write: Write, context: StageContext): Promise<Staged> {
  const parent = nearestMade(write.parent);
  const name = newTemporaryName(context);
  const path = childPath(write.parent, write.file.name);
  const identity = await inFolder(context.root, parent, async (folder) => {
    const place = folder.path(name);
    // What a private file holds is nobody's business meanwhile either.
    const handle = await open(place, CREATE, write.before === undefined ? 0o666 : 0o600);
    try {
      try {
        await fill(handle, write, context);
        return fileIdentity(await handle.stat({ bigint: true }));
      } finally {
        await handle.close();
      }
    } catch (error) {
      await unlink(place).catch(() => undefined);
      throw error;
    }
  }).catch((error: unknown) => {
    throw hostError('Could not write', path, error);
  });
  const { size, modified, chain } = write.file;
  return { node: { kind: 'file', name, parent, identity, size, modified, chain }, write };
}

/** Takes temporary files away again. */
export async function unstage(staged: Iterable<Staged>, root: HostFolder): Promise<void> {
  for (const { node } of staged) {
    // What cannot be taken away is left out, and told, when the directory is opened again.
    await inFolder(root, node.parent, (folder) => unlink(folder.path(node.name))).catch(() => undefined);
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
