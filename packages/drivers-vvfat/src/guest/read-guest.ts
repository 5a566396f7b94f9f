/** Reads the file system that the guest left, from boot sector to the last folder, and believes none of it. */
import { foldName, nameDefect } from '../fat/names.js';
import { clusterBytes, clusterOffset, SECTOR, SLOT, type Shape } from '../fat/shape.js';
import { MAX_DEPTH } from '../host/scan.js';
import { isTemporaryName } from '../host/temporary.js';
import type { Budget, Run } from '../tree.js';
import { checkBoot } from './boot.js';
import { Chains } from './chains.js';
import { guestDefect } from './defect.js';
import { parseFolder, type FolderEntry } from './folder-entries.js';
import type { GuestFile, GuestFolder, GuestNode } from './guest-tree.js';
import { hostNameDefect } from './host-names.js';

export interface GuestDisk {
  readonly shape: Shape;
  /** The sectors that the disk began with. */
  readonly system: ReadonlyMap<number, Uint8Array>;
  /** The bytes of the disk as the guest sees it. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

export interface Guest {
  readonly root: GuestFolder;
  /** Whether the guest's table has no use for a cluster. */
  isFree(cluster: number): boolean;
  /** Whether a cluster is used, by something that has no name: open there still, on its way to another folder, or left by a guest that was interrupted. */
  isLost(cluster: number): boolean;
}

/** Most bytes of one folder: its entries are counted in 16 bits. */
const MAX_FOLDER_BYTES = 65536 * SLOT;

/** Throws where anything does not fit together. */
export async function readGuest(disk: GuestDisk, budget: Budget): Promise<Guest> {
  const { shape, system } = disk;
  const head = await disk.read(0, (shape.volumeStart + 1) * SECTOR);
  checkBoot(shape, system, (sector) => head.subarray(sector * SECTOR, (sector + 1) * SECTOR));
  const chains = new Chains(shape, await readTable(disk));
  return { root: await new Reader(disk, chains, budget).root(), isFree: (cluster) => chains.isFree(cluster), isLost: (cluster) => chains.isLost(cluster) };
}

/** The first table; the second one has to say the same, since a guest that is done with a change has changed both. */
async function readTable({ shape, read }: GuestDisk): Promise<Uint8Array> {
  const length = shape.fatSectors * SECTOR;
  const table = await read(shape.fatStart * SECTOR, length);
  for (let at = 0; at < length; at += PART) {
    const copy = await read((shape.fatStart + shape.fatSectors) * SECTOR + at, Math.min(PART, length - at));
    if (Buffer.compare(copy, table.subarray(at, at + copy.length)) !== 0) throw guestDefect('the allocation tables', 'they differ');
  }
  return table;
}

const PART = 1 << 20;

class Reader {
  readonly #clusterBytes: number;

  constructor(
    private readonly disk: GuestDisk,
    private readonly chains: Chains,
    private readonly budget: Budget,
  ) {
    this.#clusterBytes = clusterBytes(disk.shape);
  }

  async root(): Promise<GuestFolder> {
    const { fatType, rootStart, rootEntries } = this.disk.shape;
    const big = fatType === 32;
    const bytes = big ? await this.#content('', this.chains.claim(ROOT_CLUSTER, '')) : await this.disk.read(rootStart * SECTOR, rootEntries * SLOT);
    const root: GuestFolder = { kind: 'folder', name: '', modified: { date: 0, time: 0 }, firstCluster: big ? ROOT_CLUSTER : 0, children: new Map() };
    await this.#fill(root, '', parseFolder(bytes), 1);
    return root;
  }

  async #fill(folder: GuestFolder, path: string, entries: Iterable<FolderEntry>, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw guestDefect(`'${path}'`, 'it lies too deep');
    for (const entry of entries) {
      const { name } = entry;
      const childPath = path === '' ? name : `${path}/${name}`;
      const why = nameDefect(name) ?? hostNameDefect(name) ?? (isTemporaryName(name) ? 'such names are kept for other uses' : undefined);
      if (why !== undefined) throw guestDefect(`the name '${childPath}'`, why);
      const key = foldName(name);
      if (folder.children.has(key)) throw guestDefect(`'${childPath}'`, 'its name is there twice');
      this.budget.takeNode(name);
      folder.children.set(key, entry.folder ? await this.#folder(entry, folder, childPath, depth) : this.#file(entry, childPath));
    }
  }

  async #folder(entry: FolderEntry, parent: GuestFolder, path: string, depth: number): Promise<GuestNode> {
    const firstCluster = this.#firstCluster(entry);
    const bytes = await this.#content(path, this.chains.claim(firstCluster, path));
    const entries = parseFolder(bytes);
    // The root directory is cluster 0 in these, though some write what it really is.
    const above = depth === 1 ? [0, parent.firstCluster] : [parent.firstCluster];
    this.#expectDots(entries.next().value, '.', [firstCluster], path);
    this.#expectDots(entries.next().value, '..', above, path);
    const folder: GuestFolder = { kind: 'folder', name: entry.name, modified: entry.modified, firstCluster, children: new Map() };
    await this.#fill(folder, path, entries, depth + 1);
    this.budget.give(bytes.length);
    return folder;
  }

  #expectDots(entry: FolderEntry | undefined, name: string, clusters: readonly number[], path: string): void {
    if (entry?.name !== name || !entry.folder) throw guestDefect(`'${path}'`, `it does not begin with the entry '${name}'`);
    if (!clusters.includes(this.#firstCluster(entry))) throw guestDefect(`'${path}'`, `its entry '${name}' leads elsewhere`);
  }

  #file(entry: FolderEntry, path: string): GuestFile {
    const firstCluster = this.#firstCluster(entry);
    const { name, size, modified } = entry;
    const needed = Math.ceil(size / this.#clusterBytes);
    // Space may be reserved beyond the size.
    const chain = firstCluster === 0 ? [] : cutChain(this.chains.claim(firstCluster, path), needed);
    const there = chain.reduce((sum, run) => sum + run.count, 0);
    if (there < needed) throw guestDefect(`'${path}'`, `its ${size} bytes take ${needed} clusters, and its chain has ${there}`);
    this.budget.take(chain.length * RUN_COST);
    return { kind: 'file', name, size, modified, chain };
  }

  #firstCluster({ firstCluster }: FolderEntry): number {
    // In the smaller types the upper half means something else, to some systems.
    return this.disk.shape.fatType === 32 ? firstCluster : firstCluster & 0xffff;
  }

  async #content(path: string, chain: readonly Run[]): Promise<Uint8Array> {
    const length = chain.reduce((sum, run) => sum + run.count, 0) * this.#clusterBytes;
    // A last cluster may begin within the bound and end beyond it.
    if (length >= MAX_FOLDER_BYTES + this.#clusterBytes) throw guestDefect(`'${path}'`, 'it is longer than a directory can be');
    // Until what is in the folder was looked at: folders lie in folders.
    this.budget.take(length);
    const parts: Uint8Array[] = [];
    for (const run of chain) parts.push(await this.disk.read(clusterOffset(this.disk.shape, run.first), run.count * this.#clusterBytes));
    return Buffer.concat(parts, length);
  }
}

const ROOT_CLUSTER = 2;
/** Bytes that a run takes in memory. */
const RUN_COST = 64;

function cutChain(chain: readonly Run[], clusters: number): Run[] {
  const cut: Run[] = [];
  let left = clusters;
  for (const { first, count } of chain) {
    if (left === 0) break;
    cut.push({ first, count: Math.min(count, left) });
    left -= Math.min(count, left);
  }
  return cut;
}
