/** `blockdev-create`: a job that makes a file, or an image in a node. */
import { BlockError, createImage, createInNode, type BlockGraph, type BlockNode, type Definition } from '@blk/core-graph';
import type { BlockdevCreateOptions, BlockdevRef } from '@blk/qapi-types';
import { toSafeInteger } from '@blk/qapi-types';
import { genericError } from '../errors.js';

/** Makes what the options describe. `signal` calls it off. */
export async function makeImage(graph: BlockGraph, options: BlockdevCreateOptions, signal: AbortSignal): Promise<void> {
  if (options.driver === 'file') {
    const { driver, filename, size, ...rest } = options;
    await createImage(graph, filename, { format: driver, size: toSafeInteger(size, 'size'), options: named(graph, driver, rest), signal });
    return;
  }
  checkCreatable(options);
  const { driver, file, size, ...rest } = options;
  const { 'data-file': dataReference, ...others } = { 'data-file': undefined, ...rest };
  const opened: BlockNode[] = [];
  try {
    const target = await nodeOf(graph, file, opened);
    const dataFile = dataReference === undefined ? undefined : await nodeOf(graph, dataReference, opened);
    const given = { ...named(graph, driver, translated(others)), ...(dataFile === undefined ? {} : { data_file: dataFile.filename }) };
    await createInNode(graph, target, { format: driver, size: toSafeInteger(size, 'size'), options: given, dataFile, signal });
  } finally {
    for (const node of opened.reverse()) await graph.release(node);
  }
}

/** The formats whose creation the schema describes. */
type CreatableOptions = Extract<BlockdevCreateOptions, { readonly file: BlockdevRef }>;

/** Throws where the driver has no creation of this kind. */
export function checkCreatable(options: BlockdevCreateOptions): asserts options is CreatableOptions {
  if (options.driver !== 'file' && !('file' in options)) throw genericError('Driver does not support blockdev-create');
}

async function nodeOf(graph: BlockGraph, reference: BlockdevRef, opened: BlockNode[]): Promise<BlockNode> {
  if (typeof reference !== 'string') {
    const node = await graph.open(reference as unknown as Definition);
    opened.push(node);
    return node;
  }
  const node = graph.backends.get(reference)?.root ?? graph.findNode(reference);
  if (node === undefined) throw new BlockError('not-found', `Cannot find device='${reference}' nor node-name='${reference}'`);
  return node;
}

/** Members whose values have other words on a command line. */
function translated(options: Record<string, unknown>): Record<string, unknown> {
  const { version, encrypt, ...rest } = options;
  const flat: Record<string, unknown> = { ...rest };
  if (version !== undefined) flat['compat'] = version === 'v2' ? '0.10' : '1.1';
  for (const [name, value] of Object.entries((encrypt as object | undefined) ?? {})) flat[`encrypt.${name}`] = value as unknown;
  return flat;
}

/** Options by the names that the driver's creation has for them: with underscores, mostly. */
function named(graph: BlockGraph, driver: string, options: Record<string, unknown>): Record<string, unknown> {
  const table = graph.driver(driver).createOptions ?? {};
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    // VDI's own name for it.
    if (driver === 'vdi' && name === 'preallocation') result['static'] = value === 'metadata' || value === 'full';
    else result[Object.hasOwn(table, name) ? name : name.replaceAll('-', '_')] = value;
  }
  return result;
}
