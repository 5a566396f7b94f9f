/** Opening images for a tool: the sources that it takes, and errors that begin with the image's name as it was given. */
import { BlockError, messageOf, WriteFlag, type BlockGraph, type BlockNode, type Definition, type MaybePromise, type OpenOptions } from '@blk/core-graph';

/** An image by file name or by definition (`{ driver: 'qcow2', file: … }`). */
export type ImageSource = string | Definition;

/** A definition with the text that messages call it by: the option string of a command line. */
export interface NamedSource {
  readonly definition: Definition;
  readonly name: string;
}

export type AnySource = ImageSource | NamedSource;

/** Sector, in bytes: images are spoken of in whole sectors, as the reference tools do. */
export const SECTOR = 512;

/** A size rounded up to whole sectors. */
export function wholeSectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR) * SECTOR;
}

/** The node whose bytes a row of filters, such as raw, shows. */
export function unfiltered(node: BlockNode): BlockNode {
  let at = node;
  while (at.storage?.role === 'filtered') at = at.storage.node;
  return at;
}

/** Whether writes with `WriteFlag.Compressed` are stored so; others take no notice of the flag. */
export function storesCompressed(node: BlockNode): boolean {
  return ((unfiltered(node).driver.writeFlags ?? 0) & WriteFlag.Compressed) !== 0;
}

export function isNamed(source: AnySource): source is NamedSource {
  return typeof source === 'object' && 'definition' in source && typeof source.name === 'string';
}

/** The source as the graph takes it. */
export function definitionOf(source: AnySource): ImageSource {
  return isNamed(source) ? source.definition : source;
}

/** How messages name the source. */
export function nameOf(source: AnySource): string {
  if (isNamed(source)) return source.name;
  if (typeof source === 'string') return source;
  return typeof source['filename'] === 'string' ? source['filename'] : `json:${JSON.stringify(source)}`;
}

/** Opens an image; the caller releases it. Throws `Could not open 'name': …`. */
export async function openSource(graph: BlockGraph, source: AnySource, options: OpenOptions): Promise<BlockNode> {
  return couldNotOpen(nameOf(source), () => graph.open(definitionOf(source), options));
}

/** Runs `open`; its errors get the name of the image in front, as the reference tools print them. */
export async function couldNotOpen<T>(name: string, open: () => MaybePromise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `Could not open '${name}': ${messageOf(error)}`, error.context, error);
  }
}
