/** Nodes and devices: added, removed, resized, watched. */
import { Backend, type BlockGraph, type BlockNode } from '@blk/core-graph';
import { toSafeInteger, validateCommandArguments, validateType, type BlockdevOptions } from '@blk/qapi-types';
import { addBlockdev } from '../blockdev.js';
import type { CommandGroup } from '../dispatch.js';
import { deviceNotFound, genericError } from '../errors.js';
import { checkFree, checkUppermost, findByEither } from '../lookup.js';

export const blockdev: CommandGroup = {
  'blockdev-add': {
    // 2.4 wraps the options; today's clients send them as they are, and know no `id`.
    read: (args) => (isToday(args) ? { options: readToday(args) } : validateCommandArguments('blockdev-add', args)),
    run: async ({ options }, { server }) => {
      await addBlockdev(server.graph, options, "'id' and/or 'node-name' need to be specified for the root node");
    },
  },

  'blockdev-del': async ({ 'node-name': name }, { server: { graph } }) => {
    const node = graph.findNode(name);
    if (node === undefined) throw genericError(`Failed to find node with node-name='${name}'`);
    // Of what a job copies to, or has put over its disk, the reference says no more than that it is used.
    if (isJobsOwn(node)) checkUppermost(node);
    else checkFree(graph, node);
    // The reference calls it a block device where only other nodes use it.
    if ([...node.parents].some(({ parent }) => parent.node === undefined)) throw genericError(`Node ${name} is in use`);
    if (node.parents.size > 0) throw genericError(`Block device ${name} is in use`);
    if (!graph.isOwned(node)) throw genericError(`Node ${name} is not owned by the monitor`);
    if (!node.readOnly && !node.closed) {
      const flushed = node.flush();
      if (flushed !== undefined) await flushed;
    }
    await graph.release(node);
  },

  block_resize: async ({ device, 'node-name': nodeName, size }, { server: { graph } }) => {
    const node = findByEither(graph, device, nodeName);
    checkUnused(graph, node, device ?? nodeName ?? '');
    if (size < 0) throw genericError("Parameter 'size' expects a >0 size");
    const bytes = toSafeInteger(size, 'size');
    if (node.driver.truncate === undefined) throw genericError('Image format driver does not support resize');
    const resizer = Backend.over(graph, node, { description: 'block_resize', resizable: true });
    try {
      await resizer.truncate(bytes, { preallocation: 'off', shrink: true });
    } finally {
      await resizer.detach();
    }
  },

  'block-set-write-threshold': ({ 'node-name': name, 'write-threshold': threshold }, { server: { graph } }) => {
    const node = graph.findNode(name);
    if (node === undefined) throw deviceNotFound(name);
    node.writeThreshold = toSafeInteger(threshold, 'write-threshold');
    node.updatePaths();
  },
};

/** A job's target, or its filter. */
function isJobsOwn(node: BlockNode): boolean {
  const { role } = node.settings.driver;
  return [...node.parents].some(({ name }) => name === 'target' || (name === 'main node' && role === 'filter'));
}

/** As `checkFree`, in the words of a command that has always said it like this. */
function checkUnused(graph: BlockGraph, node: BlockNode, name: string): void {
  try {
    checkFree(graph, node);
  } catch (error) {
    throw genericError(`Device '${name}' is in use`, error);
  }
}

/** Whether the arguments are the options themselves. */
function isToday(args: unknown): boolean {
  return typeof args === 'object' && args !== null && Object.hasOwn(args, 'driver') && !Object.hasOwn(args, 'options');
}

function readToday(args: unknown): BlockdevOptions {
  const options = validateType('BlockdevOptions', args);
  if (options.id === undefined && options['node-name'] === undefined) {
    throw genericError("'node-name' must be specified for the root node");
  }
  return options;
}
