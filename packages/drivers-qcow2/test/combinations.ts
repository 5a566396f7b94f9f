/** One image with options of every kind together, seeded, and what may be done to such an image. */
import { applySnapshot, deleteSnapshot, takeSnapshot } from '@blk/core-graph';
import { prng, type MemoryDisk, type Prng } from '@blk/driver-conformance';
import { playHistory } from './history.js';
import type { Bench } from './support.js';

export interface Combination {
  readonly seed: number;
  readonly size: number;
  readonly clusterSize: number;
  readonly version: 2 | 3;
  readonly refcountBits: number;
  readonly encryption: 'none' | 'aes' | 'luks';
  /** Data in a file of its own. */
  readonly data: 'inside' | 'file' | 'raw';
  /** Bytes of the backing file; 0: there is none. */
  readonly backing: number;
  /** Options of creation besides those above, as both programs take them. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly compresses: boolean;
}

/** The combination of a seed; all of them can be made. */
export function combinationOf(seed: number): Combination {
  const random = prng(seed);
  const version = random.below(4) === 0 ? 2 : 3;
  const extended = version === 3 && random.below(3) === 0;
  const clusterSize = random.pick(extended ? [16384, 32768, 65536, 65536, 262_144, 2 << 20] : [512, 1024, 4096, 4096, 16384, 65536, 65536, 262_144, 2 << 20]);
  const data = version === 2 ? 'inside' : random.pick(['inside', 'inside', 'inside', 'file', 'raw'] as const);
  const encryption = random.pick(['none', 'none', 'none', 'none', 'aes', 'luks'] as const);
  const size = Math.floor((clusterSize * (20 + random.below(60)) * Math.min(1, (4 << 20) / (clusterSize * 40)) + random.below(clusterSize)) / 512) * 512;
  const backing = data === 'raw' || random.below(3) > 0 ? 0 : random.pick([0.4, 1, 1.6]) * size;
  const preallocations = backing === 0 || extended ? ['off', 'off', 'metadata', 'falloc', 'full'] : ['off'];
  const refcountBits = version === 2 ? 16 : random.pick([1, 2, 4, 8, 16, 16, 32, 64]);
  return {
    seed,
    size,
    clusterSize,
    version,
    refcountBits,
    encryption,
    data,
    backing: Math.floor(backing / 512) * 512,
    compresses: encryption === 'none' && data === 'inside',
    options: {
      compat: version === 2 ? '0.10' : '1.1',
      cluster_size: clusterSize,
      refcount_bits: refcountBits,
      preallocation: random.pick(preallocations),
      ...(version === 2 ? {} : { extended_l2: extended, lazy_refcounts: random.below(3) === 0, compression_type: random.pick(['zlib', 'zstd']) }),
      ...(encryption === 'none' ? {} : { 'encrypt.format': encryption, 'encrypt.key-secret': 'sec0' }),
    },
  };
}

/** An image under test, and what it must hold. */
export interface Subject {
  readonly bench: Bench;
  readonly disk: MemoryDisk;
  readonly combination: Combination;
  /** How ours is opened. */
  readonly open: Record<string, unknown>;
  /** What the backing file holds. */
  readonly base: Uint8Array;
  model: Uint8Array;
  /** By name. */
  readonly snapshots: Map<string, Uint8Array>;
}

/** Random requests, and between them changes of the image as a whole. */
export async function mutate(subject: Subject, rounds: number): Promise<void> {
  const { bench, disk, combination, open } = subject;
  const random = prng(combination.seed + 1_000_003);
  for (let round = 0; round < rounds; round++) {
    const { clusterSize, compresses: compressed } = combination;
    await playHistory(bench, disk, subject.model, { seed: random.below(1e9), steps: 14, clusterSize, open, compressed, reopenEvery: 9 });
    await random.pick([snapshot, snapshot, goBack, amend, amend, resize, resize, look])(subject, random);
  }
}

type Change = (subject: Subject, random: Prng) => Promise<void>;

/** Snapshots that an image may have; clusters of compressed data have many references already. */
export function mostSnapshots({ data, refcountBits, compresses }: Combination): number {
  if (data !== 'inside' || (compresses && refcountBits < 8)) return 0;
  return Math.min(3, 2 ** refcountBits - 2);
}

/** Taken, or in its stead one that is there deleted. */
const snapshot: Change = async ({ bench, disk, combination, open, model, snapshots }, random) => {
  const most = mostSnapshots(combination);
  if (most < 1) return;
  const node = await bench.open(disk, open);
  const remove = snapshots.size === most || (snapshots.size > 0 && random.below(4) === 0);
  if (remove) {
    const name = random.pick([...snapshots.keys()]);
    await deleteSnapshot(node, node.driver.snapshots?.list.find((one) => one.name === name)?.id ?? '');
    snapshots.delete(name);
  } else {
    const name = `s${random.below(1e6)}`;
    await takeSnapshot(node, { name, dateSec: 1, dateNsec: 0 });
    snapshots.set(name, model.slice());
  }
  await bench.graph.release(node);
};

const goBack: Change = async (subject, random) => {
  const { bench, disk, open, snapshots } = subject;
  if (snapshots.size === 0) return;
  const name = random.pick([...snapshots.keys()]);
  const node = await bench.open(disk, open);
  await applySnapshot(node, node.driver.snapshots?.list.find((one) => one.name === name)?.id ?? '');
  subject.model = (snapshots.get(name) as Uint8Array).slice();
  await bench.graph.release(node);
};

const amend: Change = async ({ bench, disk, combination, open }, random) => {
  const node = await bench.open(disk, open);
  const specific = (await node.driver.info?.())?.specific?.data ?? {};
  const plain = specific['compression-type'] === 'zlib' && specific['extended-l2'] !== true && combination.data === 'inside';
  const options: Record<string, unknown> =
    specific['compat'] === '0.10'
      ? { compat: '1.1', ...(random.below(2) === 0 ? { refcount_bits: random.pick([8, 32]) } : {}) }
      : plain && random.below(2) === 0
        ? { compat: '0.10', refcount_bits: 16 }
        : { lazy_refcounts: random.below(2) === 0, refcount_bits: random.pick([8, 16, 32, 64]) };
  await node.driver.amend?.(options, { force: false });
  await bench.graph.release(node);
};

const resize: Change = async (subject, random) => {
  const { bench, disk, open, model, snapshots, combination } = subject;
  const node = await bench.open(disk, open);
  const size = Math.floor((model.length * random.pick([0.4, 0.8, 1.2, 1.7])) / 512) * 512;
  const info = (await node.driver.info?.())?.specific?.data ?? {};
  const may = !(info['compat'] === '0.10' && snapshots.size > 0);
  const modes = combination.backing === 0 || info['extended-l2'] === true ? (['off', 'metadata', 'full'] as const) : (['off'] as const);
  if (may) {
    await node.truncate(size, { preallocation: size < model.length ? 'off' : random.pick(modes), shrink: true });
    const changed = new Uint8Array(size);
    changed.set(model.subarray(0, size));
    subject.model = changed;
  }
  await bench.graph.release(node);
};

/** An image that nobody damaged has nothing to repair. */
const look: Change = async ({ bench, disk, open, combination }) => {
  const node = await bench.open(disk, open);
  const result = await node.driver.check?.({ repair: 'all' });
  await bench.graph.release(node);
  if (result === undefined || result.corruptions + result.leaks + result.corruptionsFixed + result.leaksFixed + result.checkErrors > 0) {
    throw new Error(`the check of seed ${combination.seed} found something: ${JSON.stringify(result)}`);
  }
};

/**
 * Commands for qemu-io, the compressed ones first: qemu-io 7.2 damages its own image where they follow the freeing of compressed clusters, and
 * they fail where clusters are there already.
 */
export function commandsOf({ size, clusterSize, compresses, options }: Combination, random: Prng, count: number): string[] {
  const free = compresses && options['preallocation'] === 'off' ? Math.min(6, Math.floor(size / clusterSize / 3)) : 0;
  const packed = Array.from({ length: free }, (_, at) => `write -c -P ${1 + random.below(255)} ${at * 3 * clusterSize} ${clusterSize}`);
  const others = Array.from({ length: count }, () => {
    const offset = Math.floor(random.below(size) / 512) * 512;
    const length = Math.min(size - offset, 512 * (1 + random.below((clusterSize * 3) / 512)));
    const write = `write -P ${1 + random.below(255)} ${offset} ${length}`;
    return random.pick([write, write, `write -z ${offset} ${length}`, `write -z -u ${offset} ${length}`, `discard ${offset} ${length}`]);
  });
  return [...packed, ...others];
}
