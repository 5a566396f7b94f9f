/**
 * What qemu-img does, as functions: create, info, map, convert, compare, check, amend, resize, commit, rebase, dd, measure, bench; and checksum
 * and chain.
 *
 * @packageDocumentation
 */
export { createImage, type CreateRequest, type CreateResult } from '@blk/core-graph';
export { chainInfo, describeImage, imageInfo, type ImageInfo, type ImageSnapshot, type InfoOptions } from './info.js';
export { mapImage, type MapEntry, type MapOptions } from './map.js';
export { compareImages, type CompareOptions, type CompareResult } from './compare.js';
export { amendImage, type AmendRequest } from './amend.js';
export { checkImage, NO_CHECKS, type CheckRequest, type ImageCheck } from './check.js';
export { changeBitmap, type BitmapAction, type BitmapChanges } from './bitmap.js';
export {
  changeSnapshots, listSnapshots, loadSnapshot, parseWantedSnapshot, type SnapshotAction, type SnapshotOptions, type WantedSnapshot,
} from './snapshot.js';
export { resizeImage, SHRINK_WARNING, type ResizeRequest } from './resize.js';
export { commitImage, type CommitRequest } from './commit.js';
export { rebaseImage, type RebaseRequest } from './rebase.js';
export { ddImage, type DdRequest } from './dd.js';
export { streamImage, type StreamedImage, type StreamRequest } from './stream.js';
export { measurable, measureImage, type Measured, type MeasureRequest } from './measure.js';
export { benchImage, type BenchRequest } from './bench.js';
export { checksumImage, type Checksum, type ChecksumOptions } from './checksum.js';
export { chainTree, type ChainTree } from './chain.js';
export { convertImage } from './convert/convert.js';
export type { CacheSetting, ConvertRequest } from './convert/request.js';
export { amendHelp, optionHelp, optionTable, parseCreateOptions, parseSizeOption, splitOptions, wantsHelp } from './create/options.js';
export { planCreation, type CreationPlan, type CreationRequest } from './create/plan.js';
export { openSource, nameOf, wholeSectors, type AnySource, type ImageSource, type NamedSource } from './open.js';
export type { Progress } from './pause.js';
export * from './io/index.js';
