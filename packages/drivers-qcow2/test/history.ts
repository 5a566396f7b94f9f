/** Random histories: an image is at every moment the same as one array of bytes. */
import { WriteFlag, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, prng, type MemoryDisk, type Prng } from '@blk/driver-conformance';
import { done, fillPlace, readAll, type Bench } from './support.js';

export interface HistoryOptions {
  readonly seed: number;
  readonly steps: number;
  readonly clusterSize: number;
  /** Open options, such as small caches. */
  readonly open?: Record<string, unknown>;
  readonly reopenEvery?: number;
  /** Compressed writes are among the steps; so unless told otherwise. */
  readonly compressed?: boolean;
}

type Step = (node: BlockNode, model: Uint8Array, random: Prng, clusterSize: number) => Promise<void>;

function range(random: Prng, size: number, clusterSize: number): { offset: number; length: number } {
  const unit = random.pick([1, 1, 512, clusterSize]);
  const offset = Math.min(size - 1, Math.floor(random.below(size) / unit) * unit);
  const most = Math.min(size - offset, random.pick([600, clusterSize, clusterSize * 5, clusterSize * 40]));
  const length = Math.max(1, Math.min(size - offset, Math.ceil((1 + random.below(most)) / unit) * unit));
  return { offset, length };
}

const writeStep: Step = async (node, model, random, clusterSize) => {
  const { offset, length } = range(random, model.length, clusterSize);
  const bytes = random.bytes(length);
  model.set(bytes, offset);
  await done(node.write(offset, bytes, 0, length));
};

const zeroStep: Step = async (node, model, random, clusterSize) => {
  const { offset, length } = range(random, model.length, clusterSize);
  model.fill(0, offset, offset + length);
  await done(node.writeZeroes(offset, length, random.pick([0, WriteFlag.MayUnmap])));
};

const discardStep: Step = async (node, model, random, clusterSize) => {
  const { offset, length } = range(random, model.length, clusterSize);
  const old = model.slice(offset, offset + length);
  await done(node.discard(offset, length));
  const found = model.subarray(offset, offset + length);
  await done(node.read(offset, found, 0, length));
  // Every byte is what it was, or zero.
  expectSameBytes(found, old.map((byte, at) => (found[at] === 0 ? 0 : byte)));
};

const compressedStep: Step = async (node, model, random, clusterSize) => {
  const cluster = random.below(Math.ceil(model.length / clusterSize));
  const offset = cluster * clusterSize;
  const length = Math.min(clusterSize * (1 + random.below(3)), model.length - offset);
  const bytes = random.bytes(length);
  // Some compress well, some a little, some not at all.
  bytes.fill(7, Math.floor((length * random.below(5)) / 4));
  model.set(bytes, offset);
  // An encrypted disk stores nothing compressed.
  const compressed = ((node.driver.writeFlags ?? 0) & WriteFlag.Compressed) !== 0;
  await done(node.write(offset, bytes, 0, length, compressed ? WriteFlag.Compressed : 0));
};

const placeStep: Step = async (node, model, random, clusterSize) => {
  const offset = random.below(Math.ceil(model.length / clusterSize)) * clusterSize;
  const bytes = random.bytes(clusterSize * (1 + random.below(6)));
  const kept = Array.from({ length: bytes.length / clusterSize }, () => random.below(3) > 0);
  const length = await fillPlace(node, offset, bytes, clusterSize, (cluster) => kept[cluster]);
  for (let at = 0; at < length; at += clusterSize) if (kept[at / clusterSize]) model.set(bytes.subarray(at, at + clusterSize), offset + at);
};

const readStep: Step = async (node, model, random, clusterSize) => {
  const { offset, length } = range(random, model.length, clusterSize);
  const bytes = new Uint8Array(length);
  await done(node.read(offset, bytes, 0, length));
  expectSameBytes(bytes, model.subarray(offset, offset + length));
};

const flushStep: Step = async (node) => {
  await done(node.flush());
};

const STEPS: readonly Step[] = [writeStep, writeStep, writeStep, zeroStep, discardStep, compressedStep, placeStep, readStep, readStep, flushStep];

/** Plays a history and compares all of the image at its end. The image is closed afterwards. */
export async function playHistory(bench: Bench, disk: MemoryDisk, model: Uint8Array, options: HistoryOptions): Promise<void> {
  const { seed, steps, clusterSize, reopenEvery = 40 } = options;
  const random = prng(seed);
  const among = options.compressed === false ? STEPS.filter((step) => step !== compressedStep) : STEPS;
  let node = await bench.open(disk, options.open);
  for (let at = 1; at <= steps; at++) {
    await random.pick(among)(node, model, random, clusterSize);
    if (at % reopenEvery === 0) {
      await bench.graph.release(node);
      node = await bench.open(disk, options.open);
    }
  }
  expectSameBytes(await readAll(node), model);
  await bench.graph.release(node);
}
