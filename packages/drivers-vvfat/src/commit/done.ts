/** Calls that fail although what they were to do is done, as over a network: the host is asked what there is now. */
import { lstatSync } from 'node:fs';
import { folderIdentity } from '../host/identity.js';
import { isInode } from '../host/hard-links.js';
import type { TreeNode } from '../tree.js';

/** Fails as `call` does, unless `isDone`. With `never`, an error that says that somebody else did it. */
export async function unlessDone(call: Promise<void>, isDone: () => boolean, never?: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    if ((error as { code?: unknown }).code === never || !holds(isDone)) throw error;
  }
}

export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Whether the file or folder that was somewhere else is here, whatever became of its status. */
export function isAt(node: TreeNode, path: string): boolean {
  const inode = folderIdentity(lstatSync(path, { bigint: true }));
  return node.kind === 'folder' ? node.identity === inode : isInode(node, inode);
}

/** A host that cannot even be asked has done nothing. */
function holds(isDone: () => boolean): boolean {
  try {
    return isDone();
  } catch {
    return false;
  }
}
