/** The connections to one place: a few, kept while they are of use; requests beyond them wait. */
import { Connection, type ConnectionKeeper } from './connection.js';

export interface PoolOptions {
  /** Most connections. */
  readonly most: number;
  /** Gives `connection` a socket; throws where there is none, or the signal's reason. */
  connect(connection: Connection, signal: AbortSignal): Promise<void>;
}

export class Pool implements ConnectionKeeper {
  /** The one that was used last is used next: those beyond what is needed grow old. */
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  #waiting: (() => void)[] = [];
  readonly #closing = new AbortController();

  constructor(private readonly options: PoolOptions) {}

  /** A connection for one request. */
  async take(signal: AbortSignal): Promise<Connection> {
    for (;;) {
      signal.throwIfAborted();
      for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
        if (!idle.stale) return idle;
        idle.drop();
      }
      if (this.#open.size < this.options.most) return await this.#connect(signal);
      await this.#turn(signal);
    }
  }

  free(connection: Connection): void {
    this.#idle.push(connection);
    this.#wake();
  }

  gone(connection: Connection): void {
    this.#open.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#wake();
  }

  close(): void {
    this.#closing.abort(new Error('The connections were closed'));
    for (const connection of this.#open) connection.drop();
  }

  async #connect(signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(this);
    this.#open.add(connection);
    const either = AbortSignal.any([signal, this.#closing.signal]);
    try {
      either.throwIfAborted();
      await this.options.connect(connection, either);
      return connection;
    } catch (error) {
      this.gone(connection);
      throw error;
    }
  }

  /** Until a connection may be had; others may have it first. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => { resolve(); }, { once: true });
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
