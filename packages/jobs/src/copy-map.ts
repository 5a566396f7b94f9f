/** Which parts of a disk are still to be copied, and which are being copied just now: nobody copies a part that somebody else is at. */
import type { DirtyBitmap } from '@blk/core-graph';

/** A range that is being copied; bytes. */
export interface Claim {
  readonly offset: number;
  readonly end: number;
  /** Resolves when it is over, one way or the other. */
  readonly over: Promise<void>;
}

interface Claimed extends Claim {
  readonly settle: () => void;
}

export class CopyMap {
  readonly #claims = new Set<Claimed>();

  /** `todo`: its dirty parts are to be copied. `unit`: bytes that are copied whole, a multiple of its granularity. */
  constructor(
    readonly todo: DirtyBitmap,
    readonly unit: number,
  ) {}

  /** Parts that are being copied. */
  get inFlight(): number {
    return this.#claims.size;
  }
  /** Bytes that are not copied yet. */
  get left(): number {
    const { todo } = this;
    let underWay = 0;
    for (const { offset, end } of this.#claims) underWay += end - offset;
    const tail = todo.size % todo.granularity;
    const last = todo.size - 1;
    return underWay + todo.count - (tail > 0 && todo.get(last) ? todo.granularity - tail : 0);
  }
  /** Nothing is left, and nothing is under way. */
  get done(): boolean {
    return this.todo.count === 0 && this.#claims.size === 0;
  }

  /** The first range at or behind `from` that is to be copied and that nobody is at, at most `most` bytes; undefined: none. */
  find(from: number, most: number): { readonly offset: number; readonly end: number } | undefined {
    const { todo, unit } = this;
    for (let at = todo.next(from, true); at >= 0; ) {
      const offset = Math.floor(at / unit) * unit;
      const blocker = this.at(offset, offset + unit);
      if (blocker === undefined) return { offset, end: this.#endOf(offset, most) };
      at = blocker.end >= todo.size ? -1 : todo.next(blocker.end, true);
    }
    return undefined;
  }

  /** What is under way in the range. */
  at(offset: number, end: number): Claim | undefined {
    for (const claim of this.#claims) if (claim.offset < end && offset < claim.end) return claim;
    return undefined;
  }

  /** Takes whole units that nobody is at: they are not to be copied any more, unless `end` says that they were not. */
  claim(offset: number, end: number): Claim {
    let settle: (() => void) | undefined;
    const over = new Promise<void>((resolve) => (settle = resolve));
    const claim: Claimed = { offset, end, over, settle: settle as unknown as () => void };
    this.todo.reset(offset, end - offset);
    this.#claims.add(claim);
    return claim;
  }

  /** Ends a claim; what was not copied is to be copied again. */
  end(claim: Claim, copied: boolean): void {
    const known = claim as Claimed;
    if (!this.#claims.delete(known)) return;
    if (!copied) this.todo.set(claim.offset, claim.end - claim.offset);
    known.settle();
  }

  /** Resolves when any of what is under way now is over; at once where nothing is. */
  async progressed(): Promise<void> {
    if (this.#claims.size > 0) await Promise.race(Array.from(this.#claims, ({ over }) => over));
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#claims.size > 0) await this.progressed();
  }

  /** Where the dirty run from `offset` ends, in whole units or at the end of the disk. */
  #endOf(offset: number, most: number): number {
    const { todo, unit } = this;
    const dirty = todo.next(offset, true);
    const clean = dirty < 0 ? -1 : todo.next(dirty, false);
    let end = clean < 0 ? todo.size : Math.ceil(clean / unit) * unit;
    end = Math.min(end, offset + Math.max(unit, Math.floor(most / unit) * unit), todo.size);
    for (const claim of this.#claims) if (claim.offset >= offset) end = Math.min(end, claim.offset);
    return end;
  }
}
