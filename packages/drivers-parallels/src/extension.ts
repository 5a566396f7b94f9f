/** The format extension: a cluster with features of which the header knows nothing, each with its magic and its data. */
import { settled } from '@blk/cluster-map';
import type { Edge } from '@blk/core-graph';
import { digest } from '@blk/crypto';
import { parallelsError } from './errors.js';
import type { ParallelsHeader } from './header.js';

const MAGIC = 0xab23_4cef_23dc_ea87n;
/** Magic and checksum, before the first feature. */
const HEAD_BYTES = 24;
const CHECKSUM = 8;
/** Magic, flags, size. */
const FEATURE_BYTES = 24;
const NECESSARY = 1n;

/** A feature, whose data lies inside of the extension. */
export interface Feature {
  readonly magic: bigint;
  /** Who does not know it must not change the image. */
  readonly necessary: boolean;
  readonly data: Uint8Array;
}

/** The features in their order. Throws where there is no extension, or where it is damaged. */
export async function readExtension(file: Edge, { extension, clusterSize }: ParallelsHeader, limit: number): Promise<Feature[]> {
  if (extension + clusterSize > file.size) throw wrong('Invalid image: Format Extension lies beyond the end of the file');
  if (clusterSize > limit) throw parallelsError({ what: 'memory', bytes: clusterSize, limit });
  const bytes = new Uint8Array(clusterSize);
  await settled(file.read(extension, bytes, 0, bytes.length));
  const view = new DataView(bytes.buffer);
  const found = view.getBigUint64(0, true);
  if (found !== MAGIC) throw wrong(`Wrong parallels Format Extension magic: 0x${found.toString(16)}, expected: 0x${MAGIC.toString(16)}`);
  const sum = digest('md5', bytes.subarray(HEAD_BYTES));
  if (sum.some((byte, at) => byte !== bytes[CHECKSUM + at])) throw wrong('Wrong checksum in Format Extension header. Format extension is corrupted.');
  const features: Feature[] = [];
  for (let at = HEAD_BYTES; at + FEATURE_BYTES <= bytes.length; ) {
    const magic = view.getBigUint64(at, true);
    if (magic === 0n) break;
    const length = view.getUint32(at + 16, true);
    const start = at + FEATURE_BYTES;
    if (start + length > bytes.length) throw wrong(`Invalid image: feature 0x${magic.toString(16)} reaches beyond the Format Extension`);
    features.push({ magic, necessary: (view.getBigUint64(at + 8, true) & NECESSARY) !== 0n, data: bytes.subarray(start, start + length) });
    at = start + Math.ceil(length / 8) * 8;
  }
  return features;
}

/** Throws where the image must not be changed by who keeps no feature up to date. */
export function checkChangeable(features: readonly Feature[]): void {
  for (const { magic, necessary } of features) {
    if (necessary) throw wrong(`The image must not be changed without its feature 0x${magic.toString(16)}`);
  }
}

function wrong(why: string): Error {
  return parallelsError({ what: 'extension', why });
}
