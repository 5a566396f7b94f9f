/** Guest clusters that are being allocated: whoever changes the same ones waits. */

interface Holder {
  readonly first: number;
  readonly end: number;
  readonly done: Promise<void>;
}

export class ClusterLocks {
  readonly #holders = new Set<Holder>();

  /** Something to wait for where `[first, end)` is held; ask again afterwards. */
  conflict(first: number, end: number): Promise<void> | undefined {
    if (this.#holders.size === 0) return undefined;
    for (const holder of this.#holders) if (holder.first < end && first < holder.end) return holder.done;
    return undefined;
  }

  /** Holds `[first, end)`, which must be free, until the returned function is called. */
  hold(first: number, end: number): () => void {
    let resolve!: () => void;
    const done = new Promise<void>((settle) => (resolve = settle));
    const holder: Holder = { first, end, done };
    this.#holders.add(holder);
    return () => {
      this.#holders.delete(holder);
      resolve();
    };
  }
}
