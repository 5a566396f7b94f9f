/** The directory as the disk shows it: files and folders with the clusters that they have on the disk. */
import type { FatTime } from './fat/time.js';
import { vvfatError } from './errors.js';
import type { FileIdentity } from './host/identity.js';

/** Clusters that follow one another. */
export interface Run {
  readonly first: number;
  readonly count: number;
}

export interface FileNode {
  readonly kind: 'file';
  name: string;
  parent: FolderNode;
  /** What tells this file, with this content, from any other. */
  identity: FileIdentity;
  /** Bytes. */
  readonly size: number;
  /** As its entry on the disk says. */
  modified: FatTime;
  /** Empty where there is no content. */
  chain: readonly Run[];
  /** It is only there because it could not be removed yet: of its clusters, it has those that no other file has by now. */
  outlived?: true;
}

export interface FolderNode {
  readonly kind: 'folder';
  name: string;
  /** The directory itself has none. */
  parent: FolderNode | undefined;
  /** What tells this folder from any other, whatever is in it. Empty: the host does not have it yet. */
  identity: string;
  modified: FatTime;
  /** By `foldName`. */
  readonly children: Map<string, TreeNode>;
  /** 0: the root directory of FAT12 and FAT16, which has a place of its own. */
  firstCluster: number;
}

export type TreeNode = FileNode | FolderNode;

export const NO_CLUSTERS: readonly Run[] = [];

/** Where it lies, from the directory on. Empty for the directory itself. */
export function pathOf(node: TreeNode): string {
  const parts: string[] = [];
  for (let at: TreeNode = node; at.parent !== undefined; at = at.parent) parts.unshift(at.name);
  return parts.join('/');
}

export function childPath(parent: FolderNode, name: string): string {
  const path = pathOf(parent);
  return path === '' ? name : `${path}/${name}`;
}

/** Memory that what is known about a directory may take; bytes. */
export class Budget {
  #left: number;

  /** `whose`: of the directory, or of what a guest made of it. */
  constructor(
    private readonly limit: number,
    private readonly whose: 'directory' | 'guest' = 'directory',
  ) {
    this.#left = limit;
  }

  /** For one file or folder of this name. Throws where too much would be taken. */
  takeNode(name: string): void {
    this.take(NODE_COST + 2 * name.length);
  }

  /** What was taken for a while. */
  give(bytes: number): void {
    this.#left += bytes;
  }

  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw vvfatError({ what: 'too-many', limit: this.limit, whose: this.whose });
  }
}

/** What a node takes with its place in a map, its identity and its clusters. */
const NODE_COST = 650;
