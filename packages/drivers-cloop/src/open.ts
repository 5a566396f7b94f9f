/** From a file to an open image. */
import { settled } from '@blk/cluster-map';
import type { DriverNode, Edge, OpenContext } from '@blk/core-graph';
import { Blocks } from './blocks.js';
import { cloopError } from './errors.js';
import { ENTRY_BYTES, HEADER_BYTES, parseHeader, parseOffsets, tableBytes } from './header.js';
import { CloopNode } from './node.js';

/** Bytes of the table that are read at once. */
const PIECE = 1024 * 1024;

export async function openCloop(file: Edge, cacheSize: number, { policy }: OpenContext): Promise<DriverNode> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await settled(file.read(0, bytes, 0, bytes.length));
  const { blockSize, blocks } = parseHeader(bytes);
  const table = tableBytes(blocks);
  const end = HEADER_BYTES + table;
  if (end > file.size) throw cloopError({ what: 'truncated', thing: 'The table of offsets', end, fileSize: file.size });
  if (table > policy.maxMetadataBytes) throw cloopError({ what: 'table-memory', bytes: table, allowed: policy.maxMetadataBytes });
  const offsets = new Float64Array(blocks + 1);
  for (let at = 0; at < table; at += PIECE) {
    const piece = new Uint8Array(Math.min(PIECE, table - at));
    await settled(file.read(HEADER_BYTES + at, piece, 0, piece.length));
    parseOffsets(piece, offsets, at / ENTRY_BYTES);
  }
  return new CloopNode(new Blocks(file, offsets, blockSize), blocks * blockSize, cacheSize);
}
