/** Encrypted images that are open without their key: recognised, and given one. */
import { reopenNodes, type BlockGraph, type BlockNode, type NodeSettings, type Reopening } from '@blk/core-graph';
import type { Objects } from './objects.js';

/** Whether the image is encrypted, and open only for its metadata until somebody gives a password. */
export async function lacksKey(node: BlockNode): Promise<boolean> {
  return node.settings.opened.state.noIo && (await isEncrypted(node));
}

export async function isEncrypted(node: BlockNode): Promise<boolean> {
  return (await node.driver.info?.())?.encrypted === true;
}

/** Opens the image in place with a password. Throws, with the image as it was, where that is known to be the wrong one. */
export async function unlock(graph: BlockGraph, objects: Objects, node: BlockNode, password: string): Promise<void> {
  const secret = objects.hide(new TextEncoder().encode(password));
  try {
    const changes: Reopening[] = [];
    for (const edge of node.children.values()) {
      if (edge.role !== 'backing' && edge.node.settings.opened.state.noIo) changes.push({ node: edge.node, settings: forUse(edge.node.settings) });
    }
    const settings = forUse(node.settings);
    const { options } = settings.opened;
    const encrypt = { ...(options.encrypt as object | undefined), 'key-secret': secret };
    changes.push({ node, settings: { ...settings, opened: { ...settings.opened, options: { ...options, encrypt } } } });
    await reopenNodes(graph, changes);
  } catch (error) {
    objects.forget(secret);
    throw error;
  }
}

function forUse(settings: NodeSettings): NodeSettings {
  const { opened } = settings;
  return { ...settings, opened: { ...opened, state: { ...opened.state, noIo: false } } };
}
