/** Opening by file name: protocol from the prefix or the path, format as named or from the content. */
import { BlockError } from '../errors.js';
import type { BlockDriver } from '../driver.js';
import type { BlockGraph } from '../graph.js';
import { BlockNode } from '../node.js';
import type { Definition } from './definition.js';
import { parseJsonName, protocolOf } from './filename.js';
import { openDefinition, openReference } from './open-node.js';
import type { Reference } from './read-definition.js';
import type { OpenState } from './open-state.js';

/** Bytes of an image that drivers may look at to recognise it. */
export const PROBE_BYTES = 2048;

/**
 * Opens `filename` (or the `file` of `extra`) as the format that `extra.driver` names, or as what its content looks like.
 * `extra` holds further options of the top node.
 */
export async function openFilename(
  graph: BlockGraph,
  filename: string | undefined,
  extra: Definition,
  state: OpenState,
): Promise<BlockNode> {
  const { file, ...options } = without(extra, 'filename');
  if (filename?.startsWith('json:') === true) {
    return openDefinition(graph, { ...parseJsonName(filename), ...options }, state);
  }
  const format = typeof options.driver === 'string' ? graph.driver(options.driver) : undefined;
  const protocol = filename === undefined ? undefined : await protocolDefinition(graph, filename);
  if (format?.role === 'protocol') return openDefinition(graph, { ...protocol, ...options }, state);
  const source = protocol ?? (await asProtocol(graph, file as Reference));
  if (format !== undefined) return openDefinition(graph, { ...options, file: source }, state);
  return probeAndOpen(graph, source, options, state);
}

async function probeAndOpen(
  graph: BlockGraph,
  source: Reference,
  options: Definition,
  state: OpenState,
): Promise<BlockNode> {
  if (!state.policy.allowProbing) {
    throw new BlockError('policy', 'The format of this image has to be named: guessing it is not allowed by the policy');
  }
  const inherited = pick(options, ['read-only', 'auto-read-only', 'cache', 'force-share', 'aio']);
  const definition =
    typeof source === 'object' && source !== null && !('requests' in source) ? { ...inherited, ...source } : source;
  const file = await openReference(graph, definition, { ...state, discard: true, probed: false, nodeName: undefined });
  if (file === undefined) throw new BlockError('invalid-argument', `A block device must be specified for "file"`);
  try {
    const format = await guessFormat(graph, file);
    return await openDefinition(graph, { ...options, driver: format.name, file }, { ...state, probed: true });
  } finally {
    // Used by the format by now; or let go of, where it could not be opened.
    await graph.collect(file);
  }
}

/** The format driver that is surest about the image. */
export async function guessFormat(graph: BlockGraph, file: BlockNode): Promise<BlockDriver> {
  const head = new Uint8Array(Math.min(PROBE_BYTES, file.size));
  const done = file.read(0, head, 0, head.length);
  if (done !== undefined) await done;
  const best = formatOf(graph, head, file.filename);
  if (best === undefined) {
    throw new BlockError('invalid-image', `Could not determine image format: No compatible driver found`, {
      filename: file.filename,
    });
  }
  return best;
}

/** The same from the first bytes alone; undefined where no driver knows them. */
export function formatOf(graph: BlockGraph, head: Uint8Array, filename: string): BlockDriver | undefined {
  let best: BlockDriver | undefined;
  let score = 0;
  for (const driver of graph.drivers.values()) {
    const sure = driver.role === 'format' ? (driver.probe?.(head, filename) ?? 0) : 0;
    if (sure > score) {
      best = driver;
      score = sure;
    }
  }
  return best;
}

/** What an image lies in is a protocol: a file name without a driver says which, and is not looked into for a format. */
export async function asProtocol(graph: BlockGraph, reference: Reference): Promise<Reference> {
  if (typeof reference !== 'object' || reference === null || reference instanceof BlockNode || reference['driver'] !== undefined) return reference;
  const { filename } = reference;
  if (typeof filename !== 'string' || filename.startsWith('json:')) return reference;
  // The name has become options of the driver, which may have none that is called so.
  return { ...without(reference, 'filename'), ...(await protocolDefinition(graph, filename)) };
}

/** The definition of the protocol node that a file name means. */
export async function protocolDefinition(graph: BlockGraph, filename: string): Promise<Definition> {
  const scheme = protocolOf(filename);
  if (scheme !== undefined) {
    for (const driver of graph.drivers.values()) {
      if (driver.role !== 'protocol' || driver.schemes?.includes(scheme) !== true) continue;
      return { driver: driver.name, ...(driver.parseFilename?.(filename) ?? { filename }) };
    }
    if (scheme !== 'file') throw new BlockError('invalid-argument', `Unknown protocol '${scheme}'`);
  }
  let best: string | undefined;
  let score = 0;
  for (const driver of graph.drivers.values()) {
    const sure = (await driver.probePath?.(filename)) ?? 0;
    if (sure > score) {
      best = driver.name;
      score = sure;
    }
  }
  if (best === undefined) {
    throw new BlockError('unsupported', `Could not open '${filename}': no driver for files is there`, { filename });
  }
  return { driver: best, filename };
}

function without(definition: Definition, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(definition).filter(([key]) => key !== name));
}

function pick(options: Definition, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}
