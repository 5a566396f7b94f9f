/** Adding block devices and nodes: the part that `blockdev-add`, `--blockdev` and the embedder's call have in common. */
import { Backend, BlockError, type BackendOptions, type BlockGraph, type BlockNode, type Definition, type OnError, type OpenOptions } from '@blk/core-graph';
import type { BlockdevOnError, BlockdevOptions } from '@blk/qapi-types';
import { genericError } from './errors.js';

/** What becomes of a failed request of a device where its definition does not say. */
export const DEFAULT_ON_ERROR: OnError = 'report';

/**
 * Opens what checked options describe: with an `id` a device, which lives as long as the server; else a node that is
 * held by its name until `blockdev-del`. `noName`: what is said where neither name is given.
 */
export async function addBlockdev(
  graph: BlockGraph,
  options: BlockdevOptions,
  noName = "'node-name' must be specified for the root node",
): Promise<Backend | BlockNode> {
  const { id, rerror, werror, ...definition } = options;
  if (id === undefined) {
    if (definition['node-name'] === undefined) throw genericError(noName);
    const policy = rerror === undefined ? (werror === undefined ? undefined : 'werror') : 'rerror';
    if (policy !== undefined) throw genericError(`Parameter '${policy}' belongs to a device and needs an 'id'`);
    return graph.open(definition);
  }
  return openDevice(graph, definition, { id, rerror, werror, writeThrough: definition.cache?.writeback === false });
}

/** What a device has beyond its node. */
export interface DeviceOptions {
  readonly id: string;
  readonly rerror?: BlockdevOnError | undefined;
  readonly werror?: BlockdevOnError | undefined;
  /** Writes are answered when they are on stable storage. */
  readonly writeThrough?: boolean;
  /** An encrypted image without a key is opened for its metadata alone; `block_passwd` brings the key. */
  readonly passwordLater?: boolean;
}

/** Opens a device by definition or file name. Throws, with nothing left open, where its name or policies are wrong. */
export async function openDevice(
  graph: BlockGraph,
  source: string | Definition,
  device: DeviceOptions,
  open: OpenOptions = {},
): Promise<Backend> {
  const options = { ...open, ...backendOptions(graph, device) };
  if (device.passwordLater !== true) return graph.openBackend(source, options);
  return openLocked((noIo) => graph.openBackend(source, { ...options, noIo }));
}

/** Makes a device without a medium. */
export function emptyDevice(graph: BlockGraph, device: DeviceOptions): Backend {
  return Backend.empty(graph, backendOptions(graph, device));
}

function backendOptions(graph: BlockGraph, device: DeviceOptions): BackendOptions & { readonly name: string } {
  checkId(graph, device.id);
  if (device.rerror === 'enospc') throw genericError(`'enospc' invalid read error action`);
  return {
    name: device.id,
    readError: device.rerror ?? DEFAULT_ON_ERROR,
    writeError: device.werror ?? DEFAULT_ON_ERROR,
    writeThrough: device.writeThrough ?? false,
  };
}

/** Opens an image, for its metadata alone where it is encrypted and no key is given: `block_passwd` brings it. */
export async function openLocked<T>(open: (noIo: boolean) => Promise<T>): Promise<T> {
  try {
    return await open(false);
  } catch (error) {
    if (!(error instanceof BlockError) || error.context.reason !== 'qcow2/no-secret') throw error;
    return open(true);
  }
}

/** Throws for a name that is none, or taken: better before an image was opened than after. */
function checkId(graph: BlockGraph, id: string): void {
  if (!isIdentifier(id)) throw genericError(IDENTIFIER_TEXT);
  if (graph.backends.has(id)) throw genericError(`Device with id '${id}' already exists`);
  if (graph.findNode(id) !== undefined) throw genericError(`Device name '${id}' conflicts with an existing node name`);
}

/** Whether QEMU takes the text as the name of a thing. */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(text);
}

/** The refusal of other texts. */
export const IDENTIFIER_TEXT =
  "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.";
