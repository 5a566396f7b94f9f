/** Opening a node's image once more, with other rights: what it was opened with, as a definition of its own. */
import { BlockNode, type Definition } from '@blk/core-graph';

/** A definition of the image that `node` is, children and all, but for its backing file: that comes from the image. */
export function definitionAgain(node: BlockNode): Definition {
  const { driver, options } = node.settings;
  const again: Record<string, unknown> = { driver: driver.name };
  for (const [name, value] of Object.entries(options)) {
    if (name === 'node-name' || name === 'read-only' || name === 'backing') continue;
    again[name] = value instanceof BlockNode ? definitionAgain(value) : value;
  }
  return again;
}
