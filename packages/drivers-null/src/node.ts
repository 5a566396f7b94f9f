/** One open null disk: all it does is take time, if asked. */
import {
  NO_LIMITS,
  unallocatedExtent,
  WriteFlag,
  zeroExtent,
  type Completion,
  type DriverNode,
  type Extent,
  type Host,
} from '@blk/core-graph';

export interface NullSettings {
  /** Bytes. */
  readonly size: number;
  /** Nanoseconds that every request takes; 0: none. */
  readonly latency: number;
  /** Say, too, that the disk is zero, rather than only read as such. */
  readonly readZeroes: boolean;
  readonly filename: string;
}

export class NullNode implements DriverNode {
  readonly size: number;
  readonly filename: string;
  readonly limits = NO_LIMITS;
  readonly zeroFlags = WriteFlag.MayUnmap | WriteFlag.NoFallback;
  readonly #milliseconds: number;
  readonly #readZeroes: boolean;

  constructor(
    settings: NullSettings,
    private readonly host: Host,
  ) {
    this.size = settings.size;
    this.filename = settings.filename;
    this.#milliseconds = settings.latency / 1e6;
    this.#readZeroes = settings.readZeroes;
  }

  /** Zeroes in any case: a buffer may hold what somebody else read before, and that is nobody's to see. */
  read(_offset: number, buffer: Uint8Array, start: number, length: number): Completion {
    buffer.fill(0, start, start + length);
    return this.#wait();
  }

  write(): Completion {
    return this.#wait();
  }

  writev(): Completion {
    return this.#wait();
  }

  writeZeroes(): Completion {
    return this.#wait();
  }

  discard(): Completion {
    return this.#wait();
  }

  flush(): Completion {
    return this.#wait();
  }

  extent(offset: number, length: number): Extent {
    return this.#readZeroes ? zeroExtent(length, offset) : unallocatedExtent(length);
  }

  allocatedSize(): number {
    return 0;
  }

  async close(): Promise<void> {}

  #wait(): Completion {
    if (this.#milliseconds === 0) return;
    return new Promise((resolve) => {
      this.host.timer(this.#milliseconds, resolve);
    });
  }
}
