/**
 * Changing what an image is: keys, version, width of refcounts, lazy refcounts, size. Each step leaves an image that is whole, so that a crash
 * between two of them costs nothing.
 */
import type { AmendContext, ImagePolicy } from '@blk/core-graph';
import { checkQcow2 } from '../check/check.js';
import { settleClean } from '../close-image.js';
import { encodeFeatureNames, ExtensionType } from '../extensions.js';
import { Autoclear, Compatible } from '../feature-bits.js';
import { FEATURE_NAMES } from '../features.js';
import { FULL_HEADER_BYTES, geometryOf, V2_HEADER_BYTES } from '../format.js';
import { rewriteHeader } from '../header-rewrite.js';
import type { Header } from '../header.js';
import type { Qcow2Image } from '../qcow2-image.js';
import { truncateImage } from '../truncate.js';
import { planAmend, type AmendPlan } from './options.js';
import { changeRefcountWidth } from './refcount-width.js';
import { expandZeroClusters } from './zero-clusters.js';

/** The open image, which is opened again when its tables were changed on disk. */
export interface AmendTarget {
  image(): Qcow2Image;
  reload(): Promise<void>;
  readonly policy: ImagePolicy;
}

/** Throws before anything is changed where the options can't be had. */
export async function amendQcow2(target: AmendTarget, options: Readonly<Record<string, unknown>>, context: AmendContext): Promise<void> {
  const { progress } = context;
  const image = target.image();
  const plan = planAmend(options, image.header.current);
  const { geometry } = image.header.current;
  progress?.(0, 1);
  // First, as it may be refused.
  if (plan.keys !== undefined) await image.encryption?.amend?.(plan.keys, context.force);
  await settleClean(image);
  if (plan.version > geometry.version) await step(target, ({ file, header }) => rewriteHeader(file, header, upgraded(header.current)));
  if (plan.refcountOrder !== geometry.refcountOrder) {
    await step(target, ({ file, header }) => changeRefcountWidth({ file, header, policy: target.policy }, plan.refcountOrder, context));
  }
  await setLazyRefcounts(target, plan.lazyRefcounts);
  if (plan.endRawData || plan.dataFile !== undefined) await step(target, ({ file, header }) => rewriteHeader(file, header, withDataFile(header.current, plan)));
  if (plan.size !== undefined) await truncateImage(target.image(), plan.size, { preallocation: 'off', shrink: true });
  if (plan.version < geometry.version) await downgrade(target, context);
  // Where there was no more to do than a few words in the header, nobody waited.
  if (plan.version !== geometry.version || plan.refcountOrder !== geometry.refcountOrder) progress?.(1, 1);
}

/** One change on disk, with everything written before it and the image opened again after it. */
async function step(target: AmendTarget, change: (image: Qcow2Image) => Promise<void>): Promise<void> {
  const image = target.image();
  await settleClean(image);
  await change(image);
  await target.reload();
}

async function setLazyRefcounts(target: AmendTarget, lazy: boolean): Promise<void> {
  const { compatible } = target.image().header.current;
  if (((compatible & Compatible.LazyRefcounts) !== 0n) === lazy) return;
  await step(target, async ({ header, file }) => {
    // All counts are on disk now; the dirty bit, where it was set, stays until the image is closed.
    await header.update({ compatible: compatible ^ Compatible.LazyRefcounts });
    await file.flush();
  });
}

function upgraded(header: Header): Header {
  const { clusterBits, refcountOrder } = header.geometry;
  const others = header.extensions.filter(({ type }) => type !== ExtensionType.FeatureNames);
  return {
    ...header,
    geometry: geometryOf(3, clusterBits, refcountOrder, header.incompatible),
    headerLength: FULL_HEADER_BYTES,
    additional: new Uint8Array(8),
    extensions: [...others, encodeFeatureNames(FEATURE_NAMES)],
  };
}

/** The data file that is open stays open: the name is for those who open the image later. */
function withDataFile(header: Header, { dataFile = header.dataFile ?? '', endRawData }: AmendPlan): Header {
  const others = header.extensions.filter(({ type }) => type !== ExtensionType.DataFile);
  const named = dataFile === '' ? [] : [{ type: ExtensionType.DataFile, data: new TextEncoder().encode(dataFile) }];
  return {
    ...header,
    autoclear: endRawData ? header.autoclear & ~Autoclear.RawData : header.autoclear,
    extensions: [...named, ...others],
    dataFile: dataFile === '' ? undefined : dataFile,
  };
}

async function downgrade(target: AmendTarget, context: AmendContext): Promise<void> {
  await expandZeroClusters(target.image(), () => context.pause?.());
  await step(target, async ({ file, header }) => {
    const { geometry, extensions } = header.current;
    await rewriteHeader(file, header, {
      ...header.current,
      geometry: geometryOf(2, geometry.clusterBits, geometry.refcountOrder, 0n),
      headerLength: V2_HEADER_BYTES,
      additional: new Uint8Array(0),
      incompatible: 0n,
      compatible: 0n,
      autoclear: 0n,
      // Version 2 can't say whether bitmaps are up to date.
      extensions: extensions.filter(({ type }) => type !== ExtensionType.FeatureNames && type !== ExtensionType.Bitmaps),
    });
    await checkQcow2({ file, header, policy: target.policy }, { repair: 'leaks' });
  });
}
