/**
 * The graph of block nodes: opening, probing, permissions, drain, the request path and the embedder's face.
 *
 * @packageDocumentation
 */
export * from './completion.js';
export { ManualClock, wait, type Clock } from './clock.js';
export * from './errors.js';
export * from './flags.js';
export * from './extent.js';
export { letStoppedGoOn, type Breakpoints } from './breakpoints.js';
export { DEBUG_EVENTS, type DebugEvent } from './debug-event.js';
export * from './driver.js';
export type * from './driver-context.js';
export type * from './driver-node.js';
export { FilterNode } from './filter-node.js';
export * from './check.js';
export * from './policy.js';
export * from './options/spec.js';
export { BufferPool } from './buffer-pool.js';
export { RangeOrder } from './range-order.js';
export { firstDifference, sameBytes, sameInTurns } from './same-bytes.js';
export { Together, type Failures } from './together.js';
export { Followers, type Followed } from './followers.js';
export { Edge, type EdgeParent } from './edge.js';
export { BlockNode, type WriteNotifier } from './node.js';
export type { DetectZeroes, NodeSettings } from './node-settings.js';
export { DirtyBitmap, defaultGranularity, type BitmapStatus, type DirtyBitmapOptions, type ThawOutcome } from './dirty-bitmap.js';
export * from './persistent-bitmaps.js';
export * from './bitmap-actions.js';
export * from './snapshots.js';
export { isZero, zeroRun } from './zero.js';
export { chainExtents, chainExtentAt } from './io/extents.js';
export type { AsidePart } from './io/aside-source.js';
export { ASIDE_PIECE, AsideTarget, type AsideCopied, type AsideCopy, type AsideRun, type AsideUser, type AsideWish, type AsideZeroes } from './io/copy-aside.js';
export type { NewPlace } from './io/new-place.js';
export { heldWrite, heldZeroes } from './io/held.js';
export { BlockGraph } from './graph.js';
export type { GraphEvent, GraphOptions, OpenOptions } from './graph-options.js';
export { Backend } from './backend.js';
export type { BackendOptions } from './backend-options.js';
export { DeviceStatistics } from './statistics.js';
export * from './error-policy.js';
export { createImage, type CreateRequest, type CreateResult } from './create.js';
export { createInNode, type CreateInNodeRequest } from './create-in-node.js';
export { Image, openImage, type OpenImageOptions } from './image.js';
export { readableOf, writableOf, type ReadableOptions } from './streams.js';
export { drained } from './drain.js';
export { changeAccess } from './permissions.js';
export { runTransaction, replaceChild, replaceBacking, reaches, type GraphAction } from './transaction.js';
export { addChild, removeChild } from './change-children.js';
export { putOver } from './overlay.js';
export { insertFilter, removeFilter, type InsertedFilter } from './inserted-filter.js';
export { reopenNodes, setReadOnly, type Reopening } from './open/reopen.js';
export { reopenWithOptions, type ReopenRequest } from './open/reopen-options.js';
export { platformHost } from './host.js';
export { unflatten, type Definition } from './open/definition.js';
export { guessFormat, protocolDefinition, PROBE_BYTES } from './open/open-filename.js';
export { isAbsolute, normalisePath, parseJsonName, protocolOf, resolveReference } from './open/filename.js';
