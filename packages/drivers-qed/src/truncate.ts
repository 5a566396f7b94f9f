/** A larger disk. */
import { settled, writeRange, zeroRange, type MappedImage, type RootTable } from '@blk/cluster-map';
import { BlockError } from '@blk/core-graph';
import { wishError } from './errors.js';
import type { HeaderFile } from './header-file.js';
import { mostBytes, type QedHeader } from './header.js';

const SECTOR = 512;

/** Growth reads as zeroes, whatever a longer backing file holds there. `load` gives the first table of a header. */
export async function growDisk(
  image: MappedImage, headerFile: HeaderFile, wish: { readonly size: number; readonly preallocation: string }, load: (header: QedHeader) => Promise<RootTable>,
): Promise<void> {
  const { size, preallocation } = wish;
  if (preallocation !== 'off') throw new BlockError('unsupported', `Unsupported preallocation mode '${preallocation}'`, { driver: 'qed' });
  const { format, backing } = image;
  const before = format.size;
  const { clusterSize } = format;
  if (size % SECTOR !== 0 || size > mostBytes(headerFile.current)) throw wishError('Invalid image size specified');
  if (size < before) throw new BlockError('unsupported', 'Shrinking images is currently not supported', { driver: 'qed' });
  await settled(image.flush());
  const root = await load({ ...headerFile.current, size });
  format.tables.replaceRoot(root);
  format.size = size;
  try {
    const end = Math.min(size, Math.ceil(Math.min(size, backing?.size ?? 0) / clusterSize) * clusterSize);
    const middle = Math.min(size, Math.ceil(before / clusterSize) * clusterSize);
    if (middle > before) await zeroPart(image, before, middle - before);
    if (end > middle) await zeroRange(image, middle, end - middle, 0);
    await settled(image.flush());
    await headerFile.change({ size });
  } catch (error) {
    format.size = before;
    throw error;
  }
}

/** The rest of the last cluster, which may hold anything where it is stored. */
async function zeroPart(image: MappedImage, offset: number, length: number): Promise<void> {
  try {
    await zeroRange(image, offset, length, 0);
  } catch (error) {
    if (!(error instanceof BlockError) || error.kind !== 'unsupported') throw error;
    await settled(writeRange(image, offset, new Uint8Array(length), 0, length));
  }
}
