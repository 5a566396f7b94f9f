/**
 * The check of an image, from its file alone: what is referred to is counted by a walk through all tables, compared with the counts on
 * disk, and made to agree where that is asked for.
 *
 * Repairs are ordered so that a crash leaves the image no worse than it was: counts go up before marks change, new structures are
 * written beside the old ones, and the header names them when they are on stable storage.
 */
import { BlockError, CHECK_TOLD, type CheckOptions, type CheckResult } from '@blk/core-graph';
import { Incompatible } from '../feature-bits.js';
import { noSpace } from '../reserve.js';
import { encryptionHeaderOf } from '../encryption.js';
import { countBitmaps } from './bitmaps.js';
import { CountsOnDisk } from './counts-on-disk.js';
import { hasAllBlocks, rebuildStructures } from './rebuild.js';
import { checkStructures, compareCounts, type RefcountState } from './refcounts.js';
import { CheckRun, type CheckSubject } from './run.js';
import { countSnapshots, encodeSnapshots, readSnapshots, type CheckedSnapshots } from './snapshots.js';
import { checkMarks, countL1 } from './tables.js';

const NOTHING = { leaks: false, errors: false };

/** Checks, and repairs as far as asked. `header` follows what is changed in it; everything else is for the caller to read again. */
export async function checkQcow2(subject: CheckSubject, options: CheckOptions): Promise<CheckResult> {
  const run = new CheckRun(subject, options);
  const { result, header, geometry } = run;
  // Of whole sectors, as the reference tool counts.
  result.totalClusters = Math.ceil((Math.floor(header.current.size / 512) * 512) / geometry.clusterSize);
  const snapshots = await readSnapshots(run);
  run.metadata(0, geometry.clusterSize);
  const keys = encryptionHeaderOf(header.current.extensions);
  if (keys !== undefined) run.metadata(keys.offset, keys.length);
  await countL1(run, header.current.l1Offset, header.current.l1Size, true);
  await countSnapshots(run, snapshots);
  await countBitmaps(run);
  let counts = await settleCounts(run);
  if (snapshots.changed) counts = await moveSnapshots(run, counts, snapshots);
  const { disk } = counts;
  const repairMarks = run.fixErrors || (run.fixLeaks && result.corruptions === 0 && result.checkErrors === 0);
  await checkMarks(run, (cluster) => disk.get(cluster), repairMarks);
  if (run.fixLeaks) await finish(run);
  return result;
}

/** The counts in force, and how they were found. */
interface Counts {
  readonly disk: CountsOnDisk;
  readonly state: RefcountState;
}

/** Compares the counts and repairs them; returns the ones that are in force afterwards. */
async function settleCounts(run: CheckRun): Promise<Counts> {
  const { result } = run;
  const disk = await CountsOnDisk.read(run);
  const state = checkStructures(run, disk);
  await compareCounts(run, disk, state, NOTHING);
  const mustRebuild = state.damaged || state.inUseAsFree;
  if (run.fixErrors && (mustRebuild || state.unsafe)) return { disk: await renew(run, disk, state), state };
  if (run.fixLeaks && mustRebuild) {
    run.say('ERROR need to rebuild refcount structures');
    throw new BlockError('io', 'Refcount structures need to be rebuilt', { driver: 'qcow2', reason: CHECK_TOLD });
  }
  if (run.fixLeaks && (state.leaks > 0 || state.corruptions > 0)) await repairInPlace(run, disk, state);
  result.corruptions += state.corruptions;
  result.leaks += state.leaks;
  return { disk, state };
}

async function repairInPlace(run: CheckRun, disk: CountsOnDisk, state: RefcountState): Promise<void> {
  await compareCounts(run, disk, state, { leaks: run.fixLeaks, errors: run.fixErrors });
  await disk.flush();
}

/** Puts all counts right, in new tables where the old ones can't hold them. */
async function renew(run: CheckRun, disk: CountsOnDisk, state: RefcountState): Promise<CountsOnDisk> {
  const { result } = run;
  if (!state.damaged && !state.unsafe && hasAllBlocks(run, disk)) {
    await repairInPlace(run, disk, state);
    result.corruptions += state.corruptions;
    result.leaks += state.leaks;
    return disk;
  }
  run.say('Rebuilding refcount structure');
  await rebuildStructures(run, state.clusters);
  result.corruptions -= state.structural;
  result.corruptionsFixed += state.structural + state.corruptions;
  result.leaksFixed += state.leaks;
  result.checkErrors = 0;
  const renewed = await CountsOnDisk.read(run);
  await compareCounts(run, renewed, state, NOTHING);
  result.corruptions += state.corruptions;
  result.leaks += state.leaks;
  return renewed;
}

/** Writes the snapshot table anew, behind everything: first it is counted, then written, then named by the header; then the old one is freed. */
async function moveSnapshots(run: CheckRun, counts: Counts, snapshots: CheckedSnapshots): Promise<Counts> {
  const { clusterSize } = run.geometry;
  const bytes = encodeSnapshots(snapshots.entries);
  const first = Math.max(run.references.length, run.fileClusters);
  const { disk, state } = await countNew(run, counts, first, Math.ceil(bytes.length / clusterSize));
  await run.write(first * clusterSize, bytes);
  await run.flush();
  await run.header.update({ snapshotsOffset: bytes.length === 0 ? 0 : first * clusterSize, snapshotCount: snapshots.entries.length });
  await run.flush();
  for (const cluster of snapshots.clusters) {
    run.references.remove(cluster);
    await disk.set(cluster, run.references.get(cluster));
  }
  await disk.flush();
  if (snapshots.doubtful.length > 0) await freeDoubtful(run, { disk, state }, snapshots.doubtful);
  return { disk, state };
}

/** What the old snapshot table took up, as far as that was known, is free now like other leaks. */
async function freeDoubtful(run: CheckRun, { disk, state }: Counts, clusters: readonly number[]): Promise<void> {
  const { result } = run;
  const { leaks, corruptions } = state;
  for (const cluster of clusters) run.doubtful.delete(cluster);
  await compareCounts(run, disk, state, { leaks: true, errors: false });
  await disk.flush();
  result.leaks += state.leaks - leaks;
  result.corruptions += state.corruptions - corruptions;
}

/** Counts clusters behind everything as used, on disk as well. */
async function countNew(run: CheckRun, { disk, state }: Counts, first: number, count: number): Promise<Counts> {
  const { clusterSize, blockEntries } = run.geometry;
  const end = first + count;
  if (run.file.node.driver.growable !== true && end * clusterSize > run.file.size) throw noSpace(run.file);
  for (let at = first; at < end; at++) run.references.add(at);
  let hasBlocks = true;
  for (let at = first; at < end && hasBlocks; at += blockEntries) hasBlocks = disk.entry(Math.floor(at / blockEntries)).offset !== 0;
  hasBlocks &&= count === 0 || disk.entry(Math.floor((end - 1) / blockEntries)).offset !== 0;
  if (!hasBlocks) {
    await rebuildStructures(run, state.clusters);
    return { disk: await CountsOnDisk.read(run), state };
  }
  for (let at = first; at < end; at++) await disk.set(at, 1);
  await disk.flush();
  return { disk, state };
}

/** Takes the marks of an image in doubt away, where there is no doubt any more. */
async function finish(run: CheckRun): Promise<void> {
  const { result, header } = run;
  await run.flush();
  if (result.checkErrors > 0) return;
  let { incompatible } = header.current;
  if (run.fixErrors || result.corruptions === 0) incompatible &= ~Incompatible.Dirty;
  if (result.corruptions === 0) incompatible &= ~Incompatible.Corrupt;
  if (incompatible === header.current.incompatible) return;
  await header.update({ incompatible });
  await run.flush();
}
