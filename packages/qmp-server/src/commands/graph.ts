/** Changes of the graph, in today's commands. */
import { addChild, removeChild, reopenWithOptions, type BlockNode } from '@blk/core-graph';
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { checkCreatable, makeImage } from '../jobs/create-job.js';
import { findNamed } from '../lookup.js';

export const graphChanges: CommandGroup = {
  'blockdev-reopen': async ({ options }, { server: { graph, jobs } }) => {
    const seen = new Set<BlockNode>();
    const requests = options.map(({ id: _device, rerror: _read, werror: _write, ...definition }) => {
      const name = definition['node-name'];
      if (name === undefined) throw genericError('node-name not specified');
      const node = graph.findNode(name);
      if (node === undefined) throw genericError(`Failed to find node with node-name='${name}'`);
      if (seen.has(node)) throw genericError(`Node '${name}' is there twice`);
      jobs.checkFree(node);
      seen.add(node);
      return { node, definition: definition };
    });
    await reopenWithOptions(graph, requests);
  },

  'blockdev-create': async ({ 'job-id': id, options }, { server: { graph, jobs } }) => {
    checkCreatable(options);
    await jobs.create({ id, type: 'create', autoDismiss: false }, () => ({
      run: async (control) => {
        control.progress(0, 1);
        try {
          await makeImage(graph, options, control.signal);
        } catch (error) {
          // Called off: that is its end, and not what came of it.
          const called = control.pausePoint();
          if (called !== undefined) await called;
          throw error;
        } finally {
          control.progress(1, 1);
        }
      },
    }));
  },

  'x-blockdev-change': async ({ parent, child, node }, { server: { graph } }) => {
    const above = findNamed(graph, parent);
    if (child === undefined && node === undefined) throw genericError('Either child or node must be specified');
    if (child !== undefined && node !== undefined) throw genericError('The parameters child and node are in conflict');
    if (child !== undefined) {
      await removeChild(graph, above, child);
      return;
    }
    const added = graph.findNode(node ?? '');
    if (added === undefined) throw genericError(`Node '${node ?? ''}' not found`);
    await addChild(graph, above, added);
  },
};
