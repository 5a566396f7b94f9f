/** Transfers to and from a medium that may be taken out: what fails, or comes back shorter, is looked into before it is believed. */
import type { Completion } from '@blk/core-graph';
import type { FileIo } from '../io/file-io.js';
import type { DriveMedium } from './drive-medium.js';

export class MediumIo implements FileIo {
  constructor(
    private readonly io: FileIo,
    private readonly medium: DriveMedium,
  ) {}

  async read(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    await this.#run('Could not read', () => this.io.read(offset, buffer, start, length));
    // The engine takes an end that came nearer for zeroes, as those of files are.
    if (!(await this.medium.endsBefore(offset + length))) return;
    await this.medium.look();
    throw this.medium.noMedium('Could not read');
  }

  write(offset: number, buffer: Uint8Array, start: number, length: number): Promise<void> {
    return this.#run('Could not write to', () => this.io.write(offset, buffer, start, length));
  }

  idle(): Promise<void> {
    return this.io.idle();
  }

  close(): void {
    this.io.close();
  }

  async #run(what: string, transfer: () => Completion): Promise<void> {
    // There may be one by now.
    if (!this.medium.inserted) await this.medium.look();
    if (!this.medium.inserted) throw this.medium.noMedium(what);
    try {
      const done = transfer();
      if (done !== undefined) await done;
    } catch (error) {
      await this.medium.look();
      throw this.medium.inserted ? error : this.medium.noMedium(what);
    }
  }
}
