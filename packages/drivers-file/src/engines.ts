/** What the files of one driver share: the native helper, the account of work per turn, and the kernel's ring. */
import type { OpenContext } from '@blk/core-graph';
import { failed } from './errors.js';
import type { HostFile } from './host-file.js';
import { BufferedIo } from './io/buffered.js';
import { DirectIo } from './io/direct.js';
import type { FileIo } from './io/file-io.js';
import { RingQueue } from './io/ring-queue.js';
import { Turns } from './io/turns.js';
import { nodeCalls } from './native/node-calls.js';
import type { Native, NativeLoader } from './native/native.js';

/** Schema's `BlockdevAioOptions`; undefined: whatever is best. */
export type Aio = 'threads' | 'native' | 'io_uring' | undefined;

export interface EngineOptions {
  readonly native: Native | undefined;
  readonly aio: Aio;
  /** Of O_DIRECT requests; 1: through the page cache. */
  readonly alignment: number;
}

export class Engines {
  readonly #turns = new Turns();
  #ring: RingQueue | undefined;

  constructor(private readonly loader: NativeLoader) {}

  /** The native helper, loaded when it is first asked for: that costs about 10 ms. */
  native(): Promise<Native | undefined> {
    return this.loader();
  }

  /** An engine for an open file. */
  engine({ fd, filename }: HostFile, context: OpenContext, { native, aio, alignment }: EngineOptions): FileIo {
    const now = (): number => context.host.now();
    const explain = (verb: 'read' | 'write', error: unknown): Error =>
      failed(verb === 'read' ? 'Could not read' : 'Could not write to', filename, error);
    const calls = native ?? nodeCalls;
    if (!context.cache.direct) return new BufferedIo({ fd, calls, noWait: native, turns: this.#turns, explain, now });
    const ring = native === undefined || aio === 'threads' ? undefined : this.#acquireRing(native, now);
    return new DirectIo({ fd, alignment, calls, ring, explain, now });
  }

  #acquireRing(native: Native, now: () => number): RingQueue | undefined {
    if (this.#ring === undefined) {
      const ring = native.ring();
      if (ring === undefined) return undefined;
      this.#ring = new RingQueue(ring, now, () => { this.#ring = undefined; });
    }
    return this.#ring.acquire();
  }
}
