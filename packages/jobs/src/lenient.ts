/** Links whose upper image bears that its backing file is written. */
import { changeAccess, type Edge } from '@blk/core-graph';

/** Whether others may write the backing file: what is written is hidden by the images above, or is what they hold. */
export function setLenient(edge: Edge | undefined, lenient: boolean): void {
  const above = edge?.parent.node;
  if (edge === undefined || above === undefined || edge.lenient === lenient) return;
  edge.lenient = lenient;
  if (!above.closed) changeAccess((transaction) => { transaction.refresh(above); });
}
