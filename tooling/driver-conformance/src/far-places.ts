/**
 * The proof for tables that do not fit into the memory for them: sectors far from each other on a disk too large for any array are written, many
 * at a time, so that pieces of tables come and go. Over a disk that works, one whose power is cut, and one that fails now and then.
 */
import { BlockError, type BlockNode } from '@blk/core-graph';
import { prng, type Prng } from '@blk/oracle';
import type { MemoryDisk } from './memory-disk.js';
import type { PowerCutSubject } from './power-cuts.js';
import { recorder } from './recorder.js';

export interface FarPlacesPlan {
  readonly seed: number;
  /** Offsets of sectors that read as zeroes. */
  readonly places: readonly number[];
  /** Rounds of eight writes. */
  readonly rounds: number;
  /** Disks that a power cut left, to be examined. */
  readonly cuts: number;
}

const SECTOR = 512;
const AT_ONCE = 8;

/** How often each place was written, by its number; all bytes of the sector are that. */
type Versions = Map<number, number>;

/** Throws where a sector does not hold what it must. Gives back how many requests failed on the disk that fails. */
export async function proveFarPlaces(subject: PowerCutSubject, disk: MemoryDisk, wish: FarPlacesPlan): Promise<number> {
  const plan = { ...wish, places: [...new Set(wish.places)] };
  const random = prng(plan.seed);
  const newest: Versions = new Map();
  const recording = recorder(disk);
  const promises: { readonly moment: number; readonly versions: Versions }[] = [{ moment: recording.now, versions: new Map() }];
  const node = await subject.open(disk, false);
  for (let round = 0; round < plan.rounds; round++) {
    await someWrites(node, plan, newest, random, (write) => write());
    if (round % 3 !== 2) continue;
    await node.flush();
    promises.push({ moment: recording.now, versions: new Map(newest) });
  }
  await holds(node, plan, newest, newest);
  await subject.release(node);
  promises.push({ moment: recording.now, versions: new Map(newest) });
  await holdsAnew(subject, disk, plan, newest);
  for (let cut = 0; cut < plan.cuts; cut++) {
    const moment = random.below(recording.now + 1);
    const left = recording.crash(moment, random);
    const from = promises.findLast((entry) => entry.moment <= moment)?.versions ?? new Map<number, number>();
    const writer = await subject.open(left, false);
    const after = await holds(writer, plan, from, newest);
    await someWrites(writer, plan, after, random, (write) => write());
    await subject.release(writer);
    await subject.look?.(left, 'gone on with');
    await holdsAnew(subject, left, plan, after);
  }
  disk.remove(recording);
  return failingNowAndThen(subject, disk, plan, newest, random);
}

async function failingNowAndThen(subject: PowerCutSubject, disk: MemoryDisk, plan: FarPlacesPlan, newest: Versions, random: Prng): Promise<number> {
  let failures = 0;
  const node = await subject.open(disk, false);
  const tap = disk.use({
    before: () => {
      if (random.below(5) > 0) return;
      failures++;
      throw new BlockError('io', 'the disk failed');
    },
  });
  const again = async (work: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (!(error instanceof BlockError) || error.message !== 'the disk failed') throw error;
      }
    }
  };
  for (let round = 0; round < plan.rounds; round++) {
    await someWrites(node, plan, newest, random, again);
    if (round % 3 === 2) await again(async () => node.flush());
  }
  await again(async () => node.flush());
  disk.remove(tap);
  await holds(node, plan, newest, newest);
  await subject.release(node);
  await subject.look?.(disk, 'gone on with');
  await holdsAnew(subject, disk, plan, newest);
  return failures;
}

/** Writes some places at the same time, each one once. */
async function someWrites(node: BlockNode, { places }: FarPlacesPlan, newest: Versions, random: Prng, run: (write: () => Promise<void>) => Promise<void>): Promise<void> {
  const chosen = new Set<number>();
  while (chosen.size < Math.min(AT_ONCE, places.length)) chosen.add(random.below(places.length));
  await Promise.all([...chosen].map((place) => {
    const version = ((newest.get(place) ?? 0) % 255) + 1;
    newest.set(place, version);
    return run(async () => node.write(places[place], new Uint8Array(SECTOR).fill(version), 0, SECTOR));
  }));
}

/** Every place holds a version between these two; gives back which. */
async function holds(node: BlockNode, { places, seed }: FarPlacesPlan, from: Versions, to: Versions): Promise<Versions> {
  const found: Versions = new Map();
  await Promise.all(places.map(async (offset, place) => {
    const bytes = new Uint8Array(SECTOR);
    await node.read(offset, bytes, 0, SECTOR);
    const version = bytes[0];
    const right = version >= (from.get(place) ?? 0) && version <= (to.get(place) ?? 0) && bytes.every((byte) => byte === version);
    if (!right) throw new Error(`the sector at ${offset} holds ${version} or several, between ${from.get(place) ?? 0} and ${to.get(place) ?? 0} were right (seed ${seed})`);
    found.set(place, version);
  }));
  return found;
}

async function holdsAnew(subject: PowerCutSubject, disk: MemoryDisk, plan: FarPlacesPlan, versions: Versions): Promise<void> {
  const reader = await subject.open(disk, true);
  await holds(reader, plan, versions, versions);
  await subject.release(reader);
}
