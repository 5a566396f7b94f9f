/** `resizeImage`: another size for an image, refused where data could be lost by accident. */
import { Backend, BlockError, MAX_SIZE, Permission, type BlockGraph, type Preallocation } from '@blk/core-graph';
import { openSource, type AnySource } from './open.js';
import type { Progress } from './pause.js';

export interface ResizeRequest {
  /** Bytes: the new size, or with `relative` the difference. */
  readonly size: number;
  readonly relative?: 'grow' | 'shrink';
  /** Sizes below the present one are meant. */
  readonly shrink?: boolean;
  readonly preallocation?: Preallocation;
  readonly format?: string;
  readonly signal?: AbortSignal;
  /** How far preallocation is; bytes. */
  readonly progress?: Progress;
}

/** Text that follows a refused shrink. */
export const SHRINK_WARNING =
  "Shrinking an image will delete all data beyond the shrunken image's end. Before performing such an operation, make sure there is no important data there.";

/** Changes the size and gives the new one back. Throws before anything was changed where it can't. */
export async function resizeImage(graph: BlockGraph, source: AnySource, request: ResizeRequest): Promise<number> {
  const node = await openSource(graph, source, {
    ...(request.format === undefined ? {} : { format: request.format }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    discard: true,
  });
  try {
    const backend = Backend.over(graph, node, { writable: true, resizable: true, shared: Permission.All & ~Permission.Resize });
    try {
      const size = wantedSize(node.size, request);
      const { signal, progress } = request;
      const work = { signal, ...(progress === undefined ? {} : { progress }) };
      const added = Math.max(0, size - node.size);
      progress?.(0, added);
      await backend.truncate(size, { preallocation: request.preallocation ?? 'off', shrink: request.shrink ?? false, work });
      progress?.(added, added);
      return size;
    } finally {
      await backend.close();
    }
  } finally {
    await graph.release(node);
  }
}

function wantedSize(present: number, { size, relative, shrink, preallocation }: ResizeRequest): number {
  const wanted = relative === undefined ? size : relative === 'grow' ? present + size : present - size;
  if (wanted <= 0) throw new BlockError('invalid-argument', 'New image size must be positive', { reason: 'resize/not-positive' });
  if (wanted > MAX_SIZE) throw new BlockError('too-large', 'Could not resize file: File too large', { reason: 'resize/too-large' });
  if (wanted <= present && preallocation !== undefined && preallocation !== 'off') {
    throw new BlockError('invalid-argument', 'Preallocation can only be used for growing images', { reason: 'resize/preallocation' });
  }
  if (wanted < present && shrink !== true) {
    throw new BlockError('invalid-argument', 'Use the --shrink option to perform a shrink operation.', { reason: 'resize/shrink' });
  }
  return wanted;
}
