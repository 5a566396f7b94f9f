/** Power cuts under random requests: at any moment the image opens and what was flushed is there. */
import { WriteFlag, type BlockNode } from '@blk/core-graph';
import { prng, slow, type Prng } from '@blk/driver-conformance';
import { skipUnless, tempDir } from '@blk/oracle';
import { describe, test } from 'vitest';
import { PowerCuts, type Promised } from './power-cuts.js';
import { Bench, done, fillPlace, readAll, save } from './support.js';

const oracle = skipUnless('qemu-img');
const SECTOR = 512;
const KEY = { 'encrypt.key-secret': 'sec0' };

/** What each sector was set to, one after the other. */
class Versions {
  readonly history: number[][];
  /** The entry of each sector's history that is on stable storage; later ones may be as well. */
  readonly #kept: number[];

  constructor(sectors: number, initial: (sector: number) => number) {
    this.history = Array.from({ length: sectors }, (_, at) => [initial(at)]);
    this.#kept = this.history.map(() => 0);
  }

  set(first: number, count: number, value: number): void {
    for (let at = first; at < first + count; at++) this.history[at].push(value);
  }

  /** The newest entries of the sectors that are `mine`, to be handed to `kept` after a flush. */
  newest(mine: (sector: number) => boolean = () => true): number[] {
    return this.history.map((all, sector) => (mine(sector) ? all.length - 1 : 0));
  }

  /** A flush that began when these were the newest has ended: every sector has its kept value or a later one. */
  kept(entries: readonly number[]): Promised {
    entries.forEach((entry, sector) => (this.#kept[sector] = Math.max(this.#kept[sector], entry)));
    const from = [...this.#kept];
    return async (node) => {
      const bytes = await readAll(node);
      this.history.forEach((all, sector) => {
        const allowed = new Set(all.slice(from[sector]));
        const wrong = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR).find((byte) => !allowed.has(byte));
        if (wrong !== undefined) throw new Error(`sector ${sector} holds ${wrong}, allowed are ${[...allowed].join(', ')}`);
      });
    };
  }
}

/** Random requests, with compressed ones among them unless there can be none; `flushed` hears of every flush that has ended. */
async function load(
  node: BlockNode,
  versions: Versions,
  random: Prng,
  cluster: number,
  flushed: (promised: Promised) => void,
  compressed: boolean,
): Promise<void> {
  const sectors = versions.history.length;
  for (let step = 0; step < 60; step++) {
    const kind = random.below(13);
    const first = random.below(sectors);
    const count = Math.min(sectors - first, 1 + random.below(random.pick([4, (cluster / SECTOR) * 6])));
    const value = 1 + random.below(250);
    const offset = first * SECTOR;
    const length = count * SECTOR;
    if (kind < 6) {
      versions.set(first, count, value);
      await done(node.write(offset, new Uint8Array(length).fill(value), 0, length));
    } else if (kind === 6) {
      versions.set(first, count, 0);
      await done(node.writeZeroes(offset, length, random.pick([0, WriteFlag.MayUnmap])));
    } else if (kind === 7) {
      versions.set(first, count, 0);
      await done(node.discard(offset, length));
      // Partial clusters keep what they had, which may come back after a crash as well.
      const bytes = new Uint8Array(length);
      await done(node.read(offset, bytes, 0, length));
      for (let at = 0; at < count; at++) versions.set(first + at, 1, bytes[at * SECTOR]);
    } else if (kind === 8 && compressed) {
      const per = cluster / SECTOR;
      const index = Math.floor(first / per);
      versions.set(index * per, per, value);
      await done(node.write(index * cluster, new Uint8Array(cluster).fill(value), 0, cluster, WriteFlag.Compressed));
    } else if (kind < 11) {
      const newest = versions.newest();
      await done(node.flush());
      flushed(versions.kept(newest));
    } else if (kind === 12) {
      const per = cluster / SECTOR;
      const index = Math.floor(first / per);
      const whole = Math.min(Math.floor(sectors / per) - index, 1 + random.below(4));
      // What comes to lie there is known before anybody can see it.
      if (whole > 0) await placed(node, versions, index, whole, cluster, value, random);
    }
  }
}

/** Clusters that are filled past the image's own writing, some of them; all that a cut leaves of them are old or new. */
async function placed(node: BlockNode, versions: Versions, index: number, count: number, cluster: number, value: number, random: Prng): Promise<void> {
  const per = cluster / SECTOR;
  const kept = Array.from({ length: count }, () => random.below(3) > 0);
  const old = new Uint8Array(count * cluster);
  await done(node.read(index * cluster, old, 0, old.length));
  kept.forEach((keep, at) => { if (keep) versions.set((index + at) * per, per, value); });
  const length = await fillPlace(node, index * cluster, new Uint8Array(count * cluster).fill(value), cluster, (at) => kept[at]);
  // Where there was no place, nothing has changed.
  for (let at = length; at < old.length; at += SECTOR) if (kept[Math.floor(at / cluster)]) versions.set(index * per + at / SECTOR, 1, old[at]);
}

/** One of several guests at a time, each in its own part of the disk; flushes are everybody's. */
async function guest(node: BlockNode, versions: Versions, part: number, parts: number, random: Prng, flushed: (promised: Promised) => void): Promise<void> {
  const sectors = Math.floor(versions.history.length / parts);
  for (let step = 0; step < 25; step++) {
    // Every so manieth sector is this guest's: clusters and tables are shared.
    const sector = part + parts * random.below(sectors - 1);
    const value = 1 + random.below(250);
    const kind = random.below(6);
    if (kind < 4) {
      versions.set(sector, 1, value);
      await done(node.write(sector * SECTOR, new Uint8Array(SECTOR).fill(value), 0, SECTOR));
    } else if (kind === 4) {
      versions.set(sector, 1, 0);
      await done(node.writeZeroes(sector * SECTOR, SECTOR, WriteFlag.MayUnmap));
    } else {
      const newest = versions.newest((other) => other % parts === part);
      await done(node.flush());
      flushed(versions.kept(newest));
    }
  }
}

const cases = [
  { name: 'small clusters', options: { cluster_size: 512 }, cluster: 512, size: 256 << 10 },
  { name: '1-bit refcounts', options: { cluster_size: 1024, refcount_bits: 1 }, cluster: 1024, size: 512 << 10 },
  { name: '64-bit refcounts and tiny caches', options: { cluster_size: 512, refcount_bits: 64 }, cluster: 512, size: 512 << 10, open: { 'cache-size': 1024 } },
  { name: 'clusters of 4096', options: { cluster_size: 4096 }, cluster: 4096, size: 2 << 20 },
  { name: 'version 2', options: { cluster_size: 1024, compat: 'v2' }, cluster: 1024, size: 512 << 10 },
  { name: 'lazy refcounts', options: { cluster_size: 1024, lazy_refcounts: true }, cluster: 1024, size: 512 << 10 },
  { name: 'extended L2 entries', options: { cluster_size: 16384, extended_l2: true }, cluster: 16384, size: 2 << 20 },
  { name: 'extended L2 entries, preallocated, lazy refcounts', options: { cluster_size: 16384, extended_l2: true, preallocation: 'metadata', lazy_refcounts: true }, cluster: 16384, size: 1 << 20 },
  { name: 'extended L2 entries over a backing file', options: { cluster_size: 16384, extended_l2: true, backing_file: 'base', backing_fmt: 'qcow2' }, cluster: 16384, size: 1 << 20 },
  { name: 'an external data file', options: { cluster_size: 4096, data_file: 'memory:data' }, cluster: 4096, size: 1 << 20 },
  { name: 'a raw external data file, extended L2 entries', options: { cluster_size: 16384, data_file: 'memory:data', data_file_raw: true, extended_l2: true }, cluster: 16384, size: 1 << 20 },
  { name: 'AES encryption', options: { 'encrypt.format': 'aes', ...KEY, cluster_size: 1024 }, cluster: 1024, size: 256 << 10, open: KEY },
  {
    name: 'LUKS encryption, preallocated, version 2',
    options: { 'encrypt.format': 'luks', 'encrypt.cipher-alg': 'aes-128', 'encrypt.iter-time': 0, ...KEY, cluster_size: 1024, compat: 'v2', preallocation: 'metadata' },
    cluster: 1024,
    size: 128 << 10,
    open: KEY,
    most: 24,
  },
  { name: 'over a backing file', options: { cluster_size: 4096, backing_file: 'base', backing_fmt: 'qcow2' }, cluster: 4096, size: 1 << 20 },
];

describe.skipIf(oracle.skip)(oracle.title('power cuts'), () => {
  test.each(cases)('$name', async ({ options, cluster, size, open = {}, most = 60 }) => {
    using dir = tempDir();
    const bench = new Bench();
    const withBase = 'backing_file' in options;
    if (withBase) {
      const base = await bench.open(await bench.create(size, { cluster_size: 4096 }, 'base'));
      for (let at = 0; at < size; at += SECTOR) await done(base.write(at, new Uint8Array(SECTOR).fill(1 + ((at / SECTOR) % 200)), 0, SECTOR));
      await bench.graph.release(base);
      save(bench.disks.get('base'), dir.file('base'));
    }
    // By name for the reference, by object for us.
    const backing = withBase ? { backing: { driver: 'qcow2', file: bench.disks.get('base').definition } } : {};
    const disk = await bench.create(size, options);
    const data = 'data_file' in options ? bench.disks.get('data') : undefined;
    const random = prng(size + cluster);
    const versions = new Versions(size / SECTOR, (sector) => (withBase ? 1 + (sector % 200) : 0));
    const cuts = new PowerCuts(bench, disk, versions.kept([]), { open: { ...('encrypt.key-secret' in open ? KEY : {}), ...backing }, ...(data === undefined ? {} : { data }) });
    const flushed = (promised: Promised): void => {
      cuts.promise(promised);
    };
    const compressed = data === undefined && !('encrypt.format' in options);
    for (let session = 0; session < 3; session++) {
      const node = await bench.open(disk, { ...open, ...backing });
      await load(node, versions, random, cluster, flushed, compressed);
      const newest = versions.newest();
      await bench.graph.release(node);
      flushed(versions.kept(newest));
    }
    await cuts.prove({ seed: size, most, folder: dir, sample: 8 });
    // Every disk can be gone on with.
    const goOn = (node: BlockNode): Promise<void> => load(node, new Versions(size / SECTOR, () => 0), random, cluster, () => undefined, compressed);
    await cuts.prove({ seed: size + 1, most: 15, folder: dir, sample: 5, goOn });
  });
});

describe.skipIf(oracle.skip)(oracle.title('power cuts under several guests on a slow disk'), () => {
  test.each([
    { name: 'plain', options: { cluster_size: 1024 } },
    { name: '8-bit refcounts and tiny caches', options: { cluster_size: 512, refcount_bits: 8 }, open: { 'cache-size': 1024 } },
    { name: 'large clusters', options: { cluster_size: 16384 } },
    { name: 'extended L2 entries', options: { cluster_size: 16384, extended_l2: true } },
  ])('$name', async ({ options, open }) => {
    using dir = tempDir();
    const bench = new Bench();
    const size = 512 << 10;
    const parts = 6;
    for (let seed = 1; seed <= 4; seed++) {
      const disk = await bench.create(size, options, `image${seed}`);
      const versions = new Versions(size / SECTOR, () => 0);
      const cuts = new PowerCuts(bench, disk, versions.kept([]));
      disk.use(slow(seed));
      const node = await bench.open(disk, open);
      const guests = Array.from({ length: parts }, (_, part) =>
        guest(node, versions, part, parts, prng(seed * 100 + part), (promised) => {
          cuts.promise(promised);
        }),
      );
      await Promise.all(guests);
      await bench.graph.release(node);
      await cuts.prove({ seed, most: 25, folder: dir, sample: 4 });
    }
  });
});
