/** An own look at the metadata of an image, apart from the driver's: whether every entry has a block of its own that the header counts. */
import type { MemoryDisk } from '@blk/driver-conformance';

export function checkVdiBytes(disk: MemoryDisk): void {
  const bytes = disk.toBytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const u32 = (at: number): number => view.getUint32(at, true);
  const [map, data, blockSize, blocks, allocated] = [u32(0x154), u32(0x158), u32(0x178), u32(0x180), u32(0x184)];
  const seen = new Set<number>();
  for (let block = 0; block < blocks; block++) {
    const entry = u32(map + block * 4);
    if (entry >= 0xffff_fffe) continue;
    if (entry >= allocated) throw new Error(`block ${block} is at ${entry}, the header counts ${allocated}`);
    if (seen.has(entry)) throw new Error(`two blocks at ${entry}`);
    if (data + (entry + 1) * blockSize > bytes.length) throw new Error(`block ${block} at ${entry} is beyond the end of the file`);
    seen.add(entry);
  }
}
