/** Header extensions: parsed with their bounds checked, kept in order, written back byte for byte where unknown. */
import { qcow2Error } from './errors.js';
import { viewOf } from './format.js';
import type { FeatureName } from './features.js';

export const ExtensionType = {
  End: 0,
  BackingFormat: 0xe2792aca,
  FeatureNames: 0x6803f857,
  Bitmaps: 0x23852875,
  Encryption: 0x0537be77,
  DataFile: 0x44415441,
} as const;

export interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Where the persistent bitmaps are listed. */
export interface BitmapsExtension {
  readonly count: number;
  readonly reserved: number;
  readonly directorySize: bigint;
  readonly directoryOffset: bigint;
}

const FEATURE_NAME_BYTES = 48;

/** Extensions in `bytes[from, to)`, up to the end mark. Throws a `BlockError` where one passes the area. */
export function parseExtensions(bytes: Uint8Array, from: number, to: number): Extension[] {
  const view = viewOf(bytes);
  const end = Math.min(to, bytes.length);
  const found: Extension[] = [];
  for (let at = from; at < end; ) {
    if (at + 8 > to) throw qcow2Error({ what: 'extension-long' });
    if (at + 8 > end) break;
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    at += 8;
    if (length > end - at) throw qcow2Error({ what: 'extension-long' });
    if (type === ExtensionType.End) break;
    const extension = { type, data: bytes.slice(at, at + length) };
    checkKnown(extension);
    found.push(extension);
    at += Math.ceil(length / 8) * 8;
  }
  return found;
}

/** Bytes of the extensions with their end mark. */
export function encodeExtensions(extensions: readonly Extension[]): Uint8Array {
  const length = extensions.reduce((sum, { data }) => sum + 8 + Math.ceil(data.length / 8) * 8, 8);
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  let at = 0;
  for (const { type, data } of extensions) {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  }
  return bytes;
}

export function dataOf(extensions: readonly Extension[], type: number): Uint8Array | undefined {
  return extensions.find((extension) => extension.type === type)?.data;
}

export function decodeFeatureNames(data: Uint8Array): FeatureName[] {
  const names: FeatureName[] = [];
  for (let at = 0; at + FEATURE_NAME_BYTES <= data.length; at += FEATURE_NAME_BYTES) {
    const name = text(data.subarray(at + 2, at + FEATURE_NAME_BYTES));
    // A nameless bit is better called by its number.
    if (name !== '') names.push({ type: data[at], bit: data[at + 1], name });
  }
  return names;
}

export function encodeFeatureNames(names: readonly FeatureName[]): Extension {
  const data = new Uint8Array(names.length * FEATURE_NAME_BYTES);
  names.forEach(({ type, bit, name }, index) => {
    data.set([type, bit], index * FEATURE_NAME_BYTES);
    data.set(new TextEncoder().encode(name).subarray(0, 46), index * FEATURE_NAME_BYTES + 2);
  });
  return { type: ExtensionType.FeatureNames, data };
}

/** The persistent bitmaps that the image lists, consistent or not. */
export function bitmapsOf(extensions: readonly Extension[]): BitmapsExtension | undefined {
  const data = dataOf(extensions, ExtensionType.Bitmaps);
  if (data === undefined) return undefined;
  const view = viewOf(data);
  return { count: view.getUint32(0), reserved: view.getUint32(4), directorySize: view.getBigUint64(8), directoryOffset: view.getBigUint64(16) };
}

/** The data of the extension that lists them. */
export function encodeBitmaps({ count, reserved, directorySize, directoryOffset }: BitmapsExtension): Uint8Array {
  const data = new Uint8Array(24);
  const view = viewOf(data);
  view.setUint32(0, count);
  view.setUint32(4, reserved);
  view.setBigUint64(8, directorySize);
  view.setBigUint64(16, directoryOffset);
  return data;
}

/** Text up to a zero byte, with what is not UTF-8 replaced. */
export function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function checkKnown({ type, data }: Extension): void {
  if (type === ExtensionType.BackingFormat && data.length >= 16) {
    throw qcow2Error({ what: 'extension', text: `ERROR: ext_backing_format: len=${data.length} too large (>=16)` });
  }
  if (type === ExtensionType.Bitmaps && data.length !== 24) {
    throw qcow2Error({ what: 'extension', text: 'bitmaps_ext: Invalid extension length' });
  }
  if (type === ExtensionType.Encryption && data.length !== 16) {
    throw qcow2Error({ what: 'extension', text: `CRYPTO header extension size ${data.length}, but expected size 16` });
  }
}
