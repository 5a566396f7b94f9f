/** From what the guest wrote to what the directory holds. */
import { lstatSync } from 'node:fs';
import { lstat, lutimes } from 'node:fs/promises';
import { ClusterMap, piecesOf, type Piece } from '../cluster-map.js';
import type { Disk } from '../disk.js';
import { clusterBytes, clusterOffset, SECTOR } from '../fat/shape.js';
import { parseTime } from '../fat/time.js';
import type { GuestFile } from '../guest/guest-tree.js';
import { readGuest, type Guest } from '../guest/read-guest.js';
import { hostError } from '../errors.js';
import type { HostFolder } from '../host/host-folder.js';
import { HardLinks } from '../host/hard-links.js';
import type { OpenFiles } from '../host/open-files.js';
import { newTemporaryName } from '../host/temporary.js';
import { filesOf, foldersOf } from '../layout.js';
import type { Overlay } from '../overlay.js';
import { Budget, pathOf, type FileNode, type FolderNode, type Run } from '../tree.js';
import { Applying } from './apply.js';
import { unlessDone } from './done.js';
import { expectNode } from './expect.js';
import { inFolder } from './in-folder.js';
import { planCommit, type Plan } from './plan.js';
import { stage, takeAway, type Leftover, type Staged } from './stage.js';
import { verifyPlan } from './verify.js';

export interface CommitContext {
  readonly disk: Disk;
  readonly overlay: Overlay;
  readonly tree: FolderNode;
  readonly root: HostFolder;
  readonly files: OpenFiles;
  /** See `ApplyContext`. */
  readonly unsynced: Set<FolderNode>;
  /** See `StageContext`. */
  readonly leftovers: Set<Leftover>;
  /** Memory that what the guest left may take, in bytes. */
  readonly budgetBytes: number;
  readonly random: (into: Uint8Array<ArrayBuffer>) => void;
  /** The bytes of the disk as the guest sees it. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

/**
 * Makes the directory what the guest's file system is. Nobody reads or writes the disk meanwhile. Throws where that file system does not fit together, or
 * the directory is not what it was: then nothing has changed. Where the host fails in the middle, each file is the old or the new one, and the next commit goes on.
 */
export async function commit(context: CommitContext): Promise<void> {
  const { disk, overlay, tree, root, files } = context;
  const { shape, system } = disk.layout;
  await takeAway([...context.leftovers], context);
  const guest = await readGuest({ shape, system, read: context.read }, new Budget(context.budgetBytes, 'guest'));
  const plan = planCommit(tree, guest.root, {
    isWritten: (file) => isWritten(context, file),
    isLost: (cluster) => guest.isLost(cluster),
    spareName: () => newTemporaryName(context),
  });
  await verifyPlan(plan, root);
  const staged: Staged[] = [];
  try {
    for (const write of plan.writes) {
      staged.push(await stage(write, { ...context, clusterBytes: clusterBytes(shape), clusterOffset: (cluster) => clusterOffset(shape, cluster) }));
    }
    await keepLost(context, plan, guest);
    const shared = await keepTails(context, plan);
    // Writing all that may have taken long.
    await verifyPlan(plan, root);
    await files.close();
    const waiting = new Set(staged);
    const placed: GuestFile[] = [];
    try {
      const links = new HardLinks(tree);
      await new Applying(plan, staged, {
        ...context,
        links,
        installed: (one) => {
          if (!waiting.delete(one)) return;
          dropContent(context, one.write.file, shared);
          placed.push(one.write.file);
        },
      }).run();
      for (const touch of plan.touches) await setTime(touch, root, links);
    } catch (error) {
      giveUp(plan, placed);
      throw error;
    } finally {
      staged.splice(0, staged.length, ...waiting);
      disk.files = mapOf(tree);
    }
    overlay.allCommitted();
  } finally {
    await takeAway(staged.map(({ node }) => node), context);
  }
}

type Content = Pick<GuestFile, 'chain' | 'size'>;

/** The sectors that a file's content lies in, run by run. */
function* sectorsOf({ disk }: CommitContext, file: Content): Iterable<{ first: number; count: number; bytes: number }> {
  const { shape } = disk.layout;
  let left = file.size;
  for (const run of file.chain) {
    const bytes = Math.min(left, run.count * clusterBytes(shape));
    yield { first: clusterOffset(shape, run.first) / SECTOR, count: Math.ceil(bytes / SECTOR), bytes };
    left -= bytes;
  }
}

function isWritten(context: CommitContext, file: Content): boolean {
  for (const { first, count } of sectorsOf(context, file)) if (context.overlay.isUncommitted(first, count)) return true;
  return false;
}

/** The file has it now. The last sector stays where the guest has something behind the file's end. */
function dropContent(context: CommitContext, file: GuestFile, shared: ReadonlySet<GuestFile>): void {
  for (const { first, count, bytes } of sectorsOf(context, file)) context.overlay.drop(first, shared.has(file) ? Math.floor(bytes / SECTOR) : count);
}

/** Keeps what the guest has behind the end of a new file, in its last cluster. Tells the files whose own end lies in a sector that has some of it. */
async function keepTails({ disk, overlay, read }: CommitContext, { writes }: Plan): Promise<Set<GuestFile>> {
  const { shape } = disk.layout;
  const shared = new Set<GuestFile>();
  for (const { file } of writes) {
    const last = file.chain.at(-1);
    const used = file.size % clusterBytes(shape);
    if (last === undefined || used === 0) continue;
    const inSector = used % SECTOR;
    const from = used - inSector;
    const offset = clusterOffset(shape, last.first + last.count - 1) + from;
    const bytes = await read(offset, clusterBytes(shape) - from);
    if (inSector > 0 && bytes.subarray(inSector, SECTOR).some((byte) => byte !== 0)) shared.add(file);
    const begin = inSector === 0 || shared.has(file) ? 0 : SECTOR;
    if (bytes.subarray(begin).some((byte) => byte !== 0)) await overlay.keep(offset + begin, bytes, begin, bytes.length - begin);
  }
  return shared;
}

/** Keeps what only a file has that goes away, where the guest's table still has a use for some of it. */
async function keepLost({ disk, overlay, read }: CommitContext, plan: Plan, guest: Guest): Promise<void> {
  const { shape } = disk.layout;
  const written = new ClusterMap(plan.writes.flatMap(({ file }) => [...piecesOf(file, file.chain)]));
  for (const node of plan.removals) {
    if (node.kind !== 'file') continue;
    for (const cluster of clustersOf(node.chain)) {
      // A newer file may have it since a commit that stopped halfway.
      if (guest.isFree(cluster) || written.find(cluster) !== undefined || disk.files.find(cluster)?.owner !== node) continue;
      const offset = clusterOffset(shape, cluster);
      const bytes = await read(offset, clusterBytes(shape));
      await overlay.keep(offset, bytes, 0, bytes.length);
    }
  }
}

/** Where the work stopped halfway: what is still to be removed gives up the clusters that a new file has. What else it has, it still is for the guest. */
function giveUp(plan: Plan, placed: readonly GuestFile[]): void {
  const taken = new ClusterMap(placed.flatMap((file) => [...piecesOf(file, file.chain)]));
  for (const node of plan.removals) {
    if (node.kind === 'file' && node.chain.some(({ first, count }) => taken.hasAny(first, count))) node.outlived = true;
  }
}

function* clustersOf(chain: readonly Run[]): Iterable<number> {
  for (const { first, count } of chain) for (let index = 0; index < count; index++) yield first + index;
}

async function setTime({ node, file: { modified } }: Plan['touches'][number], root: HostFolder, links: HardLinks): Promise<void> {
  const time = parseTime(modified);
  if (time !== undefined) {
    await inFolder(root, node.parent, async (folder) => {
      expectNode(folder, node);
      const path = folder.path(node.name);
      await unlessDone(lutimes(path, new Date(time), new Date(time)), () => lstatSync(path).mtimeMs === time);
      const stats = await lstat(path, { bigint: true }).catch(() => undefined);
      if (stats === undefined) links.timesUnknown(node, time);
      else links.timesSet(node, stats);
    }).catch((error: unknown) => {
      throw hostError('Could not set the times of', pathOf(node), error);
    });
  }
  node.modified = modified;
}

/** Which clusters the files of a tree hold: those of a file that is to be removed still may be a newer one's. */
function mapOf(tree: FolderNode): ClusterMap<FileNode> {
  const pieces: Piece<FileNode>[] = [];
  const outlived: Piece<FileNode>[] = [];
  for (const folder of foldersOf(tree)) {
    for (const file of filesOf(folder)) (file.outlived === true ? outlived : pieces).push(...piecesOf(file, file.chain));
  }
  const newer = new ClusterMap(pieces);
  return outlived.length === 0 ? newer : new ClusterMap([...pieces, ...outlived.flatMap((piece) => [...newer.besides(piece)])]);
}
