/** Looks, right before something is done to a file or folder of the host, whether it is still what is known about it. */
import { lstatSync, type BigIntStats } from 'node:fs';
import { changed, conflict, hostError } from '../errors.js';
import { foldName } from '../fat/names.js';
import type { HostFolder } from '../host/host-folder.js';
import { fileIdentity, folderIdentity, isUnchanged } from '../host/identity.js';
import { childPath, pathOf, type FolderNode, type TreeNode } from '../tree.js';

/** The node is in its folder, `host`, as it was. */
export function expectNode(host: HostFolder, node: TreeNode): BigIntStats {
  const stats = look(host, node.name, pathOf(node));
  if (stats === undefined) throw changed(pathOf(node), 'vanished');
  if (!isStill(node, stats)) throw changed(pathOf(node), 'changed');
  return stats;
}

/** A name in the folder `parent`, which is `host`, is free, or taken by what is known to have it. */
export function expectName(host: HostFolder, parent: FolderNode, name: string): BigIntStats | undefined {
  const stats = look(host, name, childPath(parent, name));
  if (stats === undefined) return undefined;
  const occupant = parent.children.get(foldName(name));
  if (occupant === undefined || !isStill(occupant, stats)) throw conflict(childPath(parent, name), 'is there already, and not of the disk');
  return stats;
}

function isStill(node: TreeNode, stats: BigIntStats): boolean {
  return node.kind === 'file' ? stats.isFile() && isUnchanged(node, fileIdentity(stats)) : stats.isDirectory() && folderIdentity(stats) === node.identity;
}

function look(host: HostFolder, name: string, path: string): BigIntStats | undefined {
  try {
    return lstatSync(host.path(name), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    throw hostError('Could not look at', path, error);
  }
}
