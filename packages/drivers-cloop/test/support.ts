/** Images for the tests. */
import { FormatBench, MemoryDisk, prng } from '@blk/driver-conformance';
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

/** Stretches of noise, text and zeroes. */
export function sampleBytes(seed: number, length: number): Uint8Array {
  const random = prng(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const size = Math.min(length - at, 1 + random.below(60_000));
    const kind = random.below(3);
    if (kind === 0) bytes.set(random.bytes(size), at);
    if (kind === 1) bytes.fill(65 + random.below(26), at, at + size);
    at += size;
  }
  return bytes;
}
