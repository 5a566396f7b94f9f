/**
 * Freed clusters on their way back: a cluster may be used again only when the table without it is on stable storage and no
 * request that might still touch it is under way.
 *
 * Time is cut into generations, one per flush that freed something. A request belongs to the generation in which it began;
 * what a generation freed is given back when a flush has made it durable and every request of it and of those before has
 * ended. Until then the clusters are leaked, at worst.
 */

/** Why a cluster is freed; decides whether the space is discarded below. */
export type FreeCause = 'request' | 'snapshot' | 'other';

export interface FreedRun {
  /** Index of the first host cluster. */
  readonly cluster: number;
  readonly count: number;
  readonly cause: FreeCause;
}

export class Generation {
  running = 0;
  durable = false;
  freed: FreedRun[] = [];
  freedClusters = 0;
}

export class Reclaim {
  #current = new Generation();
  readonly #sealed: Generation[] = [];
  #working: Promise<void> | undefined;

  constructor(private readonly giveBack: (freed: readonly FreedRun[]) => Promise<void>) {}

  /** Clusters that were freed and wait for a flush. */
  get waiting(): number {
    return this.#current.freedClusters;
  }

  /** Begins a request; hand the result to `leave`. */
  enter(): Generation {
    this.#current.running++;
    return this.#current;
  }

  leave(generation: Generation): void {
    generation.running--;
    if (generation.running === 0 && generation.durable) this.#advance();
  }

  /** Counts `work` as a request until it settles. */
  track(work: Promise<void>): Promise<void> {
    const generation = this.enter();
    const leave = (): void => {
      this.leave(generation);
    };
    work.then(leave, leave);
    return work;
  }

  free(cluster: number, count: number, cause: FreeCause = 'other'): void {
    const { freed } = this.#current;
    const last = freed[freed.length - 1];
    if (last?.cause === cause && last.cluster + last.count === cluster) {
      freed[freed.length - 1] = { cluster: last.cluster, count: last.count + count, cause };
    } else {
      freed.push({ cluster, count, cause });
    }
    this.#current.freedClusters += count;
  }

  /** Closes the present generation; undefined where nothing was freed in it. Call when tables are taken for writing. */
  seal(): Generation | undefined {
    if (this.#current.freed.length === 0) return undefined;
    const generation = this.#current;
    this.#sealed.push(generation);
    this.#current = new Generation();
    return generation;
  }

  /** The tables taken at `seal` are on stable storage, or could not be written. */
  settle(generation: Generation | undefined, written: boolean): void {
    if (generation === undefined) return;
    if (!written) {
      // Whoever writes the tables later makes these durable as well.
      for (const { cluster, count, cause } of generation.freed) this.free(cluster, count, cause);
      generation.freed = [];
      generation.freedClusters = 0;
    }
    generation.durable = true;
    this.#advance();
  }

  /** Resolves when nothing durable waits any more for its turn. */
  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  #advance(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      if (this.#isReady()) this.#advance();
    });
  }

  #isReady(): boolean {
    const first = this.#sealed[0];
    return first !== undefined && first.durable && first.running === 0;
  }

  async #work(): Promise<void> {
    while (this.#isReady()) {
      const generation = this.#sealed.shift() as Generation;
      // Clusters that can't be given back stay leaked; nothing else depends on them.
      if (generation.freed.length > 0) await this.giveBack(generation.freed).catch(() => undefined);
    }
  }
}
