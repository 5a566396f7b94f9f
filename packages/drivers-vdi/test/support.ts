/** Images for the tests: as they are made, and such as no tool here makes. */
import { FormatBench, MemoryDisk, SparseBytes } from '@blk/driver-conformance';
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
  const content = sparse(size, blockSize, entries);
  const start = content.size - blockSize * blocksIn(entries);
  for (const entry of entries) {
    if (isBlock(entry)) content.write(start + entry * blockSize, new Uint8Array(blockSize).fill(entry + 1), 0, blockSize);
  }
  return new MemoryDisk({ content });
}

/** The same without the content of the blocks. */
export function sparse(size: number, blockSize: number, entries: Iterable<number> & { readonly length: number }): SparseBytes {
  const mapBytes = Math.ceil(entries.length / 128) * 512;
  const dataOffset = Math.max(4096, 1024 + mapBytes);
  const bytes = new Uint8Array(1024 + mapBytes);
  const view = new DataView(bytes.buffer);
  let stored = 0;
  let block = 0;
  for (const entry of entries) {
    view.setUint32(1024 + block++ * 4, entry, true);
    if (isBlock(entry)) stored++;
  }
  const words: [number, number][] = [
    [0x40, 0xbeda_107f], [0x44, 0x10001], [0x48, 0x190], [0x4c, 1], [0x154, 1024], [0x158, dataOffset], [0x168, 512], [0x178, blockSize],
    [0x180, entries.length], [0x184, stored],
  ];
  for (const [at, value] of words) view.setUint32(at, value, true);
  view.setBigUint64(0x170, BigInt(size), true);
  const content = new SparseBytes();
  content.resize(dataOffset + blockSize * blocksIn(entries));
  content.write(0, bytes, 0, bytes.length);
  return content;
}

/** Blocks that the file has room for. */
function blocksIn(entries: Iterable<number>): number {
  let end = 0;
  for (const entry of entries) if (isBlock(entry)) end = Math.max(end, entry + 1);
  return end;
}

function isBlock(entry: number): boolean {
  return entry < 0xffff_fffe;
}
