/** From a file to an open image: the header, then the map, each checked before it is believed. */
import { CheckOnlyNode } from '@blk/cluster-map';
import type { DriverNode, Edge, OpenContext } from '@blk/core-graph';
import { BlockMap } from './block-map.js';
import { checkVdi } from './check.js';
import { vdiError } from './errors.js';
import { HEADER_BYTES, parseHeader, type VdiHeader } from './header.js';
import { VdiImage } from './image.js';
import { VdiNode } from './node.js';

export async function openVdi(file: Edge, context: OpenContext): Promise<DriverNode> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await file.read(0, bytes, 0, bytes.length);
  const header = parseHeader(bytes);
  const map = await readMap(file, header, context.policy.maxMetadataBytes);
  const { readOnly } = context;
  if (context.checking) {
    const target = { file, header, map };
    return new CheckOnlyNode({ driver: 'vdi', file, size: header.size, readOnly, check: (options) => checkVdi(target, options) });
  }
  return new VdiNode(new VdiImage(file, header, map, readOnly));
}

async function readMap(file: Edge, { blocks, mapOffset }: VdiHeader, limit: number): Promise<BlockMap> {
  const length = blocks * 4;
  if (mapOffset + length > file.size) throw vdiError({ what: 'map-truncated', end: mapOffset + length, fileSize: file.size });
  if (length > limit) throw vdiError({ what: 'map-memory', bytes: length, limit });
  const bytes = new Uint8Array(length);
  if (length > 0) await file.read(mapOffset, bytes, 0, length);
  return new BlockMap(bytes);
}
