/**
 * The proof against power cuts, for any format: random requests are recorded, then the power is cut at many moments, with the writes that no
 * flush had made stable missing, reordered or torn between sectors. What is left must open, hold every sector as the last finished flush
 * had it or newer, and be fit to be gone on with.
 */
import { WriteFlag, type BlockNode, type Completion } from '@blk/core-graph';
import { prng, type Prng } from '@blk/oracle';
import type { MemoryDisk } from './memory-disk.js';
import { recorder } from './recorder.js';
import { slow } from './slow.js';

export interface PowerCutSubject {
  open(disk: MemoryDisk, readOnly: boolean): Promise<BlockNode>;
  release(node: BlockNode): Promise<void>;
  /** Looks at what a cut left, or what going on made of it, with other eyes; throws where something does not fit. */
  look?(disk: MemoryDisk, when: 'cut' | 'gone on with'): Promise<void> | void;
}

export interface PowerCutPlan {
  readonly seed: number;
  /** Disks to be examined. */
  readonly cuts: number;
  /** Requests of each session, of which there are three. */
  readonly steps: number;
  /** Longest request in bytes. */
  readonly longest: number;
  /** What every byte of a sector holds at first; 0 unless given. */
  readonly initial?: (sector: number) => number;
  /** Requests reach the disk late and out of order, several at a time. */
  readonly late?: boolean;
}

const SECTOR = 512;
const SESSIONS = 3;

/** Throws for the first disk that is not as it should be, with the moment and the seed that lead there. */
export async function provePowerCuts(subject: PowerCutSubject, disk: MemoryDisk, plan: PowerCutPlan): Promise<void> {
  const random = prng(plan.seed);
  const recording = recorder(disk);
  if (plan.late === true) disk.use(slow(plan.seed));
  const promises: { readonly moment: number; readonly from: readonly number[] }[] = [];
  let sectors: Sectors | undefined;
  for (let session = 0; session < SESSIONS; session++) {
    const node = await subject.open(disk, false);
    sectors ??= new Sectors(node.size / SECTOR, plan.initial ?? (() => 0));
    const known = sectors;
    const flushed = (newest: readonly number[]): void => {
      promises.push({ moment: recording.now, from: known.keep(newest) });
    };
    if (promises.length === 0) flushed(known.newest(() => true));
    const guests = plan.late === true ? 4 : 1;
    await Promise.all(Array.from({ length: guests }, (_, guest) => load(node, known, { guest, guests }, plan, prng(random.next()), flushed)));
    const newest = known.newest(() => true);
    await subject.release(node);
    flushed(newest);
  }
  for (let cut = 0; cut < plan.cuts; cut++) {
    const moment = random.below(recording.now + 1);
    const left = recording.crash(moment, random);
    const from = promises.findLast((entry) => entry.moment <= moment)?.from ?? [];
    try {
      await examine(subject, left, sectors as Sectors, from, plan, random);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw new Error(`power cut at moment ${moment} of ${recording.now} (disk ${cut}, seed ${plan.seed}): ${what}`, { cause: error });
    }
  }
}

async function examine(
  subject: PowerCutSubject, left: MemoryDisk, sectors: Sectors, from: readonly number[], plan: PowerCutPlan, random: Prng,
): Promise<void> {
  await subject.look?.(left, 'cut');
  const reader = await subject.open(left, true);
  const found = await sectors.check(reader, from);
  await subject.release(reader);
  const writer = await subject.open(left, false);
  await sectors.check(writer, from);
  const after = new Sectors(found.length, (sector) => found[sector]);
  await load(writer, after, { guest: 0, guests: 1 }, { ...plan, steps: 8 }, random, () => undefined);
  const newest = after.newest(() => true);
  await subject.release(writer);
  await subject.look?.(left, 'gone on with');
  const again = await subject.open(left, true);
  await after.check(again, newest);
  await subject.release(again);
}

/** What each sector was set to, one after the other; all its bytes are the same. */
class Sectors {
  readonly #history: number[][];
  /** The entry of each sector's history that is on stable storage; later ones may be as well. */
  readonly #kept: number[];

  constructor(count: number, initial: (sector: number) => number) {
    this.#history = Array.from({ length: count }, (_, at) => [initial(at)]);
    this.#kept = this.#history.map(() => 0);
  }

  get count(): number {
    return this.#history.length;
  }

  set(first: number, count: number, value: number): void {
    for (let at = first; at < first + count; at++) this.#history[at].push(value);
  }

  /** The newest entries of those that are `mine`; a write that others have under way proves nothing. */
  newest(mine: (sector: number) => boolean): number[] {
    return this.#history.map((all, sector) => (mine(sector) ? all.length - 1 : 0));
  }

  keep(entries: readonly number[]): readonly number[] {
    entries.forEach((entry, sector) => (this.#kept[sector] = Math.max(this.#kept[sector], entry)));
    return [...this.#kept];
  }

  /** Every sector holds its entry `from`, or a later one. Gives back what they hold. */
  async check(node: BlockNode, from: readonly number[]): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.count * SECTOR);
    await settle(node.read(0, bytes, 0, bytes.length));
    this.#history.forEach((all, sector) => {
      const at = sector * SECTOR;
      const value = bytes[at];
      // All bytes are the same where each is what the one before is.
      const torn = Buffer.compare(bytes.subarray(at, at + SECTOR - 1), bytes.subarray(at + 1, at + SECTOR)) !== 0;
      if (!torn && all.lastIndexOf(value) >= from[sector]) return;
      throw new Error(`sector ${sector} holds ${torn ? 'a mixture' : value}, allowed are ${[...new Set(all.slice(from[sector]))].join(', ')}`);
    });
    return Uint8Array.from(this.#history, (_, sector) => bytes[sector * SECTOR]);
  }
}

/** Random requests of one of several guests, each in its own stripes of the disk; flushes are everybody's. */
async function load(
  node: BlockNode, sectors: Sectors, { guest, guests }: { readonly guest: number; readonly guests: number }, plan: PowerCutPlan, random: Prng,
  flushed: (newest: readonly number[]) => void,
): Promise<void> {
  const stripe = guests === 1 ? sectors.count : Math.max(1, Math.floor(plan.longest / SECTOR / 2));
  const mine = (sector: number): boolean => Math.floor(sector / stripe) % guests === guest;
  for (let step = 0; step < plan.steps; step++) {
    const first = random.below(sectors.count);
    if (!mine(first)) continue;
    const room = Math.min(sectors.count, (Math.floor(first / stripe) + 1) * stripe) - first;
    const count = Math.min(room, 1 + random.below(random.pick([4, plan.longest / SECTOR])));
    const [offset, length] = [first * SECTOR, count * SECTOR];
    const kind = random.below(10);
    if (kind < 6) {
      const value = 1 + random.below(250);
      sectors.set(first, count, value);
      await settle(node.write(offset, new Uint8Array(length).fill(value), 0, length));
    } else if (kind < 8) {
      sectors.set(first, count, 0);
      await settle(node.writeZeroes(offset, length, random.pick([0, WriteFlag.MayUnmap])));
    } else {
      const newest = sectors.newest(mine);
      await settle(node.flush());
      flushed(newest);
    }
  }
}

async function settle(done: Completion): Promise<void> {
  if (done !== undefined) await done;
}
