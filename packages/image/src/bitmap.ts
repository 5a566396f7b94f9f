/** Persistent dirty bitmaps of an image file: adding, removing, clearing, switching and merging them. */
import {
  addBitmap, Backend, BlockError, findBitmap, messageOf, removeBitmap, type BlockGraph, type BlockNode,
} from '@blk/core-graph';
import { openSource, type AnySource } from './open.js';

export type BitmapAction =
  | { readonly do: 'add' | 'remove' | 'clear' | 'enable' | 'disable' }
  /** Adds what is dirty in another bitmap. */
  | { readonly do: 'merge'; readonly from: string };

export interface BitmapChanges {
  /** One after the other. */
  readonly actions: readonly BitmapAction[];
  /** Bytes for each bit of a bitmap that is added; absent: the cluster size, between 4 and 64 KiB. */
  readonly granularity?: number;
  /** The image that bitmaps are merged from; absent: the image itself. */
  readonly mergeSource?: AnySource;
  readonly mergeFormat?: string;
  readonly format?: string;
  readonly signal?: AbortSignal;
}

/**
 * Changes the bitmap `name` of an image. Throws `Operation … on bitmap … failed: …` at the first action that can't be done;
 * those before it stay done.
 */
export async function changeBitmap(graph: BlockGraph, source: AnySource, name: string, changes: BitmapChanges): Promise<void> {
  const { actions, granularity, mergeSource, mergeFormat, format, signal } = changes;
  const common = signal === undefined ? {} : { signal };
  const node = await openSource(graph, source, { ...common, noBacking: true, ...(format === undefined ? {} : { format }) });
  try {
    const backend = Backend.over(graph, node, { writable: true });
    try {
      const other =
        mergeSource === undefined
          ? undefined
          : await openSource(graph, mergeSource, { ...common, noBacking: true, ...(mergeFormat === undefined ? {} : { format: mergeFormat }), readOnly: true });
      try {
        for (const action of actions) await act(node, other ?? node, name, action, granularity);
      } finally {
        if (other !== undefined) await graph.release(other);
      }
    } finally {
      await backend.close();
    }
  } finally {
    await graph.release(node);
  }
}

async function act(node: BlockNode, source: BlockNode, name: string, action: BitmapAction, granularity: number | undefined): Promise<void> {
  try {
    switch (action.do) {
      case 'add':
        await addBitmap(node, { name, granularity, persistent: true });
        break;
      case 'remove':
        await removeBitmap(node, name);
        break;
      case 'clear':
        usable(node, name).clear();
        break;
      case 'enable':
        usable(node, name).setStatus('active');
        break;
      case 'disable':
        usable(node, name).setStatus('disabled');
        break;
      case 'merge':
        usable(node, name).merge(usable(source, action.from));
    }
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(error.kind, `Operation ${action.do} on bitmap ${name} failed: ${messageOf(error)}`, error.context, error);
  }
}

function usable(node: BlockNode, name: string): ReturnType<typeof findBitmap> {
  const bitmap = findBitmap(node, name);
  bitmap.checkUsable();
  return bitmap;
}
