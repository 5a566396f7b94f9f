/** Moving blocks from the end of the file into places that nobody uses. At every moment each entry refers to a block with its content. */
import { settled } from '@blk/cluster-map';
import type { CheckOptions } from '@blk/core-graph';
import { isStored, type UsedBlocks } from './block-map.js';
import type { CheckTarget } from './check.js';
import { withAllocated } from './header.js';

const PIECE = 1024 * 1024;
/** Blocks of the file whose owners are looked for in one go through the map. */
const BATCH = 1024 * 1024;

/** `used`: the blocks in use, each by one entry. Writes the number of blocks that is right afterwards. */
export async function compact(target: CheckTarget, used: UsedBlocks, pause: CheckOptions['pause']): Promise<void> {
  const { file, header } = target;
  const { bits, end } = used;
  let hole = 0;
  let last = end - 1;
  let first = end;
  let owners = new Uint32Array(0);
  const count = async (allocated: number): Promise<void> => {
    const counted = withAllocated(target.header, allocated);
    await settled(file.write(0, counted.bytes, 0, counted.bytes.length));
    await settled(file.flush());
    target.header = counted;
  };
  // Before anything refers to a block, the header counts it.
  if (header.allocated < end) await count(end);
  for (;;) {
    while (bits.has(hole)) hole++;
    while (last >= 0 && !bits.has(last)) last--;
    if (hole > last) break;
    await settled(pause?.());
    if (last < first) {
      first = Math.max(0, last + 1 - BATCH);
      owners = await ownersOf(target, first, last + 1);
    }
    await copyBlock(target, last, hole);
    await settled(file.flush());
    await setEntry(target, owners[last - first], hole);
    bits.add(hole);
    bits.delete(last);
  }
  if (target.header.allocated !== hole) await count(hole);
}

/** Which block of the disk each block of the file from `from` up to `end` belongs to. */
async function ownersOf({ map, header }: CheckTarget, from: number, end: number): Promise<Uint32Array<ArrayBuffer>> {
  const owners = new Uint32Array(end - from);
  await map.walk(header.blocks, (page, first, stop) => {
    for (let block = first; block < stop; block++) {
      const entry = page.low(block - first);
      if (isStored(entry) && entry >= from && entry < end) owners[entry - from] = block;
    }
  });
  return owners;
}

/** On stable storage afterwards. */
async function setEntry({ file, map }: CheckTarget, block: number, entry: number): Promise<void> {
  const page = map.pageOf(block);
  if (map.peek(page) === undefined) await map.load(page);
  map.peek(page)?.setHalves(block - map.firstOf(page), entry, 0);
  const pieces = map.takeDirty();
  let written = false;
  try {
    for (const { page: { hostOffset }, offset, bytes } of pieces) await settled(file.write(hostOffset + offset, bytes, 0, bytes.length));
    await settled(file.flush());
    written = true;
  } finally {
    map.settle(pieces, written);
  }
}

async function copyBlock({ file, header }: CheckTarget, from: number, to: number): Promise<void> {
  const { blockSize, dataOffset } = header;
  const buffer = new Uint8Array(Math.min(PIECE, blockSize));
  for (let at = 0; at < blockSize; at += buffer.length) {
    const length = Math.min(buffer.length, blockSize - at);
    await settled(file.read(dataOffset + from * blockSize + at, buffer, 0, length));
    await settled(file.write(dataOffset + to * blockSize + at, buffer, 0, length));
  }
}
