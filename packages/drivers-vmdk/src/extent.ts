/** One part of a disk, open: what the image asks of each kind of them. */
import type { DriverNode, Edge } from '@blk/core-graph';
import type { Below } from '@blk/cluster-map';
import type { CheckedExtent } from './check.js';
import type { ExtentKind } from './descriptor.js';

export interface OpenExtent {
  /** Offsets count from the start of the extent. */
  readonly node: DriverNode;
  /** What holds its data; absent where it has none. */
  readonly file?: Edge;
  /** As the descriptor names it; absent in a file of its own that holds the descriptor as well. */
  readonly kind?: ExtentKind;
  /** Bytes of a grain; sparse ones only. */
  readonly grainSize?: number;
  readonly compressed?: boolean;
  /** Sparse ones: what a check looks at. */
  readonly checked?: CheckedExtent;
  /** Sparse ones: what supplies the grains that the extent does not hold, at the extent's own offsets. */
  setBelow?(below: Below | undefined): void;
}
