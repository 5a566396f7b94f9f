/** Random changes of an image while requests on its disk may fail, and what it may hold because of them. */
import { WriteFlag, type BlockNode } from '@blk/core-graph';
import { prng, type Prng } from '@blk/driver-conformance';

export const PIECE = 512;
const STEPS = 48;
/** Clusters of a compressed write. */
const PACKED = 32;

/** A piece of the disk: values that reads may give, and values that may be found after the image was closed, however that went. */
interface Piece {
  seen: Set<number>;
  stored: Set<number>;
}

const ZERO = (): Piece => ({ seen: new Set([0]), stored: new Set([0]) });

export class Model {
  readonly #pieces: Piece[];

  constructor(size: number) {
    this.#pieces = Array.from({ length: size / PIECE }, ZERO);
  }

  get length(): number {
    return this.#pieces.length;
  }

  /** A larger disk; what is new is zero. */
  grow(size: number): void {
    while (this.#pieces.length * PIECE < size) this.#pieces.push(ZERO());
  }

  /** A change that was done; or one that failed, or need not do anything. */
  changed(first: number, count: number, value: number, sure: boolean): void {
    for (const piece of this.#pieces.slice(first, first + count)) {
      piece.seen = new Set(sure ? [value] : [...piece.seen, value]);
      piece.stored.add(value);
    }
  }

  /** All that was done so far is on the disk. */
  settle(): void {
    for (const piece of this.#pieces) piece.stored = new Set(piece.seen);
  }

  /** Throws where bytes are not what they may be: what was read of the open image, or what was found in it later. */
  check(bytes: Uint8Array, first: number, what: 'seen' | 'stored'): void {
    for (let at = 0; at * PIECE < bytes.length && first + at < this.#pieces.length; at++) {
      const may = this.#pieces[first + at][what];
      const found = bytes.subarray(at * PIECE, (at + 1) * PIECE);
      if (!may.has(found[0]) || found.some((byte) => byte !== found[0] && !may.has(byte))) {
        throw new Error(`piece ${first + at} holds ${found[0]} instead of ${[...may].join(' or ')} (${what})`);
      }
    }
  }
}

export interface Guest {
  /** Bytes that a compressed write is a multiple of; absent: there are none. */
  readonly pack?: number;
  /** Requests of the format's own. */
  readonly others?: readonly ((node: BlockNode) => unknown)[];
}

/** One session of changes. Every read in it is held against the model. */
export async function changeAtRandom(node: BlockNode, seed: number, model: Model, { pack, others = [] }: Guest): Promise<void> {
  const random = prng(seed);
  for (let step = 0; step < STEPS; step++) {
    const value = random.below(256);
    const [first, count] = rangeOf(random, model.length);
    const [offset, length] = [first * PIECE, count * PIECE];
    const done = (verb: () => unknown): Promise<boolean> => Promise.resolve().then(verb).then(() => true, () => false);
    switch (random.below(9)) {
      case 0:
        if (await done(() => node.flush())) model.settle();
        break;
      case 1:
        model.changed(first, count, 0, await done(() => node.writeZeroes(offset, length, random.pick([0, WriteFlag.MayUnmap]))));
        break;
      case 2:
        await done(() => node.discard(offset, length));
        model.changed(first, count, 0, false);
        break;
      case 3: {
        const bytes = new Uint8Array(length);
        if (await done(() => node.read(offset, bytes, 0, length))) model.check(bytes, first, 'seen');
        break;
      }
      case 4:
        if (pack !== undefined) {
          const at = Math.floor(offset / pack) * pack;
          const packed = Math.min(pack * PACKED, Math.floor((model.length * PIECE - at) / pack) * pack);
          const bytes = new Uint8Array(packed).fill(value);
          if (packed > 0) model.changed(at / PIECE, packed / PIECE, value, await done(() => node.write(at, bytes, 0, packed, WriteFlag.Compressed)));
        }
        break;
      case 5:
        if (others.length > 0) await done(() => random.pick(others)(node));
        model.grow(node.size);
        break;
      default:
        model.changed(first, count, value, await done(() => node.write(offset, new Uint8Array(length).fill(value), 0, length)));
    }
  }
}

function rangeOf(random: Prng, pieces: number): [first: number, count: number] {
  const first = random.below(pieces);
  return [first, 1 + random.below(Math.min(48, pieces - first))];
}
