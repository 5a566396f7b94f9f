/** Creating an image in a node that is open. */
import type { CreateContext } from './driver-context.js';
import { Backend } from './backend.js';
import { openNamed } from './create.js';
import { BlockError } from './errors.js';
import { Permission } from './flags.js';
import type { BlockGraph } from './graph.js';
import type { BlockNode } from './node.js';
import { resolveReference } from './open/filename.js';
import { checkOptions } from './options/spec.js';

export interface CreateInNodeRequest {
  readonly format: string;
  /** Bytes. */
  readonly size: number;
  /** The format's own options. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Takes further files that the image needs: an external data file. */
  readonly dataFile?: BlockNode | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Makes an image in `node`, whose content is lost; where the options will not do, that is found out before. Throws kind `busy` where
 * others use the node. What can't be made shorter (a device) is written over.
 */
export async function createInNode(graph: BlockGraph, node: BlockNode, request: CreateInNodeRequest): Promise<void> {
  const { format, size, signal, dataFile } = request;
  const driver = graph.driver(format);
  if (driver.create === undefined) throw new BlockError('unsupported', `Format driver '${format}' does not support image creation`);
  const table = Object.fromEntries(Object.entries(driver.createOptions ?? {}).map(([name, spec]) => [name, spec.type]));
  const own = { ...checkOptions({ ...request.options }, table, (option) => `Invalid parameter '${option}'`), size };
  driver.checkCreate?.(own);
  const holders: Backend[] = [];
  const named: BlockNode[] = [];
  const hold = (held: BlockNode): Backend => {
    const holder = Backend.over(graph, held, { description: 'image creation', writable: true, resizable: true, shared: Permission.None });
    holders.push(holder);
    return holder;
  };
  const context: CreateContext = {
    file: async (name) => {
      if (dataFile === undefined) throw new BlockError('invalid-argument', `No node was given for the file '${name}'`);
      const edge = hold(dataFile).edge;
      if (dataFile.driver.growable === true) await dataFile.truncate(0);
      return edge as NonNullable<typeof edge>;
    },
    image: (name, wanted) => openNamed(graph, resolveReference(node.filename, name), wanted, named),
    pool: graph.pool,
    host: graph.host,
    signal,
    work: { signal },
    secret: graph.secret,
  };
  try {
    const { edge } = hold(node);
    if (node.driver.truncate !== undefined && node.driver.growable === true) await node.truncate(0);
    else await clearHead(node);
    await driver.create(edge as NonNullable<typeof edge>, own, context);
    for (const { root } of holders) {
      const done = root.flush();
      if (done !== undefined) await done;
    }
  } finally {
    for (const holder of holders) await holder.detach();
    for (const opened of named) await graph.release(opened);
  }
}

const HEAD = 512;

/** No header of old stays where the new image writes none. */
async function clearHead(node: BlockNode): Promise<void> {
  const length = Math.min(node.size, HEAD);
  const done = node.write(0, new Uint8Array(length), 0, length);
  if (done !== undefined) await done;
}
