/** Whether the directory is still what is known about it, wherever a commit is going to change it. */
import { readdir } from 'node:fs/promises';
import { changed, conflict, hostError } from '../errors.js';
import { foldName } from '../fat/names.js';
import type { HostFolder } from '../host/host-folder.js';
import { isTemporaryName } from '../host/temporary.js';
import { foldersOf } from '../layout.js';
import { childPath, pathOf, type FolderNode, type TreeNode } from '../tree.js';
import { expectName, expectNode } from './expect.js';
import { inFolder } from './in-folder.js';
import type { Plan } from './plan.js';

/** Throws where somebody else changed what is going to be moved, replaced or removed, or took a name that is needed. */
export async function verifyPlan(plan: Plan, root: HostFolder): Promise<void> {
  const touched = new Set<TreeNode>([...plan.removals, ...plan.moves.map(({ node }) => node), ...plan.touches.map(({ node }) => node)]);
  for (const { before } of plan.writes) if (before !== undefined) touched.add(before);
  for (const node of touched) await verifyNode(node, root);
  for (const node of plan.removals) if (node.kind === 'folder') await verifyEmptied(node, root);
  for (const { node, name } of plan.moves) {
    if (node.kind === 'folder' && isTemporaryName(name)) for (const folder of foldersOf(node)) await verifyEmptied(folder, root);
  }
  for (const { parent, name } of plan.moves) await verifyName(parent, name, root);
  for (const { parent, file } of plan.writes) await verifyName(parent, file.name, root);
  for (const { parent, name } of plan.folders) await verifyName(parent as FolderNode, name, root);
}

async function verifyNode(node: TreeNode, root: HostFolder): Promise<void> {
  await inFolder(root, node.parent as FolderNode, (host) => expectNode(host, node)).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') throw changed(pathOf(node), 'vanished');
    throw hostError('Could not look at', pathOf(node), error);
  });
}

/** Nothing is in a folder that is going away but what is known to be there. */
async function verifyEmptied(node: FolderNode, root: HostFolder): Promise<void> {
  const names = await inFolder(root, node, (folder) => readdir(folder.path('.'))).catch((error: unknown) => {
    throw hostError('Could not read directory', pathOf(node), error);
  });
  for (const name of names) if (node.children.get(foldName(name))?.name !== name) throw conflict(childPath(node, name), 'is in a directory that the guest removed');
}

async function verifyName(parent: FolderNode, name: string, root: HostFolder): Promise<void> {
  if (parent.identity === '') return;
  await inFolder(root, parent, (host) => { expectName(host, parent, name); }).catch((error: unknown) => {
    throw hostError('Could not look at', childPath(parent, name), error);
  });
}
