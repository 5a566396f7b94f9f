/** To whom the clusters of a disk belong: runs in order, found by halving. */
import type { Run } from './tree.js';

export interface Piece<Owner> extends Run {
  readonly owner: Owner;
  /** Which of its owner's clusters the first one is. */
  readonly index: number;
}

export class ClusterMap<Owner> {
  readonly #pieces: readonly Piece<Owner>[];
  /** What was found last: disks are mostly read from front to end. */
  #last = 0;

  /** The pieces do not overlap. */
  constructor(pieces: Iterable<Piece<Owner>>) {
    this.#pieces = [...pieces].sort((a, b) => a.first - b.first);
  }

  /** The piece that `cluster` lies in. */
  find(cluster: number): Piece<Owner> | undefined {
    const piece = this.#pieces[this.#after(cluster) - 1];
    return piece !== undefined && cluster < piece.first + piece.count ? piece : undefined;
  }

  /** Where the next piece behind `cluster` begins; `Infinity` where there is none. */
  nextFrom(cluster: number): number {
    return this.#pieces[this.#after(cluster)]?.first ?? Infinity;
  }

  hasAny(first: number, count: number): boolean {
    return this.find(first) !== undefined || this.nextFrom(first) < first + count;
  }

  /** What is here where `other` has nothing. */
  without(other: ClusterMap<unknown>): ClusterMap<Owner> {
    return new ClusterMap(this.#pieces.flatMap((piece) => [...other.besides(piece)]));
  }

  /** What there is of a piece where none of these lies. */
  *besides<Any>(piece: Piece<Any>): Iterable<Piece<Any>> {
    const end = piece.first + piece.count;
    for (let at = piece.first; at < end; ) {
      const there = this.find(at);
      const next = there === undefined ? Math.min(end, this.nextFrom(at)) : there.first + there.count;
      if (there === undefined) yield { first: at, count: next - at, owner: piece.owner, index: piece.index + at - piece.first };
      at = next;
    }
  }

  /** Index of the first piece that begins behind `cluster`. */
  #after(cluster: number): number {
    for (let index = this.#last; index <= this.#last + 1; index++) if (this.#isAfter(index, cluster)) return (this.#last = index);
    let [low, high] = [0, this.#pieces.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#pieces[middle]).first <= cluster) low = middle + 1;
      else high = middle;
    }
    return (this.#last = low);
  }

  #isAfter(index: number, cluster: number): boolean {
    const pieces = this.#pieces;
    return index <= pieces.length && (index === 0 || pieces[index - 1].first <= cluster) && (index === pieces.length || pieces[index].first > cluster);
  }
}

/** The pieces of one owner, whose clusters these are, in its order. */
export function* piecesOf<Owner>(owner: Owner, chain: readonly Run[]): Iterable<Piece<Owner>> {
  let index = 0;
  for (const run of chain) {
    yield { ...run, owner, index };
    index += run.count;
  }
}
