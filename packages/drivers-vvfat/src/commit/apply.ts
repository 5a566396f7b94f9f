/**
 * Turns the directory into what the plan says, one rename, mkdir or removal after the other. Every step is whole, and the tree is changed with it, so that
 * it is true whenever the work stops.
 */
import { lstatSync, type BigIntStats } from 'node:fs';
import { lstat, mkdir, rename, rmdir, unlink } from 'node:fs/promises';
import { foldName } from '../fat/names.js';
import { hostError, isGone } from '../errors.js';
import type { HostFolder } from '../host/host-folder.js';
import { isSameFile, type HardLinks } from '../host/hard-links.js';
import { folderIdentity } from '../host/identity.js';
import { newTemporaryName } from '../host/temporary.js';
import { childPath, pathOf, type FileNode, type FolderNode, type TreeNode } from '../tree.js';
import { isAt, isThere, unlessDone } from './done.js';
import { expectName, expectNode } from './expect.js';
import { inFolder } from './in-folder.js';
import type { Move, Plan } from './plan.js';
import type { Staged } from './stage.js';

export interface ApplyContext {
  readonly root: HostFolder;
  readonly tree: FolderNode;
  readonly links: HardLinks;
  /** Folders whose entries were changed, and are not on stable storage yet; kept for the next commit where this one fails. */
  readonly unsynced: Set<FolderNode>;
  readonly random: (into: Uint8Array<ArrayBuffer>) => void;
  /** A file's new content has a place; may be told twice. */
  installed(staged: Staged): void;
}

interface Placing extends Move {
  readonly staged: Staged | undefined;
}

export class Applying {
  readonly #folders: Set<FolderNode>;
  readonly #placings: Set<Placing>;
  readonly #removals: Set<TreeNode>;
  readonly #aside = new Set<TreeNode>();

  constructor(
    plan: Plan,
    staged: readonly Staged[],
    private readonly context: ApplyContext,
  ) {
    this.#folders = new Set(plan.folders);
    this.#placings = new Set([
      ...plan.moves.map((move) => ({ ...move, staged: undefined })),
      ...staged.map((one) => ({ node: one.node, parent: one.write.parent, name: one.write.file.name, staged: one })),
    ]);
    this.#removals = new Set(plan.removals);
  }

  /** Whatever can be done is done, until nothing is left. What only waits for itself, such as two files that change names, steps aside first. */
  async run(): Promise<void> {
    while (this.#folders.size + this.#placings.size + this.#removals.size > 0) {
      if (await this.#placeSome()) continue;
      if (await this.#removeSome()) continue;
      await this.#stepAside();
    }
    await syncFolders(this.context);
  }

  async #placeSome(): Promise<boolean> {
    let some = false;
    for (const folder of this.#folders) {
      const { parent, name } = folder as { parent: FolderNode; name: string };
      if (!isMade(parent) || occupant(parent, name) !== undefined) continue;
      await this.#make(folder, parent);
      some = true;
    }
    for (const placing of this.#placings) {
      if (!this.#canPlace(placing)) continue;
      await this.#place(placing);
      some = true;
    }
    return some;
  }

  #canPlace({ node, parent, name }: Placing): boolean {
    if (!isMade(parent) || isInside(parent, node)) return false;
    const there = occupant(parent, name);
    if (there === undefined || there === node) return true;
    // A file takes a file's place in one step.
    return there.kind === 'file' && node.kind === 'file' && this.#removals.has(there) && !isSameFile(there, node);
  }

  async #place(placing: Placing): Promise<void> {
    const { node, parent, name, staged } = placing;
    const replaced = occupant(parent, name);
    if (replaced !== undefined && replaced !== node) {
      // In one step, and in the other's very place: a name that differs in case is another one on the host.
      await this.#rename(node, parent, replaced.name);
      this.#removals.delete(replaced);
      // It is what there is of the file from here on, whatever becomes of its name.
      if (staged !== undefined) this.context.installed(staged);
    }
    if (node.name !== name || node.parent !== parent) await this.#rename(node, parent, name);
    this.#placings.delete(placing);
    if (staged !== undefined) this.context.installed(staged);
  }

  async #removeSome(): Promise<boolean> {
    let some = false;
    for (const node of this.#removals) {
      if (node.kind === 'folder' ? node.children.size > 0 : this.#isReplacedByFile(node)) continue;
      await this.#remove(node);
      some = true;
    }
    return some;
  }

  /** Then it stays until the other one takes its place. */
  #isReplacedByFile(node: TreeNode): boolean {
    for (const { node: other, parent, name } of this.#placings) {
      // Renaming one name of a file to another one of it does nothing.
      if (other.kind === 'file' && parent === node.parent && foldName(name) === foldName(node.name)) return node.kind !== 'file' || !isSameFile(other, node);
    }
    return false;
  }

  /** Moves something out of everybody's way, under a temporary name. */
  async #stepAside(): Promise<void> {
    for (const { node, staged } of this.#placings) {
      if (staged !== undefined || this.#aside.has(node)) continue;
      this.#aside.add(node);
      await this.#rename(node, this.context.tree, newTemporaryName(this.context));
      return;
    }
    throw new Error('A commit has steps that wait for one another');
  }

  async #make(folder: FolderNode, parent: FolderNode): Promise<void> {
    await this.#host(`Could not create directory`, childPath(parent, folder.name), parent, async (host) => {
      const path = host.path(folder.name);
      expectName(host, parent, folder.name);
      await unlessDone(mkdir(path), () => lstatSync(path).isDirectory(), 'EEXIST');
      try {
        folder.identity = folderIdentity(await lstat(path, { bigint: true }));
      } catch (error) {
        // The next commit makes it again, and would take it for somebody else's.
        await rmdir(path).catch(() => undefined);
        throw error;
      }
    });
    parent.children.set(foldName(folder.name), folder);
    this.#folders.delete(folder);
    this.context.unsynced.add(folder);
  }

  async #rename(node: TreeNode, parent: FolderNode, name: string): Promise<void> {
    const from = node.parent as FolderNode;
    await this.#host('Could not rename', pathOf(node), from, (source) =>
      inFolder(this.context.root, parent, async (target) => {
        const replaced = occupant(parent, name);
        expectNode(source, node);
        const there = expectName(target, parent, name);
        const [old, place] = [source.path(node.name), target.path(name)];
        await unlessDone(rename(old, place), () => isAt(node, place) && !isThere(old));
        this.context.unsynced.add(parent);
        moveNode(node, parent, name);
        // Being renamed is a change of status.
        if (node.kind === 'file') await this.#statusChanged(node, target);
        if (replaced?.kind === 'file' && replaced !== node && there !== undefined) await this.#lostName(replaced, there);
      }),
    );
  }

  async #remove(node: TreeNode): Promise<void> {
    const parent = node.parent as FolderNode;
    await this.#host('Could not remove', pathOf(node), parent, async (host) => {
      const stats = expectNode(host, node);
      const path = host.path(node.name);
      await unlessDone(node.kind === 'folder' ? rmdir(path) : unlink(path), () => !isThere(path));
      if (node.kind === 'file') await this.#lostName(node, stats);
    });
    parent.children.delete(foldName(node.name));
    this.#removals.delete(node);
    if (node.kind === 'folder') this.context.unsynced.delete(node);
  }

  /** One of a file's names is gone, which it had with these `stats`: a change of status for the others. */
  async #lostName(node: FileNode, { nlink }: BigIntStats): Promise<void> {
    const other = this.context.links.forget(node, nlink);
    if (other === undefined) return;
    // Where its folder is gone, whoever asks for it will hear.
    await inFolder(this.context.root, other.parent, (host) => this.#statusChanged(other, host)).catch(() => { this.context.links.statusUnknown(other); });
  }

  /** What was done to a file is done, whether or not it can be looked at. */
  async #statusChanged(node: FileNode, folder: HostFolder): Promise<void> {
    const { links } = this.context;
    try {
      links.statusChanged(node, await lstat(folder.path(node.name), { bigint: true }));
    } catch {
      links.statusUnknown(node);
    }
  }

  async #host<T>(what: string, path: string, folder: FolderNode, work: (host: HostFolder) => Promise<T>): Promise<T> {
    this.context.unsynced.add(folder);
    try {
      return await inFolder(this.context.root, folder, work);
    } catch (error) {
      throw hostError(what, path, error);
    }
  }
}

/** Puts what was done to folders on stable storage. */
async function syncFolders({ root, unsynced }: ApplyContext): Promise<void> {
  for (const folder of unsynced) {
    const path = pathOf(folder);
    try {
      await inFolder(root, folder, (host) => host.sync());
      unsynced.delete(folder);
    } catch (error) {
      // What somebody else took away cannot be put on stable storage by any later commit either.
      if (isGone(error)) unsynced.delete(folder);
      throw hostError('Could not flush directory', path === '' ? '.' : path, error);
    }
  }
}

function moveNode(node: TreeNode, parent: FolderNode, name: string): void {
  const from = node.parent as FolderNode;
  // Staged files are among nobody's children.
  if (occupant(from, node.name) === node) from.children.delete(foldName(node.name));
  node.parent = parent;
  node.name = name;
  parent.children.set(foldName(name), node);
}

function isMade(folder: FolderNode): boolean {
  return folder.identity !== '';
}

function occupant(parent: FolderNode, name: string): TreeNode | undefined {
  return parent.children.get(foldName(name));
}

function isInside(folder: FolderNode, node: TreeNode): boolean {
  for (let at: FolderNode | undefined = folder; at !== undefined; at = at.parent) if (at === node) return true;
  return false;
}
