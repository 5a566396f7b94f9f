/** From a file to an open image: the header, then every entry of the map, each checked before it is believed. */
import { checkInUse, CheckOnlyNode, MappedImage, mappedNode, settled, SpaceInHoles } from '@blk/cluster-map';
import type { CheckOptions, DriverImageInfo, DriverNode, Edge, OpenContext } from '@blk/core-graph';
import { blockMap, hostEnd, isStored, UsedBlocks } from './block-map.js';
import { checkVdi, type CheckTarget } from './check.js';
import { vdiError } from './errors.js';
import { HEADER_BYTES, parseHeader, withAllocated } from './header.js';

/** `budget`: most bytes of the map in memory. */
export async function openVdi(file: Edge, budget: number | undefined, context: OpenContext): Promise<DriverNode> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await settled(file.read(0, bytes, 0, bytes.length));
  const header = parseHeader(bytes);
  const { readOnly, policy } = context;
  const target: CheckTarget = { file, header, map: blockMap(file, header, budget), limit: policy.maxMetadataBytes };
  if (context.checking) {
    return new CheckOnlyNode({ driver: 'vdi', file, size: header.size, readOnly, check: (options) => checkVdi(target, options) });
  }
  const { bits, end } = await usedBlocks(target);
  const { blocks: most, blockSize, dataOffset: start, size } = header;
  const space = new SpaceInHoles(file, { start, unit: blockSize, most }, bits, end);
  const image = new MappedImage({
    driver: 'vdi', file, size, clusterSize: blockSize, tables: target.map, space, readOnly,
    // Entries on disk never refer to a block that the header leaves to the next who needs one.
    beforeTables: () => countBlocks(target, space.end),
  });
  return mappedNode(image, {
    info: (): DriverImageInfo => ({ clusterSize: blockSize, dirty: false }),
    check: (options: CheckOptions) => checkInUse(() => image.flush(), (how) => checkVdi(target, how), options, 'vdi'),
  });
}

/** Every entry refers to a block of its own, inside the file. */
async function usedBlocks({ file, header, map, limit }: CheckTarget): Promise<UsedBlocks> {
  const { blocks } = header;
  const used = new UsedBlocks(header, limit);
  await map.walk(blocks, (page, first, stop) => {
    for (let block = first; block < stop; block++) {
      const entry = page.low(block - first);
      if (!isStored(entry)) continue;
      if (entry >= blocks) throw vdiError({ what: 'block-range', block, found: entry, blocks });
      const end = hostEnd(header, block, entry);
      if (end > file.size) throw vdiError({ what: 'block-beyond-end', block, end, fileSize: file.size });
      if (!used.add(entry)) throw vdiError({ what: 'block-shared', block, found: entry });
    }
  });
  return used;
}

/** A flush has to follow. At worst, the header counts blocks that nothing refers to. */
async function countBlocks(target: CheckTarget, allocated: number): Promise<void> {
  if (target.header.allocated === allocated) return;
  const counted = withAllocated(target.header, allocated);
  await settled(target.file.write(0, counted.bytes, 0, counted.bytes.length));
  target.header = counted;
}
