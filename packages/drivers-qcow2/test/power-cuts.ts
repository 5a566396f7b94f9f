/**
 * The proof against power cuts. What is done to an image is recorded; then the power is cut at every moment (or at a seeded
 * sample of them), with the writes that no flush had made stable there, missing, reordered or torn between sectors. What is
 * left must open, hold what had been promised by then, and have no corruption, by an own look and by the reference's.
 */
import type { BlockNode } from '@blk/core-graph';
import { expectSameBytes, prng, recorder, type Clock, type MemoryDisk, type Recording } from '@blk/driver-conformance';
import { metadataFaults } from './metadata-faults.js';
import { checkImage, readAll, save, type Bench } from './support.js';

/** Throws where an image, opened read-only, does not hold what was promised. */
export type Promised = (node: BlockNode) => Promise<void> | void;

export interface PowerCutOptions {
  /** Options to open the image with, while it is examined. */
  readonly open?: Record<string, unknown>;
  /** An external data file, which loses power at the same moment. */
  readonly data?: MemoryDisk;
}

export interface ProofOptions {
  readonly seed: number;
  /** Most disks to be examined; every moment comes at least once where the recording has no more than a third of them. */
  readonly most: number;
  /** A folder for the reference; as many of the disks as `sample` says go there. */
  readonly folder?: { file(name: string): string };
  readonly sample?: number;
  /**
   * While counts of clusters change that stay in use (a snapshot), the marks "has one reference" may lag behind the
   * counts, which the reference calls errors and repairs; its look is left out where that is so.
   */
  readonly marksMayLag?: boolean;
  /** Further changes after the cut, on the image opened for writing; its metadata is looked at again afterwards. */
  readonly goOn?: (node: BlockNode) => Promise<void>;
}

export class PowerCuts {
  readonly #clock: Clock = { now: 0 };
  readonly #image: Recording;
  readonly #data: Recording | undefined;
  readonly #promises: { readonly moment: number; readonly promised: Promised }[] = [];

  /** Records from now on what is done to `disk`, which holds what `first` says. */
  constructor(
    private readonly bench: Bench,
    disk: MemoryDisk,
    first: Promised,
    private readonly options: PowerCutOptions = {},
  ) {
    this.#image = recorder(disk, this.#clock);
    this.#data = options.data === undefined ? undefined : recorder(options.data, this.#clock);
    this.promise(first);
  }

  /** From now on until the next promise, every disk that a cut leaves fulfils this one. */
  promise(promised: Promised): void {
    this.#promises.push({ moment: this.#clock.now, promised });
  }

  /** Does `work`, during which a cut leaves what `before` or what `after` says, and after which `after`. */
  async during(before: Promised, after: Promised, work: () => Promise<unknown>): Promise<void> {
    this.promise(either(before, after));
    await work();
    this.promise(after);
  }

  /** Throws for the first disk that is not as it should be, with the moment and the seed that lead there. */
  async prove(proof: ProofOptions): Promise<void> {
    const random = prng(proof.seed);
    const moments = this.#clock.now + 1;
    const every = moments * 3 <= proof.most;
    const total = every ? moments * 3 : proof.most;
    const sampled = new Set(Array.from({ length: proof.folder === undefined ? 0 : (proof.sample ?? 10) }, () => random.below(total)));
    for (let at = 0; at < total; at++) {
      const moment = every ? Math.floor(at / 3) : random.below(moments);
      const kind = every ? at % 3 : 2;
      const cut = (recording: Recording): MemoryDisk =>
        kind === 2 ? recording.crash(moment, random) : recording.cut(moment, () => kind === 1);
      const left = cut(this.#image);
      const data = this.#data === undefined ? undefined : cut(this.#data);
      try {
        await this.#examine(left, data, moment, proof, sampled.has(at));
      } catch (error) {
        const what = error instanceof Error ? error.message : String(error);
        throw new Error(`power cut at moment ${moment} of ${moments - 1} (disk ${at}, seed ${proof.seed}): ${what}`, { cause: error });
      }
    }
  }

  async #examine(left: MemoryDisk, data: MemoryDisk | undefined, moment: number, proof: ProofOptions, byReference: boolean): Promise<void> {
    const found = this.#look(left, proof);
    const promised = this.#promises.findLast((entry) => entry.moment <= moment)?.promised as Promised;
    const options = { ...this.options.open, ...(data === undefined ? {} : { 'data-file': data.definition }) };
    const reader = await this.bench.open(left, options, true);
    await promised(reader);
    await this.bench.graph.release(reader);
    if (found.dirty || byReference || proof.goOn !== undefined) {
      if (byReference && !found.dirty && !found.lag) await this.#reference(left, data, proof);
      // Opening for writing repairs what is dirty; only then the counts are right.
      const writer = await this.bench.open(left, options);
      await promised(writer);
      await proof.goOn?.(writer);
      await this.bench.graph.release(writer);
      const after = this.#look(left, proof);
      if (after.dirty) throw new Error('the dirty bit outlives closing');
      if (byReference && !after.lag) await this.#reference(left, data, proof);
    }
  }

  #look(left: MemoryDisk, proof: ProofOptions): { readonly dirty: boolean; readonly lag: boolean } {
    const { corruptions, marks, dirty } = metadataFaults(left.toBytes());
    const faults = proof.marksMayLag === true ? corruptions : [...corruptions, ...marks];
    if (faults.length > 0) throw new Error(faults.slice(0, 5).join('; '));
    return { dirty, lag: marks.length > 0 };
  }

  async #reference(left: MemoryDisk, data: MemoryDisk | undefined, proof: ProofOptions): Promise<void> {
    if (proof.folder === undefined) return;
    const file = proof.folder.file('left');
    save(left, file);
    if (data !== undefined) save(data, `${file}.data`);
    const secret = this.options.open?.['encrypt.key-secret'];
    await checkImage(file, true, data === undefined ? undefined : `${file}.data`, typeof secret === 'string' ? secret : undefined);
  }
}

/** The disk has exactly these bytes. */
export function holds(bytes: Uint8Array): Promised {
  return async (node) => {
    expectSameBytes(await readAll(node), bytes);
  };
}

/** One of several promises is kept. */
export function either(...all: readonly Promised[]): Promised {
  return async (node) => {
    const errors: string[] = [];
    for (const promised of all) {
      try {
        await promised(node);
        return;
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error));
      }
    }
    throw new Error(errors.join(', and '));
  };
}
