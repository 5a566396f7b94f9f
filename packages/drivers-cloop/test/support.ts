/** Images for the tests. */
import { FormatBench, MemoryDisk } from '@blk/driver-conformance';
import type { Definition, ImagePolicy } from '@blk/core-graph';
import { cloop } from '../src/index.js';

/** Opens read-only, as the format is. */
export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(cloop, policy === undefined ? {} : { policy });
  }

  openBytes(content: Uint8Array, options: Definition = {}) {
    return this.open(new MemoryDisk({ content }), options, { readOnly: true });
  }

  contentOf(content: Uint8Array, options: Definition = {}): Promise<Uint8Array> {
    return this.content(new MemoryDisk({ content }), options);
  }
}
