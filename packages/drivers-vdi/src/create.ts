/** New images: the header, the map, and for static ones the blocks. */
import type { CreateContext, Edge } from '@blk/core-graph';
import { FREE } from './block-map.js';
import { MAX_DISK, sizeError } from './errors.js';
import { newHeader, type VdiHeader } from './header.js';
import { settled } from '@blk/cluster-map';

export interface VdiCreateOptions {
  readonly static?: boolean;
}

/** Entries that are written at once. */
const PIECE = 64 * 1024;
const SECTOR = 512;

/** Throws before anything is written where the size does not fit. */
export async function createVdi(file: Edge, options: VdiCreateOptions & { readonly size: number }, { host }: CreateContext): Promise<void> {
  const size = Math.ceil(options.size / SECTOR) * SECTOR;
  if (size > MAX_DISK) throw sizeError(size);
  const header = newHeader({ size, isStatic: options.static === true }, (into) => {
    host.random(into);
  });
  await settled(file.write(0, header.bytes, 0, header.bytes.length));
  await writeMap(file, header);
  if (header.isStatic) await file.node.truncate(header.dataOffset + header.blocks * header.blockSize);
}

async function writeMap(file: Edge, { isStatic, blocks, mapOffset, dataOffset }: VdiHeader): Promise<void> {
  const room = (dataOffset - mapOffset) / 4;
  const bytes = new Uint8Array(Math.min(room, PIECE) * 4);
  const view = new DataView(bytes.buffer);
  for (let first = 0; first < room; first += PIECE) {
    const count = Math.min(PIECE, room - first);
    for (let at = 0; at < count; at++) {
      const block = first + at;
      view.setUint32(at * 4, block >= blocks ? 0 : isStatic ? block : FREE, true);
    }
    await settled(file.write(mapOffset + first * 4, bytes, 0, count * 4));
  }
}
