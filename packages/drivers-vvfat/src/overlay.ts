/** What the guest wrote and the directory does not have: sectors in a temporary file, which takes at most the size of the disk. */
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SECTOR } from './fat/shape.js';
import { hostError } from './errors.js';
import { SectorSet } from './sector-set.js';

export class Overlay {
  readonly #present = new SectorSet();
  readonly #uncommitted = new SectorSet();

  private constructor(
    private readonly file: FileHandle,
    private readonly folder: string,
  ) {}

  static async create(): Promise<Overlay> {
    let folder: string | undefined;
    try {
      folder = await mkdtemp(join(tmpdir(), 'blk-vvfat-'));
      const file = await open(join(folder, 'overlay'), 'wx+', 0o600);
      // Where the host allows that, it has no name any more, and is gone with the process whatever becomes of that.
      if (process.platform !== 'win32') await rm(folder, { recursive: true, force: true });
      return new Overlay(file, folder);
    } catch (error) {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
      throw hostError('Could not make a temporary file in', tmpdir(), error);
    }
  }

  has(sector: number): boolean {
    return this.#present.has(sector);
  }

  /** How many of the `most` sectors from `first` on are here, or are not: as the first one. */
  run(first: number, most: number): number {
    return this.#present.run(first, most);
  }

  /** Whether any of these sectors was written since it was last called committed. */
  isUncommitted(first: number, count: number): boolean {
    return this.#uncommitted.any(first, count);
  }

  /** All of the range is here. */
  async read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.file.read(buffer, start + done, length - done, offset + done).catch((error: unknown) => {
        throw hostError('Could not read the temporary file in', this.folder, error);
      });
      if (bytesRead === 0) throw hostError('Could not read the temporary file in', this.folder, { code: 'EIO' });
      done += bytesRead;
    }
  }

  async write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    await this.keep(offset, buffer, start, length);
    this.#uncommitted.add(offset / SECTOR, length / SECTOR);
  }

  /** Stores what the disk has had all along, and would lose with a file. */
  async keep(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const { bytesWritten } = await this.file.write(buffer, start + done, length - done, offset + done).catch((error: unknown) => {
        throw hostError('Could not write the temporary file in', this.folder, error);
      });
      done += bytesWritten;
    }
    this.#present.add(offset / SECTOR, length / SECTOR);
  }

  /** The directory has these sectors now. */
  drop(first: number, count: number): void {
    this.#present.delete(first, count);
    this.#uncommitted.delete(first, count);
  }

  /** Everything that is here went into the directory, or is none of its business. */
  allCommitted(): void {
    this.#uncommitted.clear();
  }

  async close(): Promise<void> {
    await this.file.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
