/** Flushing one node: what is worth a flush, who is told of it, and which children it reaches. */
import { andThen, repeat, type Completion } from '../completion.js';
import type { BlockNode } from '../node.js';

export class NodeFlusher {
  /** Goes up with every change of the image, when it begins and when it is done. */
  writes = 0;
  #flushedWrites = 0;

  constructor(private readonly node: BlockNode) {}

  /** Puts all that was written before this call on stable storage. */
  flush(): Completion {
    const { node } = this;
    if (node.children.size === 0) return this.#flushLeaf();
    const told = node.storage?.node.listens === true ? this.#tell() : undefined;
    const done = told === undefined ? this.#flushDriver() : told.then(() => this.#flushDriver());
    return done === undefined ? undefined : node.requests.track(done, 0, 0);
  }

  /** Of a node that stores by itself: left out where nothing was written since the last one. */
  #flushLeaf(): Completion {
    const { node, writes } = this;
    const { driver } = node;
    if (node.settings.cache.noFlush || driver.flush === undefined || this.#flushedWrites === writes) return;
    // A write that is under way now may reach the file after this flush: then the next flush must not be left out.
    const quiet = node.requests.inFlight === 0;
    const done = driver.flush();
    if (done === undefined) {
      if (quiet) this.#flushedWrites = writes;
      return;
    }
    const tracked = done.then(() => {
      if (quiet) this.#flushedWrites = Math.max(this.#flushedWrites, writes);
    });
    return node.requests.track(tracked, 0, 0);
  }

  /** The child learns of both halves of a flush: to the host, and from there to the disk. */
  #tell(): Completion {
    const { storage } = this.node;
    return andThen(storage?.event('flush_to_os'), () => storage?.event('flush_to_disk'));
  }

  #flushDriver(): Completion {
    const { driver, children } = this.node;
    if (driver.flush !== undefined) return driver.flush();
    const edges = [...children.values()].filter((edge) => edge.role !== 'backing');
    return repeat(() => edges.pop()?.flush() ?? (edges.length > 0 ? undefined : false));
  }
}
