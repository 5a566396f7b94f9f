/**
 * The header extension that names the bitmap directory: put in, changed and taken out in steps of one sector each, so that
 * a power cut leaves a header that can be read. In between the autoclear bit may be clear: then there are no bitmaps.
 */
import { BlockError } from '@blk/core-graph';
import { encodeFirstCluster, placeBacking } from './create.js';
import { encodeExtensions, encodeBitmaps, ExtensionType, type BitmapsExtension, type Extension } from './extensions.js';
import { Autoclear } from './feature-bits.js';
import { FULL_HEADER_BYTES } from './format.js';
import type { Header } from './header.js';
import type { Qcow2Image } from './qcow2-image.js';

const SECTOR = 512;
const HEAD_BYTES = 8;

/** Names another directory, or none. Everything it refers to is on stable storage; so is the header afterwards. */
export async function writeBitmapsExtension(image: Qcow2Image, value: BitmapsExtension | undefined): Promise<void> {
  const { current } = image.header;
  const index = current.extensions.findIndex(({ type }) => type === ExtensionType.Bitmaps);
  if (value === undefined) {
    if (index >= 0) await remove(image, index);
    return;
  }
  const extension: Extension = { type: ExtensionType.Bitmaps, data: encodeBitmaps(value) };
  if (index >= 0) await replace(image, index, extension);
  else await append(image, extension);
  await setAutoclear(image, true);
}

async function replace(image: Qcow2Image, index: number, extension: Extension): Promise<void> {
  const { header } = image;
  const at = placeOf(header.current, index) + HEAD_BYTES;
  const wholeSector = Math.floor(at / SECTOR) === Math.floor((at + extension.data.length - 1) / SECTOR);
  if (!wholeSector) await setAutoclear(image, false);
  await put(image, at, extension.data);
  header.current = { ...header.current, extensions: header.current.extensions.with(index, extension) };
}

async function append(image: Qcow2Image, extension: Extension): Promise<void> {
  const { header, geometry } = image;
  const { current } = header;
  const end = placeOf(current, current.extensions.length);
  const added = encodeExtensions([extension]);
  const extensions = [...current.extensions, extension];
  const moves = current.backingOffset !== 0 && end + added.length > current.backingOffset;
  // A name that moves goes first, to where neither the old one nor the extension is.
  const offset = Math.max(end + added.length, current.backingOffset + current.backingLength);
  const fits = (moves ? offset + current.backingLength : end + added.length) <= geometry.clusterSize;
  if (geometry.clusterSize === SECTOR || !fits) {
    const changed = withRoom(current, extension, geometry.clusterSize);
    if (changed === undefined) throw noRoom();
    await rewrite(image, changed);
    return;
  }
  if (moves) {
    const name = new Uint8Array(current.backingLength);
    const reading = image.file.read(current.backingOffset, name, 0, name.length);
    if (reading !== undefined) await reading;
    await put(image, offset, name);
    await header.update({ backingOffset: offset });
    await image.file.flush();
  }
  // Until its first word is there, the end mark stands before the rest.
  await put(image, end + HEAD_BYTES, added.subarray(HEAD_BYTES));
  await put(image, end, added.subarray(0, HEAD_BYTES));
  header.current = { ...header.current, extensions };
}

async function remove(image: Qcow2Image, index: number): Promise<void> {
  const { header } = image;
  await setAutoclear(image, false);
  const extensions = header.current.extensions.filter((_, at) => at !== index);
  if (index < extensions.length) {
    await rewrite(image, placeBacking({ ...header.current, extensions }));
    return;
  }
  await put(image, placeOf(header.current, index), new Uint8Array(HEAD_BYTES));
  header.current = { ...header.current, extensions };
}

/** Throws where the header has no room for an extension that it has not yet. */
export function checkRoom(image: Qcow2Image): void {
  const { current } = image.header;
  if (current.extensions.some(({ type }) => type === ExtensionType.Bitmaps)) return;
  const extension: Extension = { type: ExtensionType.Bitmaps, data: new Uint8Array(24) };
  if (withRoom(current, extension, image.geometry.clusterSize) === undefined) throw noRoom();
}

/** The header with one more extension; the names of features are for people, and give way where there is no room. */
function withRoom(header: Header, extension: Extension, clusterSize: number): Header | undefined {
  const lessNames = header.extensions.filter(({ type }) => type !== ExtensionType.FeatureNames);
  const extensions = [header.extensions, lessNames]
    .map((others) => [...others, extension])
    .find((all) => header.headerLength + encodeExtensions(all).length + header.backingLength <= clusterSize);
  return extensions === undefined ? undefined : placeBacking({ ...header, extensions });
}

function noRoom(): BlockError {
  return new BlockError('no-space', 'No room in the header for the bitmaps extension: No space left on device', { driver: 'qcow2' });
}

async function setAutoclear(image: Qcow2Image, on: boolean): Promise<void> {
  const { header, file } = image;
  const { autoclear } = header.current;
  const wanted = on ? autoclear | Autoclear.Bitmaps : autoclear & ~Autoclear.Bitmaps;
  if (wanted === autoclear) return;
  await header.update({ autoclear: wanted });
  await file.flush();
}

/** Where extension `index` begins, in bytes; that of the end mark for the number of extensions. */
function placeOf(header: Header, index: number): number {
  return header.extensions
    .slice(0, index)
    .reduce((at, { data }) => at + HEAD_BYTES + Math.ceil(data.length / 8) * 8, header.headerLength);
}

async function put(image: Qcow2Image, offset: number, bytes: Uint8Array): Promise<void> {
  const done = image.file.write(offset, bytes, 0, bytes.length);
  if (done !== undefined) await done;
  await image.file.flush();
}

/** The whole first cluster at once. */
async function rewrite(image: Qcow2Image, changed: Header): Promise<void> {
  const cluster = new Uint8Array(Math.max(image.geometry.clusterSize, FULL_HEADER_BYTES));
  cluster.set(encodeFirstCluster(changed));
  await put(image, 0, cluster);
  image.header.current = changed;
}
