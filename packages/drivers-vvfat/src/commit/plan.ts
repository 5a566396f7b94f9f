/** What has to be done to the directory so that it becomes what the guest left. Nothing is done here. */
import { foldName } from '../fat/names.js';
import type { GuestFile, GuestFolder } from '../guest/guest-tree.js';
import { foldersOf, filesOf } from '../layout.js';
import { isTemporaryName } from '../host/temporary.js';
import type { FileNode, FolderNode, Run, TreeNode } from '../tree.js';

/** Something gets a place: a new parent, a new name, or both. */
export interface Move {
  readonly node: TreeNode;
  readonly parent: FolderNode;
  readonly name: string;
}

/** A file whose content is new. */
export interface Write {
  readonly file: GuestFile;
  readonly parent: FolderNode;
  /** The file that it was before, if any: for its mode and owner. */
  readonly before: FileNode | undefined;
}

export interface Plan {
  /** Not on the host yet; outer ones first. */
  readonly folders: readonly FolderNode[];
  readonly moves: readonly Move[];
  readonly writes: readonly Write[];
  /** Nothing of the guest's is in their place, or something else. Inner ones first. */
  readonly removals: readonly TreeNode[];
  /** Their entries have other times. */
  readonly touches: readonly { readonly node: FileNode; readonly file: GuestFile }[];
}

/** What has to be known beside the names that the guest left. */
export interface GuestState {
  /** Whether the guest wrote something into the content of a file. */
  isWritten(file: Pick<GuestFile, 'chain' | 'size'>): boolean;
  /** Whether its table still holds a cluster that nothing with a name leads to. */
  isLost(cluster: number): boolean;
  /** A temporary name that nothing has yet. */
  spareName(): string;
}

/** A folder is the same as before where it begins with the same cluster; a file where all of its content is where it was, and untouched. */
export function planCommit(known: FolderNode, guest: GuestFolder, state: GuestState): Plan {
  const planner = new Planner(known, state);
  planner.folder(guest, known);
  return planner.finish();
}

/** Lost: nothing leads to it, but the guest has not given up its clusters. */
type Fate = 'kept' | 'lost' | 'removed';

class Planner {
  readonly #removals: TreeNode[] = [];
  readonly #folders: FolderNode[] = [];
  readonly #moves: Move[] = [];
  readonly #writes: Write[] = [];
  readonly #touches: { node: FileNode; file: GuestFile }[] = [];
  readonly #kept = new Set<TreeNode>();
  readonly #byCluster = new Map<number, TreeNode>();

  constructor(
    private readonly known: FolderNode,
    private readonly state: GuestState,
  ) {
    this.#kept.add(known);
    for (const folder of foldersOf(known)) {
      if (folder !== known) this.#byCluster.set(folder.firstCluster, folder);
      for (const file of filesOf(folder)) if (file.chain[0] !== undefined && file.outlived !== true) this.#byCluster.set(file.chain[0].first, file);
    }
  }

  folder(guest: GuestFolder, here: FolderNode): void {
    for (const child of guest.children.values()) {
      if (child.kind === 'file') this.#file(child, here);
      else this.folder(child, this.#folderFor(child, here));
    }
  }

  finish(): Plan {
    this.#clear(this.known, 'kept');
    return { folders: this.#folders, moves: this.#moves, writes: this.#writes, removals: this.#removals, touches: this.#touches };
  }

  /**
   * What lost its name is removed where the guest's table has no use for it any more. Until then it may get another name, or its guest may have come to
   * grief halfway: it steps aside, under a temporary name, as it is by now.
   */
  #clear(folder: FolderNode, fate: Fate): void {
    for (const child of folder.children.values()) {
      let itsFate: Fate = this.#kept.has(child) ? 'kept' : this.#isLost(child, fate) ? 'lost' : 'removed';
      if (itsFate === 'lost' && child.kind === 'file' && this.state.isWritten(child)) {
        const { size, modified, chain } = child;
        this.#writes.push({ file: { kind: 'file', name: this.state.spareName(), size, modified, chain }, parent: this.known, before: child });
        itsFate = 'removed';
      } else if (itsFate === 'lost' && fate !== 'lost' && !this.#isAside(child)) this.#moves.push({ node: child, parent: this.known, name: this.state.spareName() });
      if (child.kind === 'folder') this.#clear(child, itsFate);
      if (itsFate === 'removed') this.#removals.push(child);
    }
  }

  #isLost(node: TreeNode, above: Fate): boolean {
    if (node.kind === 'folder') return this.state.isLost(node.firstCluster);
    // Nothing but its folder knows of an empty one.
    if (node.chain.length === 0) return above === 'lost';
    for (const { first, count } of node.chain) for (let index = 0; index < count; index++) if (!this.state.isLost(first + index)) return false;
    return true;
  }

  #isAside({ parent, name }: TreeNode): boolean {
    return parent === this.known && isTemporaryName(name);
  }

  #folderFor(guest: GuestFolder, parent: FolderNode): FolderNode {
    const { name, modified, firstCluster } = guest;
    const node = this.#byCluster.get(firstCluster);
    if (node?.kind === 'folder') {
      this.#keep(node, parent, name);
      return node;
    }
    const made: FolderNode = { kind: 'folder', name, parent, identity: '', modified, children: new Map(), firstCluster };
    this.#folders.push(made);
    return made;
  }

  #file(file: GuestFile, parent: FolderNode): void {
    const { name, chain, size, modified } = file;
    const beside = parent.children.get(foldName(name));
    const first = chain[0]?.first;
    const found = first === undefined ? beside : this.#byCluster.get(first);
    const node = found?.kind === 'file' ? found : undefined;
    if (node === undefined || node.size !== size || !sameChain(node.chain, chain) || this.state.isWritten(file)) {
      this.#writes.push({ file, parent, before: beside?.kind === 'file' ? beside : node });
      return;
    }
    this.#keep(node, parent, name);
    if (node.modified.date !== modified.date || node.modified.time !== modified.time) this.#touches.push({ node, file });
  }

  #keep(node: TreeNode, parent: FolderNode, name: string): void {
    this.#kept.add(node);
    if (node.parent !== parent || node.name !== name) this.#moves.push({ node, parent, name });
  }
}

function sameChain(left: readonly Run[], right: readonly Run[]): boolean {
  return left.length === right.length && left.every((run, index) => run.first === right[index]?.first && run.count === right[index].count);
}
