/**
 * Random histories with persistent bitmaps and few tables in memory, requests late and several at a time, while the image is opened again, becomes
 * longer and shorter, and bitmaps are stored: it is one array of bytes, and what was written is what the bitmaps say.
 */
import { addBitmap, Backend, findBitmap, removeBitmap, reopenWithOptions, setReadOnly, takeSnapshot, WriteFlag, type BlockNode } from '@blk/core-graph';
import { expectSameBytes, prng, slow, type MemoryDisk, type Prng } from '@blk/driver-conformance';
import { skipUnless, tempDir } from '@blk/oracle';
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Bench, checkImage, done, readAll } from './support.js';

const oracle = skipUnless('qemu-img');
const CLUSTER = 512;
/** A second table is for 32 KiB. */
const SIZE = 40 * 32 * 1024;
const GRANULE = 1024;
const GUESTS = 5;
const LITTLE = { 'l2-cache-size': 1, 'refcount-cache-size': 1 };

class History {
  node!: BlockNode;
  /** Whose requests wait while the image changes. */
  #guest!: Backend;
  model = new Uint8Array(SIZE);
  /** Granules that were written since the bitmap began. */
  #dirty = new Set<number>();

  constructor(
    private readonly bench: Bench,
    private readonly disk: MemoryDisk,
    private readonly random: Prng,
  ) {}

  async open(): Promise<void> {
    this.node = await this.bench.open(this.disk, LITTLE);
    this.#attach();
  }

  #attach(): void {
    this.#guest = Backend.over(this.bench.graph, this.node, { description: 'guest', writable: true });
  }

  async close(): Promise<void> {
    await this.#guest.detach();
    await this.bench.graph.release(this.node);
  }

  /** Requests of several guests, each in granules of its own, and one change of the image among them. */
  async round(change: () => Promise<unknown>): Promise<void> {
    const guests = Array.from({ length: GUESTS }, async (_, guest) => {
      const own = prng(this.random.next());
      for (let step = 0; step < 12; step++) await this.#step(own, guest);
    });
    await Promise.all([...guests, change()]);
  }

  async #step(random: Prng, guest: number): Promise<void> {
    const disk = this.#guest;
    // What may be cut off is left alone meanwhile.
    const granule = random.below(SIZE / 2 / GRANULE / GUESTS) * GUESTS + guest;
    const length = 1 + random.below(GRANULE);
    const offset = granule * GRANULE + random.below(GRANULE - length + 1);
    const what = random.below(9);
    if (what < 3) {
      const bytes = new Uint8Array(length);
      await done(disk.read(offset, bytes, 0, length));
      expectSameBytes(bytes, this.model.subarray(offset, offset + length));
      return;
    }
    if (what === 3) return done(disk.flush());
    this.#dirty.add(granule);
    const cluster = granule * GRANULE;
    if (what < 6) {
      const bytes = random.bytes(length);
      await done(disk.write(offset, bytes, 0, length));
      this.model.set(bytes, offset);
    } else if (what === 6) {
      const bytes = random.bytes(CLUSTER).fill(1, 100);
      await done(disk.write(cluster, bytes, 0, CLUSTER, WriteFlag.Compressed));
      this.model.set(bytes, cluster);
    } else {
      await done(disk.writeZeroes(cluster, GRANULE, random.pick([0, WriteFlag.MayUnmap])));
      this.model.fill(0, cluster, cluster + GRANULE);
    }
  }

  async resize(): Promise<void> {
    const size = this.random.pick([SIZE / 2, SIZE, SIZE * 3]);
    await this.#guest.truncate(size, { preallocation: 'off', shrink: true });
    const longer = new Uint8Array(size);
    longer.set(this.model.subarray(0, size));
    this.model = longer;
    this.#dirty = new Set([...this.#dirty].filter((granule) => granule * GRANULE < size));
  }

  /** Somewhere far behind. */
  async writeEnd(): Promise<void> {
    const bytes = this.random.bytes(3 * GRANULE);
    const offset = this.model.length - bytes.length;
    await done(this.#guest.write(offset, bytes, 0, bytes.length));
    this.model.set(bytes, offset);
    for (let at = offset; at < this.model.length; at += GRANULE) this.#dirty.add(at / GRANULE);
  }

  async check(): Promise<void> {
    expectSameBytes(await readAll(this.node), this.model);
    const bitmap = findBitmap(this.node, 'kept');
    const found: number[] = [];
    for (let at = bitmap.next(0, true); at >= 0; at = bitmap.next(at + GRANULE, true)) found.push(at / GRANULE);
    expect(found).toEqual([...this.#dirty].sort((a, b) => a - b));
  }

  changes(): Record<string, () => Promise<unknown>> {
    const { bench, random } = this;
    return {
      'nothing': () => Promise.resolve(),
      'other caches': () => {
        const caches = random.pick<Record<string, number>>([LITTLE, { 'l2-cache-size': 8 * CLUSTER }, { 'l2-cache-size': 65_536, 'refcount-cache-size': 4 * CLUSTER }]);
        return reopenWithOptions(bench.graph, [{ node: this.node, definition: { driver: 'qcow2', file: this.disk.definition, discard: 'unmap', ...caches } }]);
      },
      'longer or shorter': () => this.resize(),
      'a bitmap more and less': async () => {
        await addBitmap(this.node, { name: 'other', persistent: true, granularity: 512 });
        await removeBitmap(this.node, 'other');
      },
      'a snapshot': () => takeSnapshot(this.node, { name: 's', dateSec: 0, dateNsec: 0 }),
    };
  }

  /** Without requests. */
  async rest(): Promise<void> {
    const what = this.random.below(4);
    if (what === 0) {
      await this.close();
      await this.open();
    } else if (what === 1) {
      await this.#guest.detach();
      await setReadOnly(this.bench.graph, this.node, true);
      await setReadOnly(this.bench.graph, this.node, false);
      this.#attach();
    } else if (what === 2) await this.writeEnd();
  }
}

describe.skipIf(oracle.skip)(oracle.title('one array of bytes, and its bitmap'), () => {
  test.each([1, 2, 3, 4, 5, 6])('while tables come and go, seed %i', async (seed) => {
    using dir = tempDir();
    const bench = new Bench();
    const random = prng(seed);
    const disk = await bench.create(SIZE, { cluster_size: CLUSTER });
    const history = new History(bench, disk, random);
    await history.open();
    await addBitmap(history.node, { name: 'kept', persistent: true, granularity: GRANULE });
    disk.use(slow(seed, { immediate: 0.6 }));
    for (let round = 0; round < 14; round++) {
      const changes = history.changes();
      const what = random.pick(Object.keys(changes));
      try {
        await history.round(changes[what]);
        await history.rest();
        await history.check();
      } catch (error) {
        throw new Error(`seed ${seed}, round ${round}, ${what}: ${String(error)}`, { cause: error });
      }
    }
    await history.close();
    expect(bench.warnings).toEqual([]);
    writeFileSync(dir.file('image'), disk.toBytes());
    await checkImage(dir.file('image'));
    await history.open();
    await history.check();
    await history.close();
  }, 60_000);
});
