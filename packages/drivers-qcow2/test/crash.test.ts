/** Power cuts: at any moment, with any unflushed write missing or torn, the image opens and what was flushed is there. */
import { WriteFlag, type BlockNode } from '@blk/core-graph';
import { prng, recorder, slow, type MemoryDisk, type Prng } from '@blk/driver-conformance';
import { skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { Bench, checkImage, done, readAll, save } from './support.js';

const oracle = skipUnless('qemu-img');

/** A flush that has ended: which content it promises from then on. */
interface Promised {
  readonly moment: number;
  readonly version: number;
  /** With several guests: the promised entry of each sector's history, -1 where nothing is promised. */
  readonly entries?: readonly number[];
}

/** What each sector was set to, one after the other; a sector is promised to hold the promised value or a later one. */
class Versions {
  readonly history: { readonly version: number; readonly value: number }[][];
  version = 0;
  constructor(sectors: number, initial: (sector: number) => number) {
    this.history = Array.from({ length: sectors }, (_, at) => [{ version: 0, value: initial(at) }]);
  }
  set(first: number, count: number, value: number): void {
    this.version++;
    for (let at = first; at < first + count; at++) this.history[at].push({ version: this.version, value });
  }
  allowed(sector: number, promised: number): Set<number> {
    const all = this.history[sector];
    const from = all.findLastIndex(({ version }) => version <= promised);
    return new Set(all.slice(from).map(({ value }) => value));
  }
}

const SECTOR = 512;

async function load(node: BlockNode, versions: Versions, random: Prng, promises: Promised[], now: () => number, clusterSize: number): Promise<void> {
  const sectors = versions.history.length;
  for (let step = 0; step < 60; step++) {
    const kind = random.below(12);
    const first = random.below(sectors);
    const count = Math.min(sectors - first, 1 + random.below(random.pick([4, (clusterSize / SECTOR) * 6])));
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
    } else if (kind === 8) {
      const per = clusterSize / SECTOR;
      const cluster = Math.floor(first / per);
      versions.set(cluster * per, per, value);
      await done(node.write(cluster * clusterSize, new Uint8Array(clusterSize).fill(value), 0, clusterSize, WriteFlag.Compressed));
    } else if (kind < 11) {
      const { version } = versions;
      await done(node.flush());
      promises.push({ moment: now(), version });
    }
  }
}

/** One of several guests at a time, each in its own part of the disk; flushes are everybody's. */
async function guest(node: BlockNode, versions: Versions, part: number, parts: number, random: Prng, promises: Promised[], now: () => number): Promise<void> {
  const sectors = Math.floor(versions.history.length / parts);
  for (let step = 0; step < 25; step++) {
    const count = 1 + random.below(random.pick([4, 20]));
    const first = part + parts * random.below(sectors - count);
    const value = 1 + random.below(250);
    const kind = random.below(6);
    if (kind < 4) {
      // Every so manieth sector is this guest's: clusters and tables are shared.
      versions.set(first, 1, value);
      await done(node.write(first * SECTOR, new Uint8Array(SECTOR).fill(value), 0, SECTOR));
    } else if (kind === 4) {
      versions.set(first, 1, 0);
      await done(node.writeZeroes(first * SECTOR, SECTOR, WriteFlag.MayUnmap));
    } else {
      const entries = versions.history.map((all, sector) => (sector % parts === part ? all.length - 1 : -1));
      await done(node.flush());
      promises.push({ moment: now(), version: -1, entries });
    }
  }
}

async function verify(bench: Bench, disk: MemoryDisk, versions: Versions, promised: number, backing: object): Promise<void> {
  const node = await bench.open(disk, { ...backing }, true);
  const bytes = await readAll(node);
  for (let sector = 0; sector < versions.history.length; sector++) {
    const allowed = versions.allowed(sector, promised);
    const value = bytes[sector * SECTOR];
    if (!allowed.has(value)) {
      throw new Error(`sector ${sector} holds ${value}, allowed are ${[...allowed].join(', ')} (promised ${promised})`);
    }
    expect(bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR).every((byte) => byte === value || allowed.has(byte))).toBe(true);
  }
  await bench.graph.release(node);
}

const cases = [
  { name: 'small clusters', options: { cluster_size: 512 }, clusterSize: 512, size: 256 << 10, cuts: 30 },
  { name: '1-bit refcounts', options: { cluster_size: 1024, refcount_bits: 1 }, clusterSize: 1024, size: 512 << 10, cuts: 15 },
  { name: '64-bit refcounts and tiny caches', options: { cluster_size: 512, refcount_bits: 64 }, clusterSize: 512, size: 512 << 10, cuts: 30, open: { 'cache-size': 1024 } },
  { name: 'clusters of 4096', options: { cluster_size: 4096 }, clusterSize: 4096, size: 2 << 20, cuts: 25 },
  { name: 'version 2', options: { cluster_size: 1024, compat: 'v2' }, clusterSize: 1024, size: 512 << 10, cuts: 15 },
  { name: 'lazy refcounts', options: { cluster_size: 1024, lazy_refcounts: true }, clusterSize: 1024, size: 512 << 10, cuts: 20, lazy: true },
  { name: 'over a backing file', options: { cluster_size: 4096, backing_file: 'base', backing_fmt: 'qcow2' }, clusterSize: 4096, size: 1 << 20, cuts: 20 },
];

describe.skipIf(oracle.skip)(oracle.title('power cuts'), () => {
  test.each(cases)('$name', async ({ options, clusterSize, size, cuts, open, lazy }) => {
    using dir = tempDir();
    const bench = new Bench();
    const withBase = 'backing_file' in options;
    if (withBase) {
      const base = await bench.open(await bench.create(size, { cluster_size: 4096 }, 'base'));
      for (let at = 0; at < size; at += SECTOR) await done(base.write(at, new Uint8Array(SECTOR).fill(1 + ((at / SECTOR) % 200)), 0, SECTOR));
      await bench.graph.release(base);
    }
    // By name for the reference, by object for us.
    const backing = withBase ? { backing: { driver: 'qcow2', file: bench.disks.get('base').definition } } : {};
    const disk = await bench.create(size, options);
    const random = prng(size + clusterSize + cuts);
    const versions = new Versions(size / SECTOR, (sector) => (withBase ? 1 + (sector % 200) : 0));
    const recording = recorder(disk);
    const promises: Promised[] = [{ moment: 0, version: 0 }];
    for (let session = 0; session < 3; session++) {
      const node = await bench.open(disk, { ...open, ...backing });
      await load(node, versions, random, promises, () => recording.now, clusterSize);
      const { version } = versions;
      await bench.graph.release(node);
      promises.push({ moment: recording.now, version });
    }
    for (let at = 0; at < cuts; at++) {
      const moment = random.below(recording.now + 1);
      const left = recording.crash(moment, random);
      const promised = promises.filter((entry) => entry.moment <= moment).at(-1)?.version ?? 0;
      if (lazy === true) {
        await verify(bench, left, versions, promised, backing);
        // Opening for writing repairs; only then the counts are right.
        await bench.graph.release(await bench.open(left, { ...backing }));
      }
      save(left, dir.file('left'));
      if (withBase) save(bench.disks.get('base'), dir.file('base'));
      await checkImage(dir.file('left'), true);
      await verify(bench, left, versions, promised, backing);
      // It can be gone on with.
      const node = await bench.open(left, { ...backing });
      await load(node, new Versions(size / SECTOR, () => 0), random, [], () => 0, clusterSize);
      await bench.graph.release(node);
      save(left, dir.file('left'));
      await checkImage(dir.file('left'), true);
    }
  });
});

describe.skipIf(oracle.skip)(oracle.title('power cuts under several guests on a slow disk'), () => {
  test.each([
    { name: 'plain', options: { cluster_size: 1024 } },
    { name: '8-bit refcounts and tiny caches', options: { cluster_size: 512, refcount_bits: 8 }, open: { 'cache-size': 1024 } },
    { name: 'large clusters', options: { cluster_size: 16384 } },
  ])('$name', async ({ options, open }) => {
    using dir = tempDir();
    const bench = new Bench();
    const size = 512 << 10;
    const parts = 6;
    for (let seed = 1; seed <= 4; seed++) {
      const disk = await bench.create(size, options, `image${seed}`);
      const random = prng(seed);
      const versions = new Versions(size / SECTOR, () => 0);
      const recording = recorder(disk);
      disk.use(slow(seed));
      const promises: Promised[] = [];
      const node = await bench.open(disk, open);
      await Promise.all(Array.from({ length: parts }, (_, part) => guest(node, versions, part, parts, prng(seed * 100 + part), promises, () => recording.now)));
      await bench.graph.release(node);
      for (let at = 0; at < 12; at++) {
        const moment = random.below(recording.now + 1);
        const left = recording.crash(moment, random);
        save(left, dir.file('left'));
        await checkImage(dir.file('left'), true);
        const reader = await bench.open(left, {}, true);
        const bytes = await readAll(reader);
        await bench.graph.release(reader);
        const kept = promises.filter((entry) => entry.moment <= moment);
        versions.history.forEach((all, sector) => {
          const entry = Math.max(0, ...kept.map(({ entries }) => entries?.[sector] ?? 0));
          const allowed = new Set(all.slice(entry).map(({ value }) => value));
          if (!allowed.has(bytes[sector * SECTOR])) throw new Error(`sector ${sector} holds ${bytes[sector * SECTOR]}, allowed are ${[...allowed].join(', ')}`);
        });
      }
    }
  });
});
