/** Requests that were started by `aio_read` and `aio_write` and are still under way. */

export class PendingRequests {
  readonly #running = new Set<Promise<void>>();

  /** Takes a request in; it tells its own end and never rejects. */
  add(request: Promise<void>): void {
    const running = request.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when all are done, those that are started meanwhile included. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
