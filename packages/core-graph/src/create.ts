/** Creating images: the file by its protocol, the format in it, the backing file looked at first. */
import type { BlockDriver } from './driver.js';
import type { CreateContext } from './driver-context.js';
import type { Edge } from './edge.js';
import { Backend } from './backend.js';
import { BlockError, messageOf } from './errors.js';
import { checkCreation } from './face-arguments.js';
import { MAX_SIZE, Permission } from './flags.js';
import type { BlockGraph } from './graph.js';
import type { BlockNode } from './node.js';
import { checkOptions, type OptionTable } from './options/spec.js';
import { resolveReference } from './open/filename.js';
import { protocolDefinition } from './open/open-filename.js';

export interface CreateRequest {
  readonly format: string;
  /** Bytes; may be left out where a backing file tells it. */
  readonly size?: number;
  /** The format's own options, as `-o` names them; `backing_file` and `backing_fmt` are among them. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Do not open the backing file to see whether it is there (`-u`). */
  readonly unsafe?: boolean;
  readonly signal?: AbortSignal;
  /** How far preallocation is; bytes. */
  readonly progress?: (done: number, total: number) => void;
}

/** What was made: the size, and the options in their checked form. */
export interface CreateResult {
  readonly size: number;
  readonly options: Readonly<Record<string, unknown>>;
}

export async function createImage(graph: BlockGraph, filename: string, request: CreateRequest): Promise<CreateResult> {
  checkCreation(filename, request);
  const format = graph.drivers.get(request.format);
  if (format === undefined) throw new BlockError('invalid-argument', `Unknown file format '${request.format}'`);
  const protocol = await protocolOfName(graph, filename);
  if (format.create === undefined && format !== protocol) {
    throw new BlockError('unsupported', `Format driver '${format.name}' does not support image creation`);
  }
  const tables = { ...createTable(protocol), ...createTable(format) };
  const options = checkOptions({ ...request.options }, tables, (option) => `Invalid parameter '${option}'`);
  const size = request.size ?? (await backingSize(graph, filename, options));
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new BlockError('invalid-argument', `Image size ${size} is not between 0 and ${MAX_SIZE} bytes`);
  }
  if (request.unsafe !== true && request.size !== undefined) await backingSize(graph, filename, options, true);
  const lent: Lent[] = [];
  const named: BlockNode[] = [];
  const made: string[] = [];
  const { signal, progress } = request;
  const context: CreateContext = {
    file: async (name) => {
      await makeFile(graph, await protocolOfName(graph, name), name, { size: 0 }, context);
      made.push(name);
      return lend(graph, name, lent);
    },
    image: (name, wanted) => openNamed(graph, resolveReference(filename, name), wanted, named),
    pool: graph.pool,
    host: graph.host,
    signal,
    work: { signal, ...(progress === undefined ? {} : { progress }) },
    secret: graph.secret,
  };
  const forProtocol = only(options, protocol.createOptions);
  if (format.create === undefined || (format.plain === true && protocol.createFile !== undefined)) {
    await makeFile(graph, protocol, filename, { ...forProtocol, size }, context);
    return { size, options };
  }
  const own = { ...only(options, format.createOptions), size };
  format.checkCreate?.(own);
  await makeFile(graph, protocol, filename, { ...only(options, protocol.createOptions, format.createOptions), size: 0 }, context);
  const edge = await lend(graph, filename, lent);
  let failure: { readonly error: unknown } | undefined;
  try {
    await format.create(edge, own, context);
    for (const { node } of lent) {
      const done = node.flush();
      if (done !== undefined) await done;
    }
  } catch (error) {
    failure = { error: tooSmall(edge.node, error) };
  }
  for (const { backend, node } of lent) {
    try {
      await backend.detach();
      await graph.release(node);
    } catch (error) {
      failure ??= { error };
    }
  }
  for (const node of named) await graph.release(node);
  if (failure === undefined) return { size, options };
  // Half an image is none. What failed first says more than a file that can't be removed.
  await protocol.removeFile?.(filename).catch(() => undefined);
  for (const name of made) {
    const maker = await protocolOfName(graph, name);
    const removed = maker.removeFile?.(name).catch(() => undefined);
    if (removed !== undefined) await removed;
  }
  throw failure.error;
}

/** An image that a new one will name; whoever opens it releases what is in `named`. */
export async function openNamed(graph: BlockGraph, filename: string, format: string | undefined, named: BlockNode[]): Promise<BlockNode> {
  const node = await graph.open(filename, { readOnly: true, noBacking: true, ...(format === undefined ? {} : { format }) });
  named.push(node);
  return node;
}

const SECTOR = 512;

/** A file that is open for the time of a creation. */
interface Lent {
  readonly node: BlockNode;
  readonly backend: Backend;
}

async function lend(graph: BlockGraph, filename: string, lent: Lent[]): Promise<Edge> {
  const node = await graph.open(await protocolDefinition(graph, filename), { discard: true });
  const backend = Backend.over(graph, node, { description: 'image creation', writable: true, resizable: true, shared: Permission.None });
  lent.push({ node, backend });
  return backend.edge as Edge;
}

/** What was written behind the end of a device says less than that the device is too small. */
function tooSmall({ size, driver: { growable } }: BlockNode, error: unknown): unknown {
  if (growable === true || !(error instanceof BlockError) || error.kind !== 'out-of-range') return error;
  return new BlockError('no-space', `Too small for the image: there are ${size} bytes, and no more can be added`, error.context, error);
}

async function protocolOfName(graph: BlockGraph, filename: string): Promise<BlockDriver> {
  const { driver } = await protocolDefinition(graph, filename);
  return graph.driver(String(driver));
}

async function makeFile(
  graph: BlockGraph,
  protocol: BlockDriver,
  filename: string,
  options: Record<string, unknown> & { readonly size: number },
  context: CreateContext,
): Promise<void> {
  if (protocol.createFile === undefined) await takeFile(graph, protocol, filename, options.size);
  else await protocol.createFile(filename, options, context);
}

/** Where a protocol makes no files, what is there already serves, if it has or gets room for `size` bytes. No header of old stays in it. */
async function takeFile(graph: BlockGraph, protocol: BlockDriver, filename: string, size: number): Promise<void> {
  const lent: Lent[] = [];
  let edge: Edge;
  try {
    edge = await lend(graph, filename, lent);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    const why = `Protocol driver '${protocol.name}' does not support image creation, and opening the image failed: ${messageOf(error)}`;
    throw new BlockError(error.kind, why, error.context, error);
  }
  try {
    const { node } = edge;
    if (size > node.size) await node.truncate(size);
    const head = Math.min(node.size, SECTOR);
    const written = head === 0 ? undefined : edge.write(0, new Uint8Array(head), 0, head);
    if (written !== undefined) await written;
  } finally {
    for (const { backend, node } of lent) {
      await backend.detach();
      await graph.release(node);
    }
  }
}

/** Size of the backing file that the options name; its absence is an error where the size is needed. */
async function backingSize(
  graph: BlockGraph,
  filename: string,
  options: Record<string, unknown>,
  optional = false,
): Promise<number> {
  const { backing_file: backing, backing_fmt: backingFormat } = options;
  if (typeof backing !== 'string' || backing === '') {
    if (optional) return 0;
    throw new BlockError('invalid-argument', 'Image creation needs a size parameter');
  }
  const resolved = resolveReference(filename, backing);
  if (resolved === filename) {
    throw new BlockError('invalid-argument', 'Error: Trying to create an image with the same filename as the backing file');
  }
  try {
    const node = await graph.open(resolved, {
      readOnly: true,
      noIo: true,
      ...(typeof backingFormat === 'string' ? { format: backingFormat } : {}),
    });
    const { size } = node;
    await graph.release(node);
    return size;
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `${messageOf(error)}\nCould not open backing image.`, error.context, error);
  }
}

function createTable(driver: BlockDriver): OptionTable {
  return Object.fromEntries(Object.entries(driver.createOptions ?? {}).map(([name, spec]) => [name, spec.type]));
}

/** The options that `table` knows and `without` does not. */
function only(
  options: Record<string, unknown>,
  table: object | undefined,
  without: object = {},
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(table ?? {}, name) && !Object.hasOwn(without, name)),
  );
}
