/** Flushing one node: what is worth a flush, who is told of it, and which children it reaches. */
import { andThen, repeat, type Completion } from '../completion.js';
import type { Edge } from '../edge.js';
import type { BlockNode } from '../node.js';

export class NodeFlusher {
  /** Goes up with every change of the image, when it begins and when it is done. */
  writes = 0;
  #flushedWrites = 0;

  constructor(private readonly node: BlockNode) {}

  /** Puts all that was written before this call on stable storage. */
  flush(): Completion {
    const { node, writes } = this;
    const clean = this.#flushedWrites === writes;
    const { driver, children, storage } = node;
    // A node that stores by itself has nothing to do where nothing was written since the last time.
    if (children.size === 0 && (clean || node.settings.cache.noFlush || driver.flush === undefined)) return;
    // A write that is under way now may reach the file after this flush: then the next flush must not be left out.
    const quiet = node.requests.inFlight === 0;
    const told = storage?.node.listens === true ? tell(storage, clean) : undefined;
    const done = told === undefined ? this.#flushDriver() : told.then(() => this.#flushDriver());
    if (done === undefined) {
      if (quiet) this.#flushedWrites = writes;
      return;
    }
    const tracked = done.then(() => {
      if (quiet) this.#flushedWrites = Math.max(this.#flushedWrites, writes);
    });
    return node.requests.track(tracked, 0, 0);
  }

  #flushDriver(): Completion {
    const { driver, children } = this.node;
    if (driver.flush !== undefined) return driver.flush();
    const edges = [...children.values()].filter((edge) => edge.role !== 'backing');
    return repeat(() => edges.pop()?.flush() ?? (edges.length > 0 ? undefined : false));
  }
}

/** The child learns of both halves of a flush: to the host, and from there to the disk, where there is anything for that. */
function tell(storage: Edge, clean: boolean): Completion {
  return andThen(storage.event('flush_to_os'), () => (clean ? undefined : storage.event('flush_to_disk')));
}
