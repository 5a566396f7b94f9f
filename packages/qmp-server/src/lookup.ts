/** Finding what a command names: a device, a node, or either. */
import type { Backend, BlockGraph, BlockNode } from '@blk/core-graph';
import { deviceNotFound, genericError } from './errors.js';

/** The device of this name. Throws class `DeviceNotFound`. */
export function findDevice(graph: BlockGraph, name: string): Backend {
  const backend = graph.backends.get(name);
  if (backend === undefined) throw deviceNotFound(name);
  return backend;
}

/** The node in the device of this name. Throws class `DeviceNotFound`, or says that there is no medium. */
function nodeInDevice(graph: BlockGraph, name: string): BlockNode {
  return findDevice(graph, name).root;
}

/** The node that exactly one of the two names means. */
export function findByEither(graph: BlockGraph, device: string | undefined, nodeName: string | undefined): BlockNode {
  if (device !== undefined && nodeName !== undefined) throw genericError("Only one of 'device' and 'node-name' may be given");
  if (nodeName !== undefined) return graph.node(nodeName);
  if (device === undefined) throw genericError("Cannot find device='' nor node-name=''");
  return nodeInDevice(graph, device);
}

/** The node of this name, or the one in the device of this name: names that mean either. */
export function findNamed(graph: BlockGraph, name: string): BlockNode {
  const backend = graph.backends.get(name);
  if (backend !== undefined) return backend.root;
  const node = graph.findNode(name);
  if (node === undefined) throw genericError(`Cannot find device='${name}' nor node-name='${name}'`);
  return node;
}

/** As `findNamed`, for commands that know devices only in 2.4, and say `DeviceNotFound` there. */
export function findDeviceOrNode(graph: BlockGraph, name: string): BlockNode {
  const node = graph.backends.get(name)?.root ?? graph.findNode(name);
  if (node === undefined) throw deviceNotFound(name);
  return node;
}

/** Throws, in QEMU's words, for an image whose size or place can't change now: a job works on it, or other images rest on it. */
export function checkFree(graph: BlockGraph, node: BlockNode): void {
  graph.checkFree(node);
  checkUppermost(node);
}

/** Throws, in QEMU's words, for an image that other images rest on. */
export function checkUppermost(node: BlockNode): void {
  for (const { role, parent } of node.parents) {
    if (role === 'backing') throw genericError(`Node '${node.name}' is busy: node is used as backing hd of '${parent.node?.name ?? ''}'`);
  }
}

/** As `findDeviceOrNode`, for what concerns a disk as a whole: no other node may stand on it. */
export function findRoot(graph: BlockGraph, name: string): BlockNode {
  const node = findDeviceOrNode(graph, name);
  for (const { parent } of node.parents) if (parent.node !== undefined) throw genericError('Need a root block node');
  return node;
}
