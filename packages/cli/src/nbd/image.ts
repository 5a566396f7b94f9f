/** The image that is served: the file, or a part, a snapshot inside or a temporary overlay of it; and the bitmaps to offer. */
import {
  Backend, BlockError, findByIdOrName, findSnapshot, showSnapshot, UNTRUSTED, type BlockGraph, type BlockNode, type Definition, type DirtyBitmap,
  type OpenOptions,
} from '@blk/core-graph';
import { splitOptions } from '@blk/image';
import { parseKeyval } from '@blk/qapi-types';
import { CommandLineError } from '../getopt.js';
import { openOverlay } from '../temporary.js';
import type { NbdArguments } from './options.js';

/** Opens it; the backend is the caller's. */
export async function openServed(graph: BlockGraph, args: NbdArguments): Promise<Backend> {
  const { loadSnapshot } = args;
  const wanted = loadSnapshot === undefined ? undefined : parseSnapshot(loadSnapshot);
  const readOnly = args.readOnly || wanted !== undefined;
  const options: OpenOptions = {
    readOnly: readOnly || args.snapshot,
    ...(args.format === undefined ? {} : { format: args.format }),
    cache: { direct: args.cache === 'none' || args.cache === 'directsync', noFlush: args.cache === 'unsafe' },
    // As in the original, discards reach the image unless told otherwise.
    discard: args.discard ?? true,
    ...(args.snapshot ? {} : { detectZeroes: args.detectZeroes }),
    ...(args.aio === undefined ? {} : { aio: args.aio }),
    ...(args.untrusted ? { policy: UNTRUSTED } : {}),
  };
  if (args.detectZeroes === 'unmap' && args.discard !== true) {
    throw new CommandLineError('setting detect-zeroes to unmap is not allowed without setting discard operation to unmap');
  }
  const source = args.imageOptions ? (parseKeyval(args.file, 'file') as Definition) : args.file;
  const users = {
    description: 'NBD export',
    writable: !readOnly,
    writeThrough: args.cache === 'writethrough' || args.cache === 'directsync',
  };
  const node = await opened(args, () => graph.open(source, options));
  try {
    if (wanted !== undefined) await load(node, wanted);
    const upper = { ...options, ...users, readOnly, detectZeroes: args.detectZeroes };
    const whole = args.snapshot ? await openOverlay(graph, node, upper) : await opened(args, async () => Backend.over(graph, node, users));
    return args.offset === 0 ? whole : await openPart(graph, whole, args, readOnly, users);
  } finally {
    await graph.release(node);
  }
}

/** The dirty bitmaps of these names, from the image or the first of its backing files that has them. */
export function findBitmaps(root: BlockNode, names: readonly string[], writable: boolean): { readonly name: string; readonly bitmap: DirtyBitmap }[] {
  return names.map((name) => {
    const bitmap = findBitmap(root, name);
    if (bitmap === undefined) throw new CommandLineError(`Bitmap '${name}' is not found`);
    bitmap.checkUsable();
    // Its image is written to without this export's doing: what it says would change under the client.
    if (!writable && !root.readOnly && bitmap.status === 'active') throw new CommandLineError(`Enabled bitmap '${name}' incompatible with readonly export`);
    return { name, bitmap };
  });
}

function findBitmap(root: BlockNode, name: string): DirtyBitmap | undefined {
  for (let node: BlockNode | undefined = root; node !== undefined; node = below(node)) {
    for (const bitmap of node.bitmaps) if (bitmap.name === name) return bitmap;
  }
  return undefined;
}

function below(node: BlockNode): BlockNode | undefined {
  if (node.backing !== undefined) return node.backing.node;
  const { storage } = node;
  return storage?.role === 'filtered' ? storage.node : undefined;
}

async function opened<T>({ file }: NbdArguments, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new CommandLineError(`Failed to blk_new_open '${file}': ${error.message}`);
  }
}

/** The image from an offset on, by a raw node over it. */
async function openPart(
  graph: BlockGraph,
  whole: Backend,
  args: NbdArguments,
  readOnly: boolean,
  users: { readonly description: string; readonly writable: boolean; readonly writeThrough: boolean },
): Promise<Backend> {
  const { root, size } = whole;
  try {
    if (args.offset < 0) throw new CommandLineError(NO_OFFSET);
    if (args.offset >= size) {
      throw new CommandLineError(`Offset (${args.offset}) cannot be greater than size of the containing file (${size})`);
    }
    return await graph.openBackend({ driver: 'raw', offset: args.offset, file: root }, { readOnly, discard: args.discard ?? true, ...users });
  } finally {
    await whole.close();
  }
}

const NO_OFFSET =
  "Parameter 'offset' expects a non-negative number below 2^64\n" +
  'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.';

/** `snapshot.id=…,snapshot.name=…`, or one word that is either. */
type SnapshotWish = { readonly id?: string; readonly name?: string } | { readonly either: string };

function parseSnapshot(text: string): SnapshotWish {
  if (!text.startsWith('snapshot.')) return { either: text };
  const wish: { id?: string; name?: string } = {};
  for (const [option, value = ''] of splitOptions(text)) {
    if (option === 'snapshot.id') wish.id = value;
    else if (option === 'snapshot.name') wish.name = value;
    else throw new CommandLineError(`Invalid parameter '${option}'`, `Failed in parsing snapshot param \`${text}'`);
  }
  return wish;
}

async function load(node: BlockNode, wish: SnapshotWish): Promise<void> {
  try {
    const list = node.driver.snapshots?.list;
    if (list === undefined) {
      const what = 'does not support temporarily loading internal snapshots';
      throw new BlockError('unsupported', `Block format '${node.driverName}' used by device '' ${what}`);
    }
    const found = 'either' in wish ? findByIdOrName(list, wish.either) : findSnapshot(list, wish);
    if (found === undefined) throw new BlockError('not-found', "Can't find snapshot");
    await showSnapshot(node, found.id);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new CommandLineError(`Failed to load snapshot: ${error.message}`);
  }
}
