/** Reading what can be read of a damaged source: the sectors that can't are zeroes, and told of. */
import { errnoOf, strerror, type Completion } from '@blk/core-graph';
import { SECTOR } from '../open.js';
import type { Sources } from './sources.js';

/** Told of each sector that could not be read or found: `error while reading offset 512: Input/output error`. */
export type Lost = (message: string) => void;

/** Told of a failure at `offset`. */
export function tellLost(lost: Lost, what: string, offset: number, error: unknown): void {
  lost(`${what} ${offset}: ${strerror(errnoOf(error))}`);
}

/** The sources, as far as they can be read. A range that fails is read again in halves, down to its sectors. */
export class SalvagedSources {
  constructor(
    private readonly sources: Pick<Sources, 'read'>,
    private readonly lost: Lost,
  ) {}

  read(offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const retry = (error: unknown): Completion => this.#readParts(error, offset, buffer, start, length);
    try {
      return this.sources.read(offset, buffer, start, length)?.catch(retry);
    } catch (error) {
      return retry(error);
    }
  }

  #readParts(error: unknown, offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    const sectors = Math.ceil(length / SECTOR);
    if (sectors <= 1) {
      buffer.fill(0, start, start + length);
      tellLost(this.lost, 'error while reading offset', offset, error);
      return;
    }
    const half = Math.ceil(sectors / 2) * SECTOR;
    const second = (): Completion => this.read(offset + half, buffer, start + half, length - half);
    const first = this.read(offset, buffer, start, half);
    return first === undefined ? second() : first.then(second);
  }
}
