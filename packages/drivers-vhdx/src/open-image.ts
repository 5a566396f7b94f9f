/** From a file to an open image: header, log, regions, metadata, table, parent. */
import type { DriverNode, Edge, OpenContext } from '@blk/core-graph';
import { BlockTable } from './block-table.js';
import { vhdxError } from './errors.js';
import { hasText, MIB, PAGE, ZERO_ID } from './format.js';
import { HeaderFile } from './header.js';
import { readLog, type Replay } from './log.js';
import { LoggedFile, type ByteReader } from './logged-file.js';
import { readMetadata } from './metadata.js';
import { VhdxNode } from './node.js';
import { parseParent } from './parent.js';
import { readRegions } from './regions.js';
import { verifyTable } from './verify-table.js';
import { VhdxImage } from './vhdx-image.js';

/** Opens the image in `file`. A log that holds changes is replayed: in the file where it may be written, else in memory. `budget`: most bytes of the block table in memory. */
export async function openVhdx(file: Edge, budget: number | undefined, context: Pick<OpenContext, 'readOnly' | 'policy' | 'checking' | 'host'>): Promise<DriverNode> {
  const { readOnly, policy } = context;
  const magic = new Uint8Array(8);
  await file.read(0, magic, 0, magic.length);
  if (!hasText(magic, 0, 'vhdxfile')) throw vhdxError({ what: 'no-magic' });
  const header = await HeaderFile.read(file);
  const replay = await readLog(file, header.current, policy.maxMetadataBytes);
  if (replay !== undefined && context.checking && readOnly) throw vhdxError({ what: 'log-pending', filename: file.node.filename });
  const reader: ByteReader = replay === undefined ? file : new LoggedFile(file, replay);
  const fileSize = replay?.fileSize ?? file.size;
  const regions = await readRegions(reader, header.current, fileSize);
  const metadata = await readMetadata(reader, regions.metadata);
  const parent = metadata.parentLocator === undefined ? undefined : parseParent(metadata.parentLocator);
  if (parent !== undefined && !readOnly && !context.checking) throw vhdxError({ what: 'differencing' });
  const found = new BlockTable({ file, metadata, region: regions.bat, budget }, reader);
  await verifyTable(found, regions.all, metadata, { fileSize, maxBytes: policy.maxMetadataBytes });
  const replayed = replay !== undefined && !readOnly;
  if (replayed) {
    // Only now: with the changes of the log, all of the image makes sense.
    await apply(file, replay);
    await header.update({ logId: ZERO_ID });
  }
  const table = replayed ? found.inFile() : found;
  // In a file nothing that is there is reused; a device has no end to be moved.
  if (file.node.driver.growable === true) table.end = Math.max(table.end, Math.ceil(file.size / MIB) * MIB);
  return new VhdxNode(new VhdxImage({ file, reader: replayed ? file : reader, header, metadata, table, readOnly, host: context.host, replayed }), parent);
}

/** Puts the changes of the log into their places. It may be done again from the start, should it not come to an end. */
async function apply(file: Edge, { changes, fileSize }: Replay): Promise<void> {
  if (file.size < fileSize) await file.node.truncate(fileSize);
  for (const { offset, length, page } of changes) {
    const done = page === undefined ? file.writeZeroes(offset, length) : file.write(offset, page, 0, PAGE);
    if (done !== undefined) await done;
  }
  await file.flush();
}
