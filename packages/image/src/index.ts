/**
 * What qemu-img does, as functions: create, info, map, convert, compare, check, amend, resize.
 *
 * @packageDocumentation
 */
export { createImage, type CreateRequest, type CreateResult } from '@blk/core-graph';
export { chainInfo, describeImage, imageInfo, type ImageInfo, type ImageSnapshot, type InfoOptions } from './info.js';
export { mapImage, type MapEntry, type MapOptions } from './map.js';
export { compareImages, type CompareOptions, type CompareResult } from './compare.js';
export { checkImage, NO_CHECKS, type CheckRequest, type ImageCheck } from './check.js';
export { changeBitmap, type BitmapAction, type BitmapChanges } from './bitmap.js';
export {
  changeSnapshots, listSnapshots, loadSnapshot, parseWantedSnapshot, type SnapshotAction, type SnapshotOptions, type WantedSnapshot,
} from './snapshot.js';
export { resizeImage, SHRINK_WARNING, type ResizeRequest } from './resize.js';
export { convertImage, type CacheSetting, type ConvertRequest } from './convert/convert.js';
export { optionHelp, optionTable, parseCreateOptions, parseSizeOption, splitOptions, wantsHelp } from './create/options.js';
export { planCreation, type CreationPlan, type CreationRequest } from './create/plan.js';
export { openSource, nameOf, wholeSectors, type AnySource, type ImageSource, type NamedSource } from './open.js';
export type { Progress } from './pause.js';
export * from './io/index.js';
