/** Moving blocks from the end of the file into places that nobody uses. At every moment each entry refers to a block with its content. */
import type { CheckOptions } from '@blk/core-graph';
import type { CheckTarget } from './check.js';
import { withAllocated } from './header.js';
import { settled, type Bits } from '@blk/cluster-map';
import { isStored } from './run.js';

const PIECE = 1024 * 1024;

/** `used`: the blocks in use, each by one entry, all below `end`. Writes the number of blocks that is right afterwards. */
export async function compact(target: CheckTarget, used: Bits, end: number, pause: CheckOptions['pause']): Promise<void> {
  const { file, map, header } = target;
  const owners = ownersOf(target, end);
  let hole = 0;
  let last = end - 1;
  const count = async (allocated: number): Promise<void> => {
    const counted = withAllocated(target.header, allocated);
    await settled(file.write(0, counted.bytes, 0, counted.bytes.length));
    await settled(file.flush());
    target.header = counted;
  };
  // Before anything refers to a block, the header counts it.
  if (header.allocated < end) await count(end);
  for (;;) {
    while (used.has(hole)) hole++;
    while (last >= 0 && !used.has(last)) last--;
    if (hole > last) break;
    const waiting = pause?.();
    if (waiting !== undefined) await waiting;
    await copyBlock(target, last, hole);
    await settled(file.flush());
    map.set(owners[last], hole);
    for (const { offset, bytes } of map.takeDirty()) await settled(file.write(header.mapOffset + offset, bytes, 0, bytes.length));
    await settled(file.flush());
    used.add(hole);
    used.delete(last);
  }
  if (target.header.allocated !== hole) await count(hole);
}

/** Which block of the disk each block of the file belongs to. */
function ownersOf({ map }: CheckTarget, end: number): Uint32Array {
  const owners = new Uint32Array(end);
  for (let block = 0; block < map.length; block++) if (isStored(map.get(block))) owners[map.get(block)] = block;
  return owners;
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
