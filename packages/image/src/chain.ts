/** `chainTree`: images and what they stand on, as trees that grow from the lowest images. */
import { BlockError, messageOf, normalisePath, type BlockGraph } from '@blk/core-graph';
import { describeImage, type InfoOptions } from './info.js';
import { nameOf, openSource, type AnySource } from './open.js';

export interface ChainTree {
  readonly filename: string;
  readonly format?: string;
  /** Bytes. */
  readonly virtualSize?: number;
  /** Bytes that the image takes on the host. */
  readonly actualSize?: number;
  /** Bytes of the disk that this image decides, rather than what lies below. */
  readonly allocated?: number;
  /** Why the image could not be looked at. */
  readonly error?: string;
  /** 0: stands on nothing. */
  readonly depth: number;
  /** Images that have this one as their backing file, in the order in which they were met. */
  readonly overlays: readonly ChainTree[];
}

interface Growing extends Omit<ChainTree, 'depth' | 'overlays'> {
  readonly overlays: Growing[];
  below: Growing | undefined;
}

/** Every image once, however many others stand on it. An image that a chain names and that cannot be opened is in it, with its error. */
export async function chainTree(graph: BlockGraph, sources: readonly AnySource[], options: InfoOptions = {}): Promise<ChainTree[]> {
  const known = new Map<string, Growing>();
  for (const source of sources) {
    let next: AnySource | undefined = source;
    let { format } = options;
    let above: Growing | undefined;
    const passed = new Set<Growing>();
    while (next !== undefined) {
      const name: string = normalisePath(nameOf(next));
      const old = known.get(name);
      const looked: Looked = old === undefined ? await look(graph, next, { ...options, ...(format === undefined ? {} : { format }) }) : { node: old };
      const { node } = looked;
      if (passed.has(node)) {
        // A chain that comes back to itself ends in what is wrong with it.
        const end: Growing = { filename: nameOf(next), error: `Backing file '${nameOf(next)}' creates an infinite loop.`, overlays: [], below: undefined };
        known.set(`${name} again`, end);
        below(above, end);
        break;
      }
      known.set(name, node);
      if (above?.below === undefined) below(above, node);
      // Known images have been followed down before.
      if (old !== undefined) break;
      passed.add(node);
      above = node;
      next = looked.backing;
      format = looked.backingFormat;
    }
  }
  return [...known.values()].filter((node) => node.below === undefined).map((node) => finished(node, 0));
}

/** Puts `node` below `above`. */
function below(above: Growing | undefined, node: Growing): void {
  if (above === undefined) return;
  above.below = node;
  node.overlays.push(above);
}

interface Looked {
  readonly node: Growing;
  readonly backing?: string;
  readonly backingFormat?: string;
}

async function look(graph: BlockGraph, source: AnySource, options: InfoOptions): Promise<Looked> {
  const filename = nameOf(source);
  try {
    const image = await openSource(graph, source, { ...options, readOnly: true, noBacking: true });
    try {
      const info = await describeImage(image, filename);
      let allocated = 0;
      for (let at = 0; at < image.size; ) {
        options.signal?.throwIfAborted();
        const extent = await image.extent(at, image.size - at);
        if (extent.allocated) allocated += extent.length;
        at += extent.length;
      }
      const backing = info['full-backing-filename'];
      if (backing !== undefined && !(options.policy ?? graph.policy).allowReference(backing, 'backing', filename)) {
        throw new BlockError('policy', `The policy for this image does not allow its backing file '${backing}'`);
      }
      const backingFormat = info['backing-filename-format'];
      const { format, 'virtual-size': virtualSize, 'actual-size': actualSize } = info;
      return {
        node: { filename, format, virtualSize, ...(actualSize === undefined ? {} : { actualSize }), allocated, overlays: [], below: undefined },
        ...(backing === undefined ? {} : { backing }),
        ...(backingFormat === undefined ? {} : { backingFormat }),
      };
    } finally {
      await graph.release(image);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    return { node: { filename, error: messageOf(error), overlays: [], below: undefined } };
  }
}

function finished({ overlays, below: _, ...rest }: Growing, depth: number): ChainTree {
  return { ...rest, depth, overlays: overlays.map((overlay) => finished(overlay, depth + 1)) };
}
