/** The driver value of `copy-on-read`: a filter that leaves in its image what was read through it. */
import { BlockError, defineDriver, FilterNode, type Edge } from '@blk/core-graph';
import { CopyOnReadNode } from './node.js';

interface CopyOnReadOptions {
  readonly file: unknown;
  /** Name of the last image of the chain whose content is copied; all of it where absent. */
  readonly bottom?: string;
}

/** What is read is stored in the image below, where that does not hold it yet. */
export const copyOnRead = defineDriver<CopyOnReadOptions>({
  name: 'copy-on-read',
  role: 'filter',
  options: { bottom: { type: 'string' } },
  children: { file: 'required' },

  async open({ file: reference, bottom }, context) {
    const file = await context.child('file', reference, 'filtered');
    // Read-only, there is nothing to store into.
    if (context.readOnly) return new FilterNode(file);
    if (file.node.readOnly) throw new BlockError('read-only', 'Block node is read-only', { node: file.node.name });
    return bottom === undefined ? new CopyOnReadNode(file, undefined, []) : downTo(file, bottom);
  },
});

/** Finds the bottom in the chain, and holds what leads to it. Throws where the chain has no such image, in QEMU's words. */
function downTo(file: Edge, bottom: string): CopyOnReadNode {
  const held: Edge[] = [];
  let { node } = file;
  while (node.name !== bottom) {
    const below = node.backing ?? (node.storage?.role === 'filtered' ? node.storage : undefined);
    if (below === undefined) throw wrongBottom(`Bottom node '${bottom}' not found`);
    held.push(below);
    ({ node } = below);
  }
  if (node.settings.driver.role === 'filter') throw wrongBottom(`Bottom node '${bottom}' is a filter`);
  const taken = held.find(({ frozen }) => frozen);
  if (taken !== undefined) {
    throw new BlockError('busy', `Cannot change '${taken.name}' link from '${taken.parent.node?.name}' to '${taken.node.name}'`);
  }
  return new CopyOnReadNode(file, node, held);
}

function wrongBottom(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'copy-on-read', reason: 'copy-on-read/bottom' });
}
