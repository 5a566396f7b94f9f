/**
 * The proof against a disk that fails, for any format: guests write, zero, discard, read and flush at the same places at the same time, while
 * requests on the disk below fail, some of them half done. A request is done as a whole or fails with the disk's error; whatever of it is
 * then there, nothing else is. What a flush promised survives an image that cannot even be closed, and all goes on once the disk works again.
 */
import { BlockError, WriteFlag, type BlockNode, type Completion } from '@blk/core-graph';
import { prng, type Prng } from '@blk/oracle';
import { faulty, type Faults } from './faulty.js';
import type { DiskVerb, MemoryDisk } from './memory-disk.js';
import { PossibleBytes } from './possible-bytes.js';
import type { PowerCutSubject } from './power-cuts.js';
import { slow } from './slow.js';

export interface FailingDiskSubject extends Pick<PowerCutSubject, 'open' | 'release'> {
  /** Looks at an image that was closed, and at what it holds, with other eyes; throws where something does not fit. */
  look?(disk: MemoryDisk, content: Uint8Array): Promise<void> | void;
}

export interface FailingDiskPlan {
  readonly seed: number;
  /** Rounds of requests in each session, of which there are four. */
  readonly rounds: number;
  /** Longest request in bytes. */
  readonly longest: number;
  /** What every byte holds at first, below 32; 0 unless given. */
  readonly initial?: number;
  /** Requests begin and end anywhere, rather than between sectors; true unless given. */
  readonly unaligned?: boolean;
  /** More disks that fail, such as the extents that a descriptor names. */
  readonly others?: readonly MemoryDisk[];
}

const SESSIONS = 4;
const AT_ONCE = 8;
const KINDS: readonly { readonly verb: DiskVerb | readonly DiskVerb[]; readonly error: string; readonly partial?: boolean }[] = [
  { verb: ['write', 'writeZeroes', 'truncate'], error: 'ENOSPC' },
  { verb: ['write', 'writeZeroes'], error: 'EIO', partial: true },
  { verb: 'flush', error: 'EIO' },
  { verb: ['read', 'write', 'writeZeroes', 'truncate', 'discard', 'flush'], error: 'EIO' },
];

/** Throws where a byte is not what it may be, with the seed and the session. Gives back how many requests failed on the disk. */
export async function proveFailingDisk(subject: FailingDiskSubject, disk: MemoryDisk, plan: FailingDiskPlan): Promise<number> {
  const random = prng(plan.seed);
  const disks = [disk, ...(plan.others ?? [])];
  let failures = 0;
  let bytes: PossibleBytes | undefined;
  for (let session = 0; session < SESSIONS; session++) {
    const kind = KINDS[(session + plan.seed) % KINDS.length];
    try {
      const node = await subject.open(disk, false);
      bytes ??= new PossibleBytes(node.size, plan.initial ?? 0);
      const late = random.below(2) === 0 ? disks.map((one) => ({ one, tap: one.use(slow(random.next())) })) : [];
      const chance = prng(random.next());
      // Now and then, or everything from some moment on.
      const dies = random.below(3) === 0 ? 20 + random.below(200) : Infinity;
      let seen = 0;
      const rule = { ...kind, when: () => (++seen > dies ? true : dies === Infinity && chance.below(6) === 0) };
      const taps = disks.map((one) => ({ one, tap: one.use(faulty(rule)) }));
      const guests = new Guests(node, bytes, plan, random);
      for (let round = 0; round < plan.rounds; round++) await guests.round();
      const content = await end(subject, node, bytes, random, taps.map(({ tap }) => tap));
      failures += taps.reduce((sum, { tap }) => sum + tap.failures, 0);
      for (const { one, tap } of [...taps, ...late]) one.remove(tap);
      const again = await subject.open(disk, true);
      bytes.settle(0, await readAll(again), content === undefined ? 'after an end that failed' : 'opened again');
      await subject.release(again);
      await subject.look?.(disk, bytes.certain());
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw new Error(`failing disk, ${JSON.stringify(kind)}, session ${session}, seed ${plan.seed}: ${what}`, { cause: error });
    }
  }
  return failures;
}

/** Closes the image: with the disk whole again, or with all that goes wrong; then only what was flushed is certain. */
async function end(subject: FailingDiskSubject, node: BlockNode, bytes: PossibleBytes, random: Prng, taps: readonly Faults[]): Promise<Uint8Array | undefined> {
  if (random.below(3) === 0) {
    const failed = await failing(() => subject.release(node));
    for (const tap of taps) tap.clear();
    if (!failed) return bytes.certain();
    bytes.backToFlushed();
    return undefined;
  }
  for (const tap of taps) tap.clear();
  await settle(node.flush());
  bytes.settle(0, await readAll(node), 'once the disk works again');
  bytes.flushed();
  await subject.release(node);
  return bytes.certain();
}

/** Those who use the image: several requests at once, on purpose at the same places. */
class Guests {
  constructor(
    private readonly node: BlockNode,
    private readonly bytes: PossibleBytes,
    private readonly plan: FailingDiskPlan,
    private readonly random: Prng,
  ) {}

  async round(): Promise<void> {
    const { random, bytes, node } = this;
    const focus = random.below(node.size);
    const changes: { readonly offset: number; readonly length: number; readonly value: number; sure: boolean }[] = [];
    const requests = Array.from({ length: 1 + random.below(AT_ONCE) }, () => this.#range(focus)).map(([offset, length]) => {
      const kind = random.below(12);
      const value = kind < 7 ? 1 + random.below(31) : 0;
      return { offset, length, kind, value };
    });
    for (const { offset, length, kind, value } of requests) {
      if (kind < 10) bytes.mayBe(offset, length, value);
      if (kind === 9) bytes.mayBe(offset, length, this.plan.initial ?? 0);
    }
    await Promise.all(
      requests.map(async ({ offset, length, kind, value }) => {
        if (kind >= 10) {
          const found = new Uint8Array(length);
          if (!(await failing(() => node.read(offset, found, 0, length)))) bytes.check(offset, found, 'while others write');
          return;
        }
        const change = { offset, length, value, sure: false };
        changes.push(change);
        const failed = await failing(() => {
          if (kind < 7) return node.write(offset, new Uint8Array(length).fill(value), 0, length);
          return kind < 9 ? node.writeZeroes(offset, length, random.pick([0, WriteFlag.MayUnmap])) : node.discard(offset, length);
        });
        change.sure = !failed && kind !== 9;
      }),
    );
    bytes.done(changes);
    const [offset, length] = this.#range(focus);
    const found = new Uint8Array(length);
    if (!(await failing(() => node.read(offset, found, 0, length)))) bytes.settle(offset, found, 'once all requests are over');
    if (random.below(3) === 0 && !(await failing(() => node.flush()))) bytes.flushed();
  }

  #range(focus: number): [offset: number, length: number] {
    const { random, node, plan } = this;
    const unit = plan.unaligned === false ? 512 : 1;
    const near = random.below(3) > 0 ? Math.max(0, focus + random.below(plan.longest) - plan.longest / 2) : random.below(node.size);
    const offset = Math.floor(Math.min(near, node.size - unit) / unit) * unit;
    const length = Math.ceil((1 + random.below(random.pick([2000, plan.longest]))) / unit) * unit;
    return [offset, Math.min(length, node.size - offset)];
  }
}

/** Whether the disk let it fail; every other way to fail is a defect. */
async function failing(request: () => Completion): Promise<boolean> {
  try {
    await settle(request());
    return false;
  } catch (error) {
    if (error instanceof BlockError && (error.errno === 'EIO' || error.errno === 'ENOSPC')) return true;
    throw error;
  }
}

async function settle(done: Completion): Promise<void> {
  if (done !== undefined) await done;
}

async function readAll(node: BlockNode): Promise<Uint8Array> {
  const bytes = new Uint8Array(node.size);
  await settle(node.read(0, bytes, 0, bytes.length));
  return bytes;
}
