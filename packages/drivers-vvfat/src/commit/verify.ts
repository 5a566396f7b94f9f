/** Whether the directory is still what is known about it, wherever a commit is going to change it. */
import { lstat, readdir } from 'node:fs/promises';
import { foldName } from '../fat/names.js';
import { changed, conflict, hostError } from '../errors.js';
import type { HostFolder } from '../host/host-folder.js';
import { fileIdentity, folderIdentity } from '../host/identity.js';
import { childPath, pathOf, type FileNode, type FolderNode, type TreeNode } from '../tree.js';
import { inFolder } from './in-folder.js';
import type { Plan } from './plan.js';

/** Throws where somebody else changed what is going to be moved, replaced or removed, or took a name that is needed. */
export async function verifyPlan(plan: Plan, root: HostFolder): Promise<void> {
  const touched = new Set<TreeNode>([...plan.removals, ...plan.moves.map(({ node }) => node), ...plan.touches.map(({ node }) => node)]);
  for (const { before } of plan.writes) if (before !== undefined) touched.add(before);
  for (const node of touched) await verifyNode(node, root);
  for (const node of plan.removals) if (node.kind === 'folder') await verifyEmptied(node, root);
  for (const { parent, name } of plan.moves) await verifyName(parent, name, root);
  for (const { parent, file } of plan.writes) await verifyName(parent, file.name, root);
  for (const { parent, name } of plan.folders) await verifyName(parent as FolderNode, name, root);
}

/** The node is on the host as it was. */
async function verifyNode(node: TreeNode, root: HostFolder): Promise<void> {
  const stats = await inFolder(root, node.parent as FolderNode, (folder) => lstat(folder.path(node.name), { bigint: true })).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') throw changed(pathOf(node), 'vanished');
    throw hostError('Could not look at', pathOf(node), error);
  });
  const same = node.kind === 'file' ? stats.isFile() && fileIdentity(stats) === node.identity : stats.isDirectory() && folderIdentity(stats) === node.identity;
  if (!same) throw changed(pathOf(node), 'changed');
}

/** Nothing is in a folder that is going away but what is known to be there. */
async function verifyEmptied(node: FolderNode, root: HostFolder): Promise<void> {
  const names = await inFolder(root, node, (folder) => readdir(folder.path('.')));
  for (const name of names) if (node.children.get(foldName(name))?.name !== name) throw conflict(childPath(node, name), 'is in a directory that the guest removed');
}

/** A name is free, or taken by what the plan knows. */
async function verifyName(parent: FolderNode, name: string, root: HostFolder): Promise<void> {
  if (parent.identity === '') return;
  const occupant = parent.children.get(foldName(name));
  const stats = await inFolder(root, parent, (folder) => lstat(folder.path(name), { bigint: true })).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw hostError('Could not look at', childPath(parent, name), error);
  });
  if (stats === undefined) return;
  if (occupant === undefined || identityOf(occupant, stats) !== occupant.identity) throw conflict(childPath(parent, name), 'is there already, and not of the disk');
}

function identityOf(node: FileNode | FolderNode, stats: Parameters<typeof fileIdentity>[0]): string {
  return node.kind === 'file' ? fileIdentity(stats) : folderIdentity(stats);
}
