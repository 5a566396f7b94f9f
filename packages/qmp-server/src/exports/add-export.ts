/** An export as `block-export-add` and `--export` describe it. */
import type { BlockExportOptions } from '@blk/qapi-types';
import { isIdentifier } from '../blockdev.js';
import { genericError } from '../errors.js';
import type { BlkServer } from '../server.js';
import { exportBitmaps } from './export-bitmaps.js';

export function addExport({ graph, exports }: BlkServer, options: BlockExportOptions): void {
  const { id, 'node-name': node, description, bitmaps } = options;
  if (!isIdentifier(id)) throw genericError('Invalid block export id');
  // A device is found by its name as well: its policies then hold for the clients.
  const source = graph.findNode(node) === undefined ? graph.backends.get(node) : undefined;
  exports.add({
    id,
    source: source ?? { node },
    name: options.name ?? node,
    writable: options.writable ?? false,
    writeThrough: options.writethrough ?? false,
    allocationDepth: options['allocation-depth'] ?? false,
    ...(description === undefined ? {} : { description }),
    ...(bitmaps === undefined ? {} : { bitmaps: exportBitmaps(graph, source?.root ?? graph.node(node), bitmaps) }),
  });
}
