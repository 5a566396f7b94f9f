/** An open volume as a block node: verbs of the data plane become requests of at most 512 KiB, several of them under way. */
import { BlockError, NO_LIMITS, type DriverNode, type NodeLimits, type TruncateOptions } from '@blk/core-graph';
import type { Calls } from './calls.js';
import { refused } from './errors.js';
import { checkSize, Op, PIECE, SECTOR } from './protocol.js';
import { askSize } from './volume.js';

export class ArchipelagoNode implements DriverNode {
  readonly limits: NodeLimits = { ...NO_LIMITS, alignment: SECTOR };
  declare readonly write?: NonNullable<DriverNode['write']>;
  declare readonly flush?: NonNullable<DriverNode['flush']>;
  declare readonly truncate?: NonNullable<DriverNode['truncate']>;
  declare readonly filename?: string;
  readonly #warn: (message: string) => void;
  #size: number;

  constructor(private readonly calls: Calls, size: number, { readOnly, filename, warn }: NodeSettings) {
    this.#size = size;
    this.#warn = warn;
    if (filename !== undefined) this.filename = filename;
    if (readOnly) return;
    this.write = (offset, from, start, length) => this.#pieces(length, (at, count) => calls.run({ op: Op.write, offset: offset + at, length: count, from, start: start + at }));
    this.flush = () => calls.run({ op: Op.flush, offset: 0, length: 0, start: 0 });
    this.truncate = (newSize, options) => this.#truncate(newSize, options);
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, into: Uint8Array, start: number, length: number): Promise<void> {
    return this.#pieces(length, (at, count) => this.calls.run({ op: Op.read, offset: offset + at, length: count, into, start: start + at }));
  }

  allocatedSize(): number {
    throw new BlockError('unsupported', 'An Archipelago cluster does not tell how much space a volume takes', { driver: 'archipelago' });
  }

  async close(): Promise<void> {
    if (!this.calls.lost) {
      await this.calls.run({ op: Op.close, offset: 0, length: 0, start: 0 }).catch((error: unknown) => { this.#warn((error as Error).message); });
    }
    await this.calls.close();
  }

  /** Settles when all pieces have, so nothing touches the buffer afterwards; rejects with what failed first in the range. */
  async #pieces(length: number, move: (at: number, count: number) => Promise<void>): Promise<void> {
    if (length <= PIECE) return move(0, length);
    const pieces: Promise<void>[] = [];
    for (let at = 0; at < length; at += PIECE) pieces.push(move(at, Math.min(PIECE, length - at)));
    for (const piece of await Promise.allSettled(pieces)) if (piece.status === 'rejected') throw piece.reason;
  }

  async #truncate(size: number, { preallocation }: TruncateOptions): Promise<void> {
    if (preallocation !== 'off') throw new BlockError('unsupported', `Unsupported preallocation mode '${preallocation}'`, { driver: 'archipelago' });
    if (checkSize(size) === this.#size) return;
    try {
      await this.calls.run({ op: Op.truncate, offset: size, length: 0, start: 0 });
    } finally {
      if (!this.calls.lost) this.#size = await askSize(this.calls);
    }
    if (this.#size !== size) throw refused(`changing the size to ${size} bytes`, `it is ${this.#size} afterwards`);
  }
}

interface NodeSettings {
  readonly readOnly: boolean;
  readonly filename: string | undefined;
  readonly warn: (message: string) => void;
}
