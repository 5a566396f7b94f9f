/** `amendImage`: other properties for an image that is there. */
import { Backend, BlockError, Permission, type BlockGraph, type OpenOptions } from '@blk/core-graph';
import { parseAmendOptions } from './create/options.js';
import { openSource, type AnySource } from './open.js';
import { Pace, type Progress } from './pause.js';

export interface AmendRequest {
  /** Texts of `-o`. */
  readonly options: readonly string[];
  readonly format?: string;
  readonly cache?: OpenOptions['cache'];
  /** Changes that may make data unreachable are meant. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

/** Throws, with nothing changed, where the format has no such option or can't have the value. */
export async function amendImage(graph: BlockGraph, source: AnySource, request: AmendRequest): Promise<void> {
  const { signal, progress } = request;
  const node = await openSource(graph, source, {
    ...(request.format === undefined ? {} : { format: request.format }),
    ...(request.cache === undefined ? {} : { cache: request.cache }),
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    const backend = Backend.over(graph, node, { writable: true, resizable: true, shared: Permission.ConsistentRead });
    try {
      const options = parseAmendOptions(request.options, graph.driver(node.driverName));
      if (node.driver.amend === undefined) {
        throw new BlockError('unsupported', `Format driver '${node.driverName}' does not support option amendment`);
      }
      const pace = new Pace(signal);
      await graph.drained([node], async () => {
        await node.driver.amend?.(options, {
          force: request.force ?? false,
          pause: () => (pace.due() ? pace.pause() : undefined),
          ...(progress === undefined ? {} : { progress }),
        });
      });
    } finally {
      await backend.close();
    }
  } finally {
    await graph.release(node);
  }
}
