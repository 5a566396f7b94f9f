/** Images for the tests. */
import type { BlockNode, Definition, ImagePolicy } from '@blk/core-graph';
import { FormatBench, MemoryDisk, prng } from '@blk/driver-conformance';
import { sampleContent, type DmgChunk, type DmgPartition } from '@blk/image-writers';
import { dmg } from '../src/index.js';

/** Opens read-only, as the format is. */
export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(dmg, policy === undefined ? {} : { policy });
  }

  openBytes(content: Uint8Array, options: Definition = {}): Promise<BlockNode> {
    return this.open(new MemoryDisk({ content }), options, { readOnly: true });
  }

  contentOf(content: Uint8Array, options: Definition = {}): Promise<Uint8Array> {
    return this.content(new MemoryDisk({ content }), options);
  }

  checkBytes(content: Uint8Array): ReturnType<FormatBench['check']> {
    return this.check(new MemoryDisk({ content }));
  }
}

/** Kinds that need no other program to be packed. */
export const OWN_KINDS = ['raw', 'zlib', 'adc', 'lzfse'] as const;

/** A disk of `sectors` in chunks of all those kinds, and zeroes; in two partitions. */
export function mixture(seed: number, sectors: number): DmgPartition[] {
  const random = prng(seed);
  const content = sampleContent(seed, sectors * 512);
  const partitions: DmgPartition[] = [];
  let at = 0;
  for (const end of [Math.floor(sectors / 3), sectors]) {
    const chunks: DmgChunk[] = [];
    while (at < end) {
      const size = Math.min(end - at, 1 + random.below(200));
      const kind = random.pick([...OWN_KINDS, 'zero', 'ignore'] as const);
      if (kind === 'zero' || kind === 'ignore') chunks.push({ kind, sectors: size });
      else chunks.push({ kind, content: content.subarray(at * 512, (at + size) * 512) });
      at += size;
    }
    partitions.push({ chunks });
  }
  return partitions;
}
