/** Images for the tests: as they are made, and such as no tool here makes. */
import { MemoryDisk, FormatBench } from '@blk/driver-conformance';
import { vdi } from '../src/index.js';
import type { ImagePolicy } from '@blk/core-graph';

export class Bench extends FormatBench {
  constructor(policy?: ImagePolicy) {
    super(vdi, policy === undefined ? {} : { policy });
  }
}

/**
 * An image whose blocks have another size, as no tool here makes it: written down from the description of the format.
 * `entries` are those of the map; block `n` of the file is full of the byte `n + 1`.
 */
export function handMade(size: number, blockSize: number, entries: readonly number[]): MemoryDisk {
  const stored = entries.filter((entry) => entry < 0xffff_fffe);
  const dataOffset = 4096;
  const bytes = new Uint8Array(dataOffset + blockSize * (Math.max(-1, ...stored) + 1));
  const view = new DataView(bytes.buffer);
  const words: [number, number][] = [
    [0x40, 0xbeda_107f], [0x44, 0x10001], [0x48, 0x190], [0x4c, 1], [0x154, 1024], [0x158, dataOffset], [0x168, 512], [0x178, blockSize],
    [0x180, entries.length], [0x184, stored.length],
  ];
  for (const [at, value] of words) view.setUint32(at, value, true);
  view.setBigUint64(0x170, BigInt(size), true);
  entries.forEach((entry, block) => {
    view.setUint32(1024 + block * 4, entry, true);
  });
  for (const entry of stored) bytes.fill(entry + 1, dataOffset + entry * blockSize, dataOffset + (entry + 1) * blockSize);
  return new MemoryDisk({ content: bytes });
}
