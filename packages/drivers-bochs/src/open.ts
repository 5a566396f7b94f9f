/** From a file to an open image. */
import { settled } from '@blk/cluster-map';
import type { DriverNode, Edge, OpenContext } from '@blk/core-graph';
import { bochsError } from './errors.js';
import { Extents } from './extents.js';
import { ENTRY_BYTES, HEADER_BYTES, parseHeader } from './header.js';
import { BochsNode } from './node.js';

export async function openBochs(file: Edge, { policy }: OpenContext): Promise<DriverNode> {
  const bytes = new Uint8Array(Math.min(HEADER_BYTES, file.size));
  await settled(file.read(0, bytes, 0, bytes.length));
  const header = parseHeader(bytes);
  const length = header.entries * ENTRY_BYTES;
  const end = header.catalogOffset + length;
  if (end > file.size) throw bochsError({ what: 'truncated', end, fileSize: file.size });
  if (length > policy.maxMetadataBytes) throw bochsError({ what: 'table-memory', bytes: length, allowed: policy.maxMetadataBytes });
  const table = new Uint8Array(length);
  await settled(file.read(header.catalogOffset, table, 0, length));
  const view = new DataView(table.buffer);
  const catalog = new Uint32Array(header.entries);
  for (let index = 0; index < catalog.length; index++) catalog[index] = view.getUint32(index * ENTRY_BYTES, true);
  return new BochsNode(file, new Extents(file, header, catalog), header.size);
}
