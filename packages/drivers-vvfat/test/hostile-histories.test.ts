// Random histories of guests, some of which make no sense: the directory is what the guest left, or as it was, and nothing else is touched.
import { readdirSync, symlinkSync } from 'node:fs';
import { BlockError, type Image } from '@blk/core-graph';
import { prng, tempDir, type Prng } from '@blk/oracle';
import { expect, test } from 'vitest';
import { FatBytes, type Found } from './fat-bytes.js';
import { step } from './mutations.js';
import { looks, openDirectory, PARTITION, putFiles, settled, takeFiles } from './support.js';

const KINDS = [{ type: 12, floppy: true }, { type: 16, floppy: true }, { type: 12, floppy: false }, { type: 16, floppy: false }, { type: 32, floppy: false }];
/** As much of a disk as these guests use. */
const USED = 2 << 20;
const ROUNDS = 12;

test.each(Array.from({ length: 10 }, (_, index) => index + 1))('the directory is what the guest left, or as it was, seed %i', async (seed) => {
  using dir = tempDir();
  const random = prng(seed);
  putFiles(dir.file('d'), {
    'A': random.bytes(3000), 'B.TXT': 'b', 'long name of a file.txt': random.bytes(9000), 'S/C': random.bytes(512), 'S/T/a': random.bytes(1025),
    'S/empty': '', 'x y/': '', 'T/README.MD': random.bytes(20_000),
  });
  putFiles(dir.file('outside'), { 'file': 'outside', 'sub/file': 'outside as well' });
  symlinkSync('../outside', dir.file('d/folder link'));
  symlinkSync('../outside/file', dir.file('d/LINK'));
  const outside = looks(dir.file('outside'));
  const { type, floppy } = KINDS[seed % KINDS.length];
  const disk = await openDirectory(dir.file('d'), { 'fat-type': type, floppy, rw: true });
  const history = new History(disk, dir.file('d'), random, floppy ? 0 : PARTITION, type);
  await history.begin();
  const told = (): string => `seed ${seed}: ${history.steps.join('; ')}`;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const badness = random.pick([0, 0, 1, 3, 9]);
      for (let steps = 1 + random.below(5); steps > 0; steps--) history.steps.push(step(history.guest, random, badness));
      await history.push(random.pick([0, 0, 5]), told);
      expect(looks(dir.file('outside')), told()).toEqual(outside);
    }
    const before = takeFiles(dir.file('d'));
    const error = await settled(disk.close());
    if (error !== undefined) expect(error, told()).toBeInstanceOf(BlockError);
    expect([...takeFiles(dir.file('d')).keys()], told()).toEqual([...before.keys()]);
    expect(looks(dir.file('outside')), told()).toEqual(outside);
    expect(readdirSync(dir.path).sort()).toEqual(['d', 'outside']);
    // Closed, it is a disk again.
    const again = await openDirectory(dir.file('d'), { 'fat-type': type, floppy });
    await again.close();
  } finally {
    await disk.close().catch(() => undefined);
  }
}, 60_000);

class History {
  readonly steps: string[] = [];
  /** What the guest wants. */
  guest!: FatBytes;
  /** What it has written. */
  #disk!: FatBytes;
  #named = new Map<string, Found>();
  #sound = Buffer.alloc(0);
  #failures = 0;
  /** Sectors since the last flush that succeeded. */
  readonly #written = new Set<number>();

  constructor(
    private readonly disk: Image,
    private readonly dir: string,
    private readonly random: Prng,
    private readonly start: number,
    private readonly type: number,
  ) {}

  async begin(): Promise<void> {
    const bytes = await this.#read();
    this.#disk = new FatBytes(bytes, this.start, this.type);
    this.guest = new FatBytes(Buffer.from(bytes), this.start, this.type);
    this.#named = named(this.#disk);
    this.#sound = Buffer.from(bytes);
  }

  async #read(): Promise<Buffer> {
    return Buffer.from(await this.disk.read(0, Math.min(USED, this.disk.size)));
  }

  /** Writes what changed, in any order, with flushes in between. */
  async push(flushes: number, told: () => string): Promise<void> {
    const changed: number[] = [];
    const [wanted, has] = [this.guest.bytes, this.#disk.bytes];
    for (let at = 0; at < wanted.length; at += 512) if (Buffer.compare(wanted.subarray(at, at + 512), has.subarray(at, at + 512)) !== 0) changed.push(at);
    while (changed.length > 0) {
      const [at] = changed.splice(this.random.below(changed.length), 1) as [number];
      const sector = wanted.subarray(at, at + 512);
      if (sector.every((byte) => byte === 0)) await this.disk.writeZeroes(at, 512);
      else await this.disk.write(at, sector);
      sector.copy(has, at);
      this.#written.add(at);
      if (this.random.below(10) < flushes) await this.flush(told);
    }
    await this.flush(told);
    // Set right again now and then.
    if (this.#failures > 3) {
      this.steps.push('healed');
      this.#failures = 0;
      this.guest = new FatBytes(Buffer.from(this.#sound), this.start, this.type);
      await this.push(0, told);
      expect(this.#failures, told()).toBe(0);
    }
  }

  async flush(told: () => string): Promise<void> {
    const before = looks(this.dir);
    const error = await settled(this.disk.flush());
    const now = await this.#read();
    const disk = this.#disk;
    if (error !== undefined) {
      this.#failures++;
      this.steps.push(`flush: ${(error as Error).message}`);
      expect(error, told()).toBeInstanceOf(BlockError);
      expect((error as Error).message, told()).toMatch(/Nothing (of it )?was written to the directory/);
      expect(looks(this.dir), told()).toEqual(before);
      expect(now.equals(disk.bytes), told()).toBe(true);
      return;
    }
    this.#failures = 0;
    this.steps.push('flushed');
    const files = named(disk);
    const there = new Map([...takeFiles(this.dir)].map(([path, content]) => [plain(path), content]));
    for (const [path, { content }] of files) {
      expect(there.has(path), `${path}; ${told()}`).toBe(true);
      const has = there.get(path);
      expect(content === null ? has === null : has?.equals(content) === true, `${path}; ${told()}`).toBe(true);
    }
    for (const path of there.keys()) if (!path.includes('.blk-vvfat-')) expect(files.has(path), `${path}; ${told()}`).toBe(true);
    this.#checkUntouched(files, before, told);
    this.#checkLost(files, there, told);
    // What is free may have become zero.
    for (let at = 0; at < now.length; at += 512) {
      if (Buffer.compare(now.subarray(at, at + 512), disk.bytes.subarray(at, at + 512)) === 0) continue;
      const cluster = disk.clusterOf(at);
      expect(at >= disk.dataStart && disk.next(cluster) === 0 && now.subarray(at, at + 512).every((byte) => byte === 0), `sector at ${at}, cluster ${cluster}; ${told()}`).toBe(true);
      now.copy(disk.bytes, at, at, at + 512);
      now.copy(this.guest.bytes, at, at, at + 512);
    }
    this.#written.clear();
    this.#named = files;
    this.#sound = Buffer.from(disk.bytes);
  }

  #checkUntouched(files: Map<string, Found>, before: ReadonlyMap<string, string>, told: () => string): void {
    const disk = this.#disk;
    const written = new Set([...this.#written].map((at) => disk.clusterOf(at)));
    const after = looks(this.dir);
    for (const [path, look] of before) {
      const [was, is] = [this.#named.get(plain(path)), files.get(plain(path))];
      // Which of two empty files is which, nobody can say.
      if (was === undefined || is === undefined || was.chain.length === 0) continue;
      const same = was.content !== null && was.chain.join() === is.chain.join() && was.slot.equals(is.slot) && !is.chain.some((cluster) => written.has(cluster));
      if (same) expect(after.get(path), told()).toBe(look);
    }
  }

  #checkLost(files: Map<string, Found>, there: Map<string, Buffer | null>, told: () => string): void {
    const held = new Set([...files.values()].flatMap(({ chain }) => chain));
    const disk = this.#disk;
    for (const [path, { content, chain }] of this.#named) {
      if (content === null || content.length === 0 || files.has(path)) continue;
      if (!chain.every((cluster) => disk.next(cluster) !== 0 && !held.has(cluster))) continue;
      const bytes = Buffer.concat(chain.map((one) => disk.bytes.subarray(disk.offset(one), disk.offset(one + 1)))).subarray(0, content.length);
      expect([...there].some(([name, one]) => name.includes('.blk-vvfat-') && one?.equals(bytes) === true), `${path} lost; ${told()}`).toBe(true);
    }
  }
}

function named(disk: FatBytes): Map<string, Found> {
  return new Map([...disk.files()].map(([path, found]) => [plain(path), { ...found, slot: Buffer.from(found.slot), content: found.content === null ? null : Buffer.from(found.content) }]));
}

/** Which code page a guest uses is another test's business. */
const plain = (path: string): string => path.replace(/[^\x20-\x7e]/gu, '?');
