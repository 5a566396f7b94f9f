/**
 * What image formats with tables of clusters share: finding clusters, placing new ones, and the order in which tables are written.
 *
 * @packageDocumentation
 */
export { Pending, settled } from './pending.js';
export { FlushQueue, type Flushing } from './flush-queue.js';
export { Place, type EntryCodec } from './place.js';
export { FixedRoot, RootTable, type Root } from './root.js';
export { Bits } from './bits.js';
export { SpaceAtEnd, SpaceInHoles, type Room, type Space } from './space.js';
export { TablePage, type TablePiece } from './table-page.js';
export { Tables, type TableLayout } from './tables.js';
export { MappedImage, type Below, type MappedFormat, type SectorCipher } from './mapped-image.js';
export { findRun, Run } from './run.js';
export { readRange } from './read.js';
export { placePacked, writeRange } from './write.js';
export { zeroRange } from './zero.js';
export { mappedNode } from './node.js';
export { checkInUse, CheckOnlyNode, type CheckOnly } from './check-only-node.js';
export { ReadAhead } from './read-ahead.js';
export { BlockCache, type UnpackBlock } from './block-cache.js';
