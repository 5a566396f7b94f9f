/** `blockdev-snapshot-sync`: a new image, or one that is there, goes on top of a device or node. */
import { resolve } from 'node:path';
import { createImage, protocolOf, type BlockGraph, type BlockNode } from '@blk/core-graph';
import type { BlockdevSnapshot } from '@blk/qapi-types';
import { stringify } from '@blk/qapi-types/json';
import { genericError } from '../errors.js';
import { checkFree, findByEither } from '../lookup.js';
import type { TransactionAction } from '../transaction/action.js';
import { overlayAction } from './overlay-action.js';

export function snapshotSync(graph: BlockGraph, args: BlockdevSnapshot): TransactionAction {
  let overlay: BlockNode | undefined;
  const release = async (): Promise<void> => {
    if (overlay !== undefined) await graph.release(overlay);
  };
  return overlayAction(
    graph,
    async () => {
      const base = check(graph, args);
      overlay = await openOverlay(graph, base, args);
      if (overlay.backing !== undefined) {
        await release();
        throw genericError('The overlay already has a backing image');
      }
      return { base, overlay, moveBitmaps: true };
    },
    {
      dispose: release,
      // One that nobody uses stays under its name.
      settle: async () => {
        if (overlay !== undefined && overlay.parents.size > 0) await release();
      },
    },
  );
}

function check(graph: BlockGraph, args: BlockdevSnapshot): BlockNode {
  const { device, 'node-name': nodeName, 'snapshot-node-name': newName, format = 'qcow2' } = args;
  const base = findByEither(graph, device, nodeName);
  checkFree(graph, base);
  if (nodeName !== undefined && newName === undefined) throw genericError('New overlay node-name missing');
  if (newName !== undefined && (graph.findNode(newName) !== undefined || graph.backends.has(newName))) {
    throw genericError('New overlay node-name already in use');
  }
  const driver = graph.drivers.get(format);
  if (driver === undefined) throw genericError(`Unknown file format '${format}'`);
  if (driver.backing !== true) {
    throw genericError(args.mode === 'existing' ? 'The overlay does not support backing images' : `Backing file not supported for file format '${format}'`);
  }
  return base;
}

async function openOverlay(graph: BlockGraph, base: BlockNode, args: BlockdevSnapshot): Promise<BlockNode> {
  const { 'snapshot-file': filename, 'snapshot-node-name': nodeName, format = 'qcow2', mode = 'absolute-paths' } = args;
  if (mode === 'absolute-paths') {
    const options = { backing_file: backingName(base), backing_fmt: base.driverName };
    // The base is open already, and nobody else may look at it.
    await createImage(graph, filename, { format, size: base.size, options, unsafe: true });
  }
  const { cache, discard } = base.settings;
  return graph.open(filename, {
    format,
    readOnly: base.readOnly,
    cache,
    discard,
    noBacking: true,
    ...(nodeName === undefined ? {} : { nodeName }),
  });
}

/** The name by which the overlay records the base: a path from the root, a URI, or the options of an image that has neither. */
export function backingName(base: BlockNode): string {
  const { filename } = base;
  if (filename !== '' && !filename.startsWith('json:')) return protocolOf(filename) === undefined ? resolve(filename) : filename;
  return `json:${stringify(definitionOf(base))}`;
}

function definitionOf(node: BlockNode): Record<string, unknown> {
  const definition: Record<string, unknown> = { driver: node.driverName };
  for (const [name, value] of Object.entries(node.settings.options)) {
    if (name === 'node-name' || name === 'read-only') continue;
    const child = node.children.get(name)?.node;
    // A child has a definition of its own, however it was named.
    definition[name] = child === undefined ? value : definitionOf(child);
  }
  return definition;
}
