/** The medium in a drive: whether there is one, what becomes of its size, and the drive's tray and lock. */
import type { Medium } from '@blk/core-graph';
import { failed, unsupported } from '../errors.js';
import { canOpen, type DriveCalls } from './drive-calls.js';

export interface DriveMediumParts {
  readonly fd: number;
  readonly filename: string;
  /** Undefined: the helper is missing, and the kernel's word on opening is all there is. */
  readonly calls: DriveCalls | undefined;
  /** Bytes of the medium that the kernel knows of. */
  readonly size: () => Promise<number>;
}

export class DriveMedium implements Medium {
  /** Told the size whenever it was looked at. */
  onSize: ((size: number) => void) | undefined;
  #inserted = false;
  #looking: Promise<void> | undefined;

  private constructor(private readonly parts: DriveMediumParts) {}

  static async in(parts: DriveMediumParts): Promise<DriveMedium> {
    const medium = new DriveMedium(parts);
    await medium.look();
    return medium;
  }

  get inserted(): boolean {
    return this.#inserted;
  }

  /** Asks the drive again. Whoever asks meanwhile gets the same answer. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => { this.#looking = undefined; });
    return this.#looking;
  }

  /** Whether the kernel has come to know a shorter medium, or none: what was read behind its end are no bytes of it. */
  async endsBefore(end: number): Promise<boolean> {
    return (await this.parts.size()) < end;
  }

  async moveTray(open: boolean): Promise<void> {
    const { fd, filename, calls } = this.parts;
    if (calls === undefined) throw unsupported('Moving the tray', filename);
    const result = await calls.moveTray(fd, open);
    if (result < 0) throw failed(open ? 'Could not open the tray of' : 'Could not close the tray of', filename, result);
    await this.look();
  }

  async lock(locked: boolean): Promise<void> {
    const { fd, filename, calls } = this.parts;
    if (calls === undefined) throw unsupported('Locking the tray', filename);
    const result = await calls.lock(fd, locked);
    if (result < 0) throw failed(locked ? 'Could not lock the tray of' : 'Could not unlock the tray of', filename, result);
  }

  noMedium(what: string): Error {
    return failed(what, this.parts.filename, { code: 'ENOMEDIUM' });
  }

  async #look(): Promise<void> {
    const { fd, filename, calls, size } = this.parts;
    // Opening lets the kernel find out about another medium, and its size.
    const opens = await canOpen(filename);
    this.#inserted = (await calls?.inserted(fd, filename)) ?? opens;
    this.onSize?.(await size());
  }
}
