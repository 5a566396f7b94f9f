/** The names that one file of the host has: what is done to one of them is a change of status of all. */
import type { BigIntStats } from 'node:fs';
import { filesOf, foldersOf } from '../layout.js';
import type { FileNode, FolderNode } from '../tree.js';
import { fileIdentity, isSameContent, isSameIdentity, type FileIdentity } from './identity.js';

export class HardLinks {
  /** Looked for when a file turns out to have several names: few do. */
  #byInode: Map<string, Set<FileNode>> | undefined;

  constructor(private readonly tree: FolderNode) {}

  /** A file was renamed, or had its times set, or lost another name. Where its content is not the same either, that was somebody else: it stays what it was. */
  statusChanged(node: FileNode, stats: BigIntStats): void {
    const now = fileIdentity(stats);
    if (isSameContent(node.identity, now)) this.#set(node, now, stats.nlink);
  }

  /** The same, where the host did not let us look at it afterwards. */
  statusUnknown(node: FileNode): void {
    this.#set(node, { ...node.identity, ctimeSec: undefined }, MAYBE_SEVERAL);
  }

  /** A file's times were set, and it has become this. */
  timesSet(node: FileNode, stats: BigIntStats): void {
    this.#set(node, fileIdentity(stats), stats.nlink);
  }

  /** The same, where the host did not let us look at it afterwards; `milliseconds` is the time that it has. */
  timesUnknown(node: FileNode, milliseconds: number): void {
    this.#set(node, { ...node.identity, mtimeSec: Math.floor(milliseconds / 1000), mtimeNsec: (milliseconds % 1000) * 1_000_000, ctimeSec: undefined }, MAYBE_SEVERAL);
  }

  /** Another name of the same file, where the disk shows one: to be looked at when this one is gone. */
  forget(node: FileNode, nlink: bigint): FileNode | undefined {
    if (nlink < 2n) return undefined;
    const names = this.#namesOf(node);
    names.delete(node);
    for (const other of names) if (isSameIdentity(other.identity, node.identity)) return other;
    return undefined;
  }

  #set(node: FileNode, identity: FileIdentity, nlink: bigint): void {
    const before = node.identity;
    node.identity = identity;
    if (nlink > 1n) for (const other of this.#namesOf(node)) if (isSameIdentity(other.identity, before)) other.identity = identity;
  }

  #namesOf({ identity }: FileNode): Set<FileNode> {
    this.#byInode ??= group(this.tree);
    return this.#byInode.get(inodeOf(identity)) ?? new Set();
  }
}

/** How many names a file may have that nobody could look at. */
const MAYBE_SEVERAL = 2n;

/** Whether both are names of one file. */
export function isSameFile(left: FileNode, right: FileNode): boolean {
  return isInode(left, inodeOf(right.identity));
}

export function isInode({ identity }: FileNode, inode: string): boolean {
  return inodeOf(identity) === inode;
}

function inodeOf(identity: FileIdentity): string {
  return `${identity.dev}:${identity.ino}`;
}

function group(tree: FolderNode): Map<string, Set<FileNode>> {
  const groups = new Map<string, Set<FileNode>>();
  for (const folder of foldersOf(tree)) {
    for (const file of filesOf(folder)) {
      const inode = inodeOf(file.identity);
      const names = groups.get(inode);
      if (names === undefined) groups.set(inode, new Set([file]));
      else names.add(file);
    }
  }
  return groups;
}
