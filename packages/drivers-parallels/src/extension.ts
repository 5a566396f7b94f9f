/** The format extension: bitmaps for backups and the like. It is not used; this is about whether the image may be changed without it. */
import { settled } from '@blk/cluster-map';
import type { Edge, OpenContext } from '@blk/core-graph';
import { parallelsError } from './errors.js';
import type { ParallelsHeader } from './header.js';

const MAGIC = 0xab23_4cef_23dc_ea87n;
/** Magic and checksum, before the first feature. */
const HEAD_BYTES = 24;
/** Magic, flags, size. */
const FEATURE_BYTES = 24;
const NECESSARY = 1n;
const MOST = 1024 * 1024;

/** Throws where it is none, or where the image must not be changed by who does not know a feature. */
export async function lookAtExtension(file: Edge, { extension, clusterSize }: ParallelsHeader, context: OpenContext): Promise<void> {
  // An image that is read is what it is without the extension.
  if (context.readOnly) return;
  const bytes = new Uint8Array(Math.min(clusterSize, MOST));
  if (extension + clusterSize > file.size) throw parallelsError({ what: 'extension', why: 'Invalid image: Format Extension lies beyond the end of the file' });
  await settled(file.read(extension, bytes, 0, bytes.length));
  const view = new DataView(bytes.buffer);
  const found = view.getBigUint64(0, true);
  if (found !== MAGIC) {
    const why = `Wrong parallels Format Extension magic: 0x${found.toString(16)}, expected: 0x${MAGIC.toString(16)}`;
    throw parallelsError({ what: 'extension', why });
  }
  for (let at = HEAD_BYTES; at + FEATURE_BYTES <= bytes.length; ) {
    const feature = view.getBigUint64(at, true);
    if (feature === 0n) break;
    if ((view.getBigUint64(at + 8, true) & NECESSARY) !== 0n) {
      throw parallelsError({ what: 'extension', why: `The image must not be changed without its feature 0x${feature.toString(16)}` });
    }
    at += FEATURE_BYTES + Math.ceil(view.getUint32(at + 16, true) / 8) * 8;
  }
  context.warn('Format Extension ignored in RW mode');
}
