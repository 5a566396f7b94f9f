/** Images for the tests. */
import type { BlockNode, Definition, ImagePolicy } from '@blk/core-graph';
import { FormatBench, MemoryDisk, prng } from '@blk/driver-conformance';
import { bochs } from '../src/index.js';

/** Opens read-only, as the format is. */
export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(bochs, policy === undefined ? {} : { policy });
  }

  openBytes(content: Uint8Array, options: Definition = {}): Promise<BlockNode> {
    return this.open(new MemoryDisk({ content }), options, { readOnly: true });
  }

  contentOf(content: Uint8Array): Promise<Uint8Array> {
    return this.content(new MemoryDisk({ content }));
  }
}

/** Stretches of noise between stretches of zeroes; whole sectors. */
export function sampleBytes(seed: number, length: number): Uint8Array {
  const random = prng(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const size = Math.min(length - at, 512 * (1 + random.below(80)));
    if (random.below(2) === 0) bytes.set(random.bytes(size), at);
    at += size;
  }
  return bytes;
}
