/** Looks through a directory: what is in it becomes a tree; what a disk cannot show is refused, or left out and told. */
import { constants } from 'node:fs';
import { BlockError } from '@blk/core-graph';
import { foldName, nameDefect } from '../fat/names.js';
import { encodeTime, type FatTime } from '../fat/time.js';
import { hostError, vvfatError } from '../errors.js';
import { NO_CLUSTERS, pathOf, type Budget, type FileNode, type FolderNode, type TreeNode } from '../tree.js';
import type { HostFolder } from './host-folder.js';
import { folderIdentity } from './identity.js';
import type { HostStatus } from './status.js';
import { isTemporaryName } from './temporary.js';

/** Largest file: its length has 32 bits. */
export const MAX_FILE = 0xffffffff;
/** Folders within folders. */
export const MAX_DEPTH = 64;

export interface ScanOptions {
  readonly budget: Budget;
  /** Told what was left out. */
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The tree below `root`, without clusters. Symbolic links are never followed. */
export async function scan(root: HostFolder, options: ScanOptions): Promise<FolderNode> {
  const status = root.look('.');
  const tree = newFolder('', undefined, status, new Times().of(status));
  const scanner = new Scanner(options);
  await scanner.folder(root, tree, 1);
  scanner.tell();
  return tree;
}

class Scanner {
  readonly #left = new LeftOut();
  readonly #times = new Times();
  #since = performance.now();

  constructor(private readonly options: ScanOptions) {}

  async folder(host: HostFolder, folder: FolderNode, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw vvfatError({ what: 'too-deep', path: pathOf(folder) });
    const above = pathOf(folder);
    // The same directory always gives the same disk, whatever order the host keeps.
    for (const name of this.#namesIn(host, above).sort()) {
      const rest = this.#rest();
      if (rest !== undefined) await rest;
      const path = above === '' ? name : `${above}/${name}`;
      const stats = statOf(host, name, path);
      if (stats === undefined) continue;
      const kind = stats.mode & constants.S_IFMT;
      if (isTemporaryName(name)) this.#left.add(path, 'left over from a guest or a commit that was interrupted');
      else if (kind === constants.S_IFLNK) this.#left.add(path, 'a symbolic link');
      else if (kind === constants.S_IFDIR) add(folder, newFolder(checked(name, path), folder, stats, this.#times.of(stats)));
      else if (kind === constants.S_IFREG) add(folder, newFile(checked(name, path), folder, stats, path, this.#times.of(stats)));
      else this.#left.add(path, 'no file and no directory');
    }
    for (const child of folder.children.values()) {
      if (child.kind === 'folder') await this.#subfolder(host, child, depth);
    }
  }

  /** Of the directory itself, whoever opens it tells what is wrong. */
  #namesIn(host: HostFolder, path: string): string[] {
    try {
      return host.list((one) => { this.options.budget.takeNode(one); });
    } catch (error) {
      throw path === '' ? error : hostError('Could not read directory', path, error);
    }
  }

  tell(): void {
    this.#left.tell(this.options.warn);
  }

  async #subfolder(host: HostFolder, folder: FolderNode, depth: number): Promise<void> {
    const path = pathOf(folder);
    const inside = openInside(host, folder.name, path);
    try {
      if (inside.identity !== folder.identity) throw hostError('Could not read directory', path, { code: 'EBUSY' });
      await this.folder(inside, folder, depth + 1);
    } finally {
      inside.close();
    }
  }

  /** Lets others have the event loop now and then: looking at a file takes microseconds, but there may be many. */
  #rest(): Promise<void> | undefined {
    if (performance.now() - this.#since < SPELL_MS) return undefined;
    if (this.options.signal?.aborted === true) throw new BlockError('aborted', 'Opening the directory was aborted', { driver: 'vvfat' });
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#since = performance.now();
        resolve();
      });
    });
  }
}

const SPELL_MS = 5;

function openInside(host: HostFolder, name: string, path: string): HostFolder {
  try {
    return host.folder(name);
  } catch (error) {
    throw hostError('Could not read directory', path, error);
  }
}

/** Undefined for what is gone again. */
function statOf(host: HostFolder, name: string, path: string): HostStatus | undefined {
  // What the host has is not Unicode, or has this very character: then it is found.
  try {
    return host.look(name);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw hostError('Could not read', path, error);
    if (name.includes('\ufffd')) throw vvfatError({ what: 'name', path, why: 'it is no valid Unicode' });
    return undefined;
  }
}

function checked(name: string, path: string): string {
  const why = nameDefect(name);
  if (why !== undefined) throw vvfatError({ what: 'name', path, why });
  return name;
}

function newFile(name: string, parent: FolderNode, { identity }: HostStatus, path: string, modified: FatTime): FileNode {
  const { size } = identity;
  if (size > MAX_FILE) throw vvfatError({ what: 'file-size', path });
  return { kind: 'file', name, parent, identity, size, modified, chain: NO_CLUSTERS };
}

function newFolder(name: string, parent: FolderNode | undefined, { identity }: HostStatus, modified: FatTime): FolderNode {
  return { kind: 'folder', name, parent, identity: folderIdentity(identity), modified, children: new Map(), firstCluster: 0 };
}

/** Times as FAT keeps them: files that were put there together share theirs. */
class Times {
  #second = NaN;
  #time: FatTime = { date: 0, time: 0 };

  of({ identity: { mtimeSec } }: HostStatus): FatTime {
    if (mtimeSec !== this.#second) {
      this.#second = mtimeSec;
      this.#time = encodeTime(mtimeSec * 1000);
    }
    return this.#time;
  }
}

function add(folder: FolderNode, node: TreeNode): void {
  const key = foldName(node.name);
  const other = folder.children.get(key);
  // The host has that name, and another one that is no Unicode and was read as the same.
  if (other?.name === node.name) throw vvfatError({ what: 'name', path: pathOf(node), why: 'it is no valid Unicode' });
  if (other !== undefined) throw vvfatError({ what: 'same-name', path: pathOf(other), other: pathOf(node) });
  folder.children.set(key, node);
}

/** What the disk does not show; a few are named. */
class LeftOut {
  readonly #named: string[] = [];
  #count = 0;

  add(path: string, what: string): void {
    if (this.#count++ < 5) this.#named.push(`'${path}' (${what})`);
  }

  tell(warn: (message: string) => void): void {
    if (this.#count === 0) return;
    const more = this.#count - this.#named.length;
    warn(`The disk does not show ${this.#named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`);
  }
}
