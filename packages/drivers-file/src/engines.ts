/** What the files of one driver share: the native helper, the account of work per turn, and the kernel's rings. */
import type { OpenContext } from '@blk/core-graph';
import { failed } from './errors.js';
import type { HostFile } from './host-file.js';
import { BufferedIo } from './io/buffered.js';
import { CopyThread } from './io/copy-thread.js';
import { DirectIo } from './io/direct.js';
import type { FileIo } from './io/file-io.js';
import { RingQueue } from './io/ring-queue.js';
import { Turns } from './io/turns.js';
import { nodeCalls } from './native/node-calls.js';
import type { Native, NativeLoader, RingKind } from './native/native.js';

/** Schema's `BlockdevAioOptions`; undefined: whatever is best. */
export type Aio = 'threads' | 'native' | 'io_uring' | undefined;

export interface EngineOptions {
  readonly native: Native | undefined;
  readonly aio: Aio;
  /** Of O_DIRECT requests; 1: through the page cache. */
  readonly alignment: number;
}

export class Engines {
  readonly turns = new Turns();
  readonly #rings = new Map<RingKind, RingQueue>();
  /** Through the page cache, between files of whom it may concern. */
  readonly copies = new CopyThread();

  constructor(
    private readonly loader: NativeLoader,
    /** The kernel's list of locks, asked for early; undefined, also as its result: to be read when it is needed. */
    readonly lockList?: Promise<string | undefined>,
  ) {}

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
    if (!context.cache.direct) return new BufferedIo({ fd, calls, noWait: native, turns: this.turns, explain, now });
    const ring = native === undefined || aio === 'threads' ? undefined : this.#acquireRing(native, aio, now);
    return new DirectIo({ fd, alignment, calls, ring, turns: this.turns, explain, now });
  }

  /** A ring of the kind that was asked for, else of the other. */
  #acquireRing(native: Native, aio: Aio, now: () => number): RingQueue | undefined {
    const kinds: readonly RingKind[] = aio === 'native' ? ['native', 'io_uring'] : ['io_uring', 'native'];
    for (const kind of kinds) {
      const known = this.#rings.get(kind);
      if (known !== undefined) return known.acquire();
      const ring = native.ring(kind);
      if (ring === undefined) continue;
      const queue = new RingQueue(ring, now, () => { this.#rings.delete(kind); });
      this.#rings.set(kind, queue);
      return queue.acquire();
    }
    return undefined;
  }
}
