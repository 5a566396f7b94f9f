/** Work in the host's folder of a node. */
import type { HostFolder } from '../host/host-folder.js';
import { enter } from '../host/open-files.js';
import type { FolderNode } from '../tree.js';

export async function inFolder<T>(root: HostFolder, node: FolderNode, work: (folder: HostFolder) => T | Promise<T>): Promise<T> {
  const folder = enter(root, node);
  try {
    return await work(folder);
  } finally {
    if (folder !== root) folder.close();
  }
}
