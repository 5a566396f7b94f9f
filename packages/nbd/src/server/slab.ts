/** Counted buffers of one server: what replies are built in, and what is received. */
import type { BufferPool } from '@blk/core-graph';

/** A pool buffer with its views, made once. It goes back when nobody holds it any more. */
export class Slab {
  /** Whoever may still read or write a part of it. */
  holds = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly view: DataView,
    private readonly owner: Slabs,
  ) {}

  release(): void {
    // One release too many would give a buffer to two owners: worth stopping everything for.
    if (this.holds === 0) throw new Error('Slab released twice');
    if (--this.holds === 0) this.owner.give(this);
  }
}

/** Ordinary slabs, in bytes: one wake-up's replies, or what one `recv` gives; stays in the CPU's cache. */
export const SLAB_BYTES = 256 * 1024;

export class Slabs {
  readonly #free: Slab[] = [];

  constructor(private readonly pool: BufferPool) {}

  /** A slab of at least `bytes` with one hold on it. */
  take(bytes: number): Slab {
    const slab = (bytes <= SLAB_BYTES ? this.#free.pop() : undefined) ?? this.#make(Math.max(bytes, SLAB_BYTES));
    slab.holds = 1;
    return slab;
  }

  /** Called by the last `release`. */
  give(slab: Slab): void {
    if (slab.bytes.length === SLAB_BYTES && this.#free.length < MAX_FREE) this.#free.push(slab);
    else this.pool.give(slab.bytes);
  }

  /** The server has ended: what is kept ready goes back to a pool that others may still use. */
  close(): void {
    for (const slab of this.#free.splice(0)) this.pool.give(slab.bytes);
  }

  #make(bytes: number): Slab {
    const buffer = this.pool.take(bytes);
    return new Slab(buffer, new DataView(buffer.buffer, buffer.byteOffset, buffer.length), this);
  }
}

/** Slabs kept ready with their views. */
const MAX_FREE = 16;
