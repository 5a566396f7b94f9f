/** A guest for the tests: mtools changes a copy of the disk, and what differs then is written to the open disk. */
import { mkdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { BlockError, type Image } from '@blk/core-graph';
import { prng, type Prng, type TempDir } from '@blk/oracle';
import { fsck, mtools, openDirectory, otherTimes, PARTITION, sameFiles, takeFiles } from './support.js';

export interface GuestKind {
  readonly fatType: number;
  readonly floppy: boolean;
}

/** As much of a disk as the guests of the tests ever use. */
const USED = 12 << 20;

export class Guest {
  #before: Buffer;
  #puts = 0;

  private constructor(
    readonly disk: Image,
    readonly kind: GuestKind,
    private readonly dir: TempDir,
    private readonly random: Prng,
    before: Buffer,
  ) {
    this.#before = before;
  }

  /** The disk of the directory `d`. */
  static async open(dir: TempDir, kind: GuestKind, seed = 1): Promise<Guest> {
    const disk = await openDirectory(dir.file('d'), { 'fat-type': kind.fatType, floppy: kind.floppy, rw: true });
    const guest = new Guest(disk, kind, dir, prng(seed), Buffer.alloc(0));
    guest.#before = await guest.copy('guest');
    return guest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disk.close().catch(() => undefined);
  }

  /** The disk as it is now, in a file. */
  async copy(name: string): Promise<Buffer> {
    const bytes = Buffer.alloc(Math.min(USED, this.disk.size));
    await this.disk.read(0, bytes.length, bytes);
    writeFileSync(this.dir.file(name), bytes);
    truncateSync(this.dir.file(name), this.disk.size);
    return bytes;
  }

  async mtools(command: string, ...args: readonly string[]): Promise<void> {
    await mtools(this.dir.file('guest'), this.kind.floppy, command, ...args);
  }

  /** Puts a file of this content on the guest's disk, with a time of its own, long ago. */
  async put(path: string, content: string | Uint8Array): Promise<void> {
    writeFileSync(this.dir.file('content'), content);
    const time = new Date(2001, 0, ++this.#puts, 4, 5, 6 + 2 * (this.#puts % 20));
    utimesSync(this.dir.file('content'), time, time);
    await this.mtools('mcopy', '-o', '-Q', '-m', this.dir.file('content'), `::/${path}`);
  }

  /**
   * Writes what the guest changed to the disk, in any order. With `flushes` between the writes now and then, whatever comes of them; or behind each of
   * them, with `flushed` called then.
   */
  async push({ flushes = false, flushed }: { flushes?: boolean; flushed?: () => void } = {}): Promise<void> {
    const now = readFileSync(this.dir.file('guest')).subarray(0, this.#before.length);
    const changed: number[] = [];
    for (let at = 0; at < now.length; at += 512) if (Buffer.compare(now.subarray(at, at + 512), this.#before.subarray(at, at + 512)) !== 0) changed.push(at);
    for (let left = changed.length; left > 0; left--) {
      const [at] = changed.splice(this.random.below(left), 1) as [number];
      await this.disk.write(at, now.subarray(at, at + 512));
      if (flushed === undefined && (!flushes || this.random.below(6) > 0)) continue;
      await this.disk.flush().catch((error: unknown) => {
        if (!(error instanceof BlockError) || error.kind !== 'corrupt') throw error;
      });
      flushed?.();
    }
    this.#before = Buffer.from(now);
  }

  /** What is on one of the disks: the guest's own, or a copy. */
  async files(disk = 'guest'): Promise<Map<string, Buffer | null>> {
    rmSync(this.dir.file('out'), { recursive: true, force: true });
    mkdirSync(this.dir.file('out'));
    await mtools(this.dir.file(disk), this.kind.floppy, 'mcopy', '-s', '-n', '-m', '-Q', '::/', this.dir.file('out')).catch((error: unknown) => {
      // An empty disk gives mcopy nothing to do.
      if (!String(error).includes('No match')) throw error;
    });
    return takeFiles(this.dir.file('out'));
  }

  /** What the guest would find: its own copy's files and their times, and those of the disk. Both have to be those of the directory. */
  async differences(): Promise<string[]> {
    await this.copy('disk');
    const wrong: string[] = [];
    for (const disk of ['guest', 'disk']) {
      // Reading all of a large disk takes long, and the guest's is mtools' own work.
      const found = disk === 'guest' && this.disk.size > USED ? '' : await fsck(this.dir.file(disk), this.kind.floppy, this.dir.file('volume'));
      if (found !== '') wrong.push(`${disk}: ${found}`);
      wrong.push(...sameFiles(takeFiles(this.dir.file('d')), await this.files(disk)).map((path) => `${disk}: ${path}`));
      if (wrong.length === 0) wrong.push(...otherTimes(this.dir.file('d'), this.dir.file('out')).map((path) => `${disk}: the time of ${path}`));
    }
    return wrong;
  }

  /** Changes bytes of the volume directly. */
  async poke(offset: number, bytes: Uint8Array): Promise<void> {
    await this.disk.write(offset + (this.kind.floppy ? 0 : PARTITION), bytes);
  }
}

/** One command on names out of few, so that they meet; those that the guest refuses do nothing. */
export async function randomStep(guest: Guest, random: Prng, sizes: readonly number[] = [0, 1, 511, 512, 513, 4000, 30_000]): Promise<string> {
  const folder = (): string => random.pick(['', 'sub/', 'sub/deep/', 'x y/']);
  const name = (): string => folder() + random.pick(['a', 'b b b b b b b b.txt', 'c', 'E', 'Füße', 'new']);
  const [command, ...args] = random.pick<() => readonly string[]>([
    () => ['put', name()], () => ['put', name()], () => ['put', name()],
    () => ['mdel', `::/${name()}`], () => ['mren', `::/${name()}`, `::/${name()}`], () => ['mmd', `::/${folder()}`],
    () => ['mdeltree', `::/${folder() || 'x y/'}`], () => ['mmove', `::/${name()}`, `::/${folder()}`], () => ['mmove', '::/sub/deep', `::/${folder()}`],
  ])() as [string, ...string[]];
  try {
    if (command === 'put') await guest.put(args[0], random.bytes(random.pick(sizes)));
    else await guest.mtools(command, ...args.map((arg) => (arg.length > 3 ? arg.replace(/\/$/, '') : arg)));
  } catch {
    return `(${command} ${args.join(' ')})`;
  }
  return `${command} ${args.join(' ')}`;
}
