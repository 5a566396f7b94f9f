// What a disk may hold after a kill: for every block the versions that were written since it was last flushed.
import { closeSync, openSync, readSync } from 'node:fs';
import type { Prng } from '@blk/oracle';
import type { NbdTestClient } from './nbd-client.js';

/** Bytes of a block; each holds one version as a whole, but for one whose write was cut off: that may be of several, sector by sector. Of small clusters see `verifyVersions`. */
export const BLOCK = 4096;
const SECTOR = 512;
const ZEROES = Buffer.alloc(BLOCK);

/** For every block, the versions that it may hold: what was flushed last, and what was written since. Version 0 is zeroes. */
export class Versions {
  readonly blocks: Set<number>[];
  /** Versions that were written as zeroes. */
  readonly zeroes = new Set([0]);
  /** Blocks whose last write was never answered. */
  readonly cutOff = new Set<number>();
  #next = 1;

  constructor(blocks: number) {
    this.blocks = Array.from({ length: blocks }, () => new Set([0]));
  }

  copy(): Versions {
    const copy = new Versions(0);
    for (const versions of this.blocks) copy.blocks.push(new Set(versions));
    for (const version of this.zeroes) copy.zeroes.add(version);
    for (const block of this.cutOff) copy.cutOff.add(block);
    return copy;
  }

  version(): number {
    return this.#next++;
  }
  /** After a flush: of the writes completed before it began, only the last can be there. */
  settle(completed: ReadonlyMap<number, number>): void {
    for (const [block, version] of completed) {
      const later = [...(this.blocks[block])].filter((other) => other > version);
      this.blocks[block] = new Set([version, ...later]);
    }
  }
}

/** Random writes, zeroes and flushes until the connection breaks, or `limit` of them were made. Lanes own every fourth block: no two writes overlap. */
export async function writeUntilCut(client: NbdTestClient, lane: number, model: Versions, completed: Map<number, number>, random: Prng, limit = Infinity): Promise<void> {
  try {
    for (let request = 0; request < limit; request++) {
      const action = random.below(20);
      if (action === 0) {
        const before = new Map(completed);
        await client.flush();
        model.settle(before);
        continue;
      }
      const block = random.below(model.blocks.length / 4) * 4 + lane;
      const version = model.version();
      model.blocks[block].add(version);
      model.cutOff.add(block);
      if (action === 1) {
        model.zeroes.add(version);
        await client.writeZeroes(block * BLOCK, BLOCK);
      } else {
        await client.write(block * BLOCK, content(block, version));
      }
      completed.set(block, version);
      model.cutOff.delete(block);
    }
  } catch (error) {
    if (!/connection closed/.test((error as Error).message)) throw error;
  }
}

function content(block: number, version: number): Buffer {
  const words = Buffer.alloc(8);
  words.writeUInt32LE(block, 0);
  words.writeUInt32LE(version, 4);
  return Buffer.alloc(BLOCK, words);
}

/**
 * Compares a raw image with what may be there; what is there is all that is known from then on. `unit`: bytes of the image's clusters. Where these are
 * shorter than a block, a write gets its clusters in several steps, and a flush of somebody else may come between them: until a flush
 * behind the answer, the block may be of several versions, cluster by cluster.
 */
export function verifyVersions(raw: string, model: Versions, what: string, unit = BLOCK): void {
  const fd = openSync(raw, 'r');
  const data = Buffer.alloc(BLOCK);
  try {
    for (let block = 0; block < model.blocks.length; block++) {
      readSync(fd, data, 0, BLOCK, block * BLOCK);
      const whole = versionOf(data, block, model);
      const part = model.cutOff.has(block) ? SECTOR : Math.min(unit, BLOCK);
      const found = whole === undefined ? versionsByPart(data, block, model, part) : [whole];
      if (found.includes(undefined)) {
        const sectors = versionsByPart(data, block, model, SECTOR).map((version) => version ?? 'none of them').join(', ');
        const cut = model.cutOff.has(block) ? ', the last write unanswered' : '';
        throw new Error(`${what}: block ${block} begins ${data.toString('hex', 0, 16)}, allowed versions: ${[...model.blocks[block]].join(', ')}${cut}; sector by sector: ${sectors}`);
      }
      // What survived is what the next life starts from.
      model.blocks[block] = new Set(found as number[]);
    }
  } finally {
    closeSync(fd);
  }
}

/** The version that `data`, of a block or a part of one, is of; undefined: of none that is allowed. */
function versionOf(data: Buffer, block: number, { blocks, zeroes }: Versions): number | undefined {
  const allowed = blocks[block];
  const written = data.readUInt32LE(4);
  if (data.equals(ZEROES.subarray(0, data.length))) return [...allowed].filter((version) => zeroes.has(version)).at(-1);
  return allowed.has(written) && data.equals(content(block, written).subarray(0, data.length)) ? written : undefined;
}

function versionsByPart(data: Buffer, block: number, model: Versions, part: number): (number | undefined)[] {
  return Array.from({ length: BLOCK / part }, (_, i) => versionOf(data.subarray(i * part, (i + 1) * part), block, model));
}
