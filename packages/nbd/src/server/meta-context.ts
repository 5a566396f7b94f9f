/** Metadata contexts: what `NBD_CMD_BLOCK_STATUS` can tell about a range. */
import type { DirtyBitmap } from '@blk/core-graph';
import { AllocationState } from '../codec/constants.js';
import type { ExportOptions, ExportSource } from './export.js';

/** A run of bytes with one status. */
export interface StatusRun {
  readonly length: number;
  readonly flags: number;
}

/** One context of an export. */
export interface MetaContext {
  /** With its namespace: `base:allocation`. */
  readonly name: string;
  /** The runs of a range, in order, without gaps; may end early. Neighbours are merged by the caller. */
  runs(offset: number, length: number): AsyncIterable<StatusRun>;
}

/** The contexts that an export offers, by its options. */
export function contextsOf(options: ExportOptions): MetaContext[] {
  const contexts = [allocationContext(options.source)];
  if (options.allocationDepth === true) contexts.push(allocationDepthContext(options.source));
  for (const bitmap of options.bitmaps ?? []) contexts.push(dirtyBitmapContext(bitmap.name ?? '', bitmap));
  return [...contexts, ...(options.contexts ?? [])];
}

/** `base:allocation`: holes and zeroes. */
export function allocationContext(source: ExportSource): MetaContext {
  return {
    name: 'base:allocation',
    async *runs(offset, length) {
      for await (const extent of source.extents(offset, length)) {
        const flags = (extent.data ? 0 : AllocationState.Hole) | (extent.zero ? AllocationState.Zero : 0);
        yield { length: extent.length, flags };
      }
    },
  };
}

/** `qemu:allocation-depth`: 0 where no image of the chain holds the range, 1 for the top image, 2 for its backing file … */
export function allocationDepthContext(source: ExportSource): MetaContext {
  return {
    name: 'qemu:allocation-depth',
    async *runs(offset, length) {
      for await (const extent of source.extents(offset, length)) {
        yield { length: extent.length, flags: extent.allocated ? extent.depth + 1 : 0 };
      }
    },
  };
}

/** `qemu:dirty-bitmap:NAME`: bit 0 is set where the bitmap is dirty. */
export function dirtyBitmapContext(name: string, bitmap: DirtyBitmap): MetaContext {
  return {
    name: `qemu:dirty-bitmap:${name}`,
    async *runs(offset, length) {
      const end = offset + length;
      for (let at = offset; at < end; ) {
        const dirty = bitmap.get(at);
        const next = bitmap.next(at, !dirty);
        const stop = next < 0 ? end : Math.min(next, end);
        yield { length: stop - at, flags: dirty ? 1 : 0 };
        at = stop;
      }
    },
  };
}

/** Whether a query selects a context: its exact name, or for listing also `namespace:` and what ends in a colon. */
export function queryMatches(query: string, name: string, listing: boolean): boolean {
  return query === name || (listing && query.endsWith(':') && name.startsWith(query));
}
