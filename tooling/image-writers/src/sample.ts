/** Content for images: some of it can be packed, and some can't. */
import { prng } from '@blk/oracle';

/** Stretches of noise, runs of one byte, and what was there before; of any length. */
export function sampleContent(seed: number, length: number): Uint8Array {
  const random = prng(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const size = Math.min(length - at, 1 + random.below(random.pick([10, 400, 20_000])));
    const kind = random.below(4);
    if (kind === 0) bytes.set(random.bytes(size), at);
    else if (kind === 1) bytes.fill(random.below(256), at, at + size);
    else if (at > 0) bytes.set(bytes.slice(random.below(at)).subarray(0, size), at);
    at += size;
  }
  return bytes;
}
