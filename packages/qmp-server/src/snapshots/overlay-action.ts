/** Putting an image on top of another as part of a transaction: what both commands for external snapshots come down to. */
import { messageOf, putOver, setReadOnly, type BlockGraph, type BlockNode, type GraphAction } from '@blk/core-graph';
import { genericError } from '../errors.js';
import type { TransactionAction } from '../transaction/action.js';

export interface OverlayPlan {
  /** The image that is to be frozen. */
  readonly base: BlockNode;
  readonly overlay: BlockNode;
  /** Bitmaps go on recording what is written to the device, as 2.4 has it: they move to the overlay. */
  readonly moveBitmaps: boolean;
}

/** `open` finds the base and finds or makes the overlay; `dispose` undoes that where the transaction fails. */
export function overlayAction(
  graph: BlockGraph,
  open: () => Promise<OverlayPlan>,
  end: { readonly dispose?: () => Promise<void>; readonly settle?: () => Promise<void> } = {},
): TransactionAction {
  let plan: OverlayPlan | undefined;
  const applied: GraphAction[] = [];
  const planned = (): OverlayPlan => plan as OverlayPlan;
  return {
    async prepare() {
      plan = await open();
    },
    quiet: () => [planned().base, planned().overlay],
    async apply() {
      const { base, overlay } = planned();
      if (!base.readOnly) await flush(base);
      for (const action of putOver(base, overlay)) {
        const done = action.prepare();
        if (done !== undefined) await done;
        applied.push(action);
      }
    },
    async commit() {
      const { base, overlay, moveBitmaps } = planned();
      for (const action of applied) action.commit();
      if (moveBitmaps) moveTransient(base, overlay);
      await end.settle?.();
      for (const { parent } of overlay.parents) parent.resized?.();
      // Nobody writes to it any more, and other processes may read it.
      await setReadOnly(graph, base, true).catch((error: unknown) => {
        graph.host.warn(`'${base.filename}' stays open for writing: ${messageOf(error)}`);
      });
    },
    async abort() {
      for (const action of applied.reverse()) action.abort();
      await end.dispose?.();
    },
  };
}

async function flush(node: BlockNode): Promise<void> {
  try {
    const done = node.flush();
    if (done !== undefined) await done;
  } catch (error) {
    throw genericError('An IO error has occurred', error);
  }
}

/** Bitmaps that an image keeps stay with it. */
function moveTransient(from: BlockNode, to: BlockNode): void {
  for (const bitmap of [...from.bitmaps]) {
    if (bitmap.persistent) continue;
    from.bitmaps.delete(bitmap);
    if (bitmap.size !== to.size) bitmap.resize(to.size);
    to.bitmaps.add(bitmap);
  }
  from.updatePaths();
  to.updatePaths();
}
