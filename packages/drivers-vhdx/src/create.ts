/** New images: headers, region tables, an empty log, metadata and the block table; of fixed disks also the space of all blocks. */
import type { CreateContext, Edge } from '@blk/core-graph';
import { chunkRatio, tableEntries } from './block-table.js';
import { argumentError } from './errors.js';
import { BlockState, HEADER_OFFSETS, MAX_BLOCK, MAX_DISK, MIB, newId, putText, REGION_TABLE_OFFSETS, TIB, viewOf, ZERO_ID } from './format.js';
import { encodeHeader } from './header.js';
import { encodeMetadata } from './metadata.js';
import { encodeRegions } from './regions.js';

export interface VhdxCreateOptions {
  readonly subformat?: 'dynamic' | 'fixed';
  readonly block_size?: number;
  readonly log_size?: number;
  readonly block_state_zero?: boolean;
}

const SECTOR = 512;
const CREATOR = 'blk';
const PIECE_ENTRIES = MIB / 8;

/** Throws before anything is written where the options do not fit. */
export async function createVhdx(file: Edge, options: VhdxCreateOptions & { readonly size: number }, { host }: CreateContext): Promise<void> {
  const size = Math.ceil(options.size / SECTOR) * SECTOR;
  if (size > MAX_DISK) throw argumentError('Image size too large; max of 64TB');
  // Zero is taken for a size, not for one of the driver's choice as `block_size` is.
  if (options.log_size === 0) throw argumentError('Log size must be a multiple of 1 MB');
  const logLength = roundUp(options.log_size ?? MIB);
  if (logLength >= 2 ** 32) throw argumentError('Log size must be smaller than 4 GB');
  const blockSize = blockSizeFor(options.block_size ?? 0, size);
  const fixed = options.subformat === 'fixed';
  const blocks = Math.ceil(size / blockSize);
  const ratio = chunkRatio(blockSize, SECTOR);
  const entries = tableEntries(blocks, ratio);
  const bat = { offset: MIB + logLength, length: Math.max(MIB, roundUp(entries * 8)) };
  const metadata = { offset: bat.offset + bat.length, length: MIB };
  const firstBlock = metadata.offset + metadata.length;
  const id = (): string =>
    newId((into) => {
      host.random(into);
    });
  await file.node.truncate(firstBlock + (fixed ? blocks * blockSize : 0));
  const head = new Uint8Array(8 + 512);
  putText(head, 0, 'vhdxfile');
  for (let at = 0; at < CREATOR.length; at++) head[8 + at * 2] = CREATOR.charCodeAt(at);
  const write = async (offset: number, bytes: Uint8Array): Promise<void> => {
    const done = file.write(offset, bytes, 0, bytes.length);
    if (done !== undefined) await done;
  };
  await write(0, head);
  const header = { fileWriteId: id(), dataWriteId: id(), logId: ZERO_ID, logOffset: MIB, logLength };
  for (const [index, offset] of HEADER_OFFSETS.entries()) await write(offset, encodeHeader({ ...header, sequence: BigInt(index + 1) }));
  for (const offset of REGION_TABLE_OFFSETS) await write(offset, encodeRegions(bat, metadata));
  await write(metadata.offset, encodeMetadata({ diskSize: size, blockSize, fixed, diskId: id() }));
  if (!fixed && options.block_state_zero === false) return;
  for (let first = 0; first < entries; first += PIECE_ENTRIES) {
    const count = Math.min(PIECE_ENTRIES, entries - first);
    const bytes = new Uint8Array(count * 8);
    const view = viewOf(bytes);
    for (let at = 0; at < count; at++) {
      const chunk = Math.floor((first + at) / (ratio + 1));
      const inChunk = first + at - chunk * (ratio + 1);
      // Entries of sector bitmaps stay empty.
      if (inChunk === ratio) continue;
      const place = fixed ? (firstBlock + (chunk * ratio + inChunk) * blockSize) / MIB : 0;
      view.setUint32(at * 8, ((place << 20) | (fixed ? BlockState.Present : BlockState.Zero)) >>> 0, true);
      view.setUint32(at * 8 + 4, place >>> 12, true);
    }
    await write(bat.offset + first * 8, bytes);
  }
}

function blockSizeFor(wanted: number, size: number): number {
  if (wanted === 0) return (size > 32 * TIB ? 64 : size > 100 * 1024 * MIB ? 32 : size > 1024 * MIB ? 16 : 8) * MIB;
  const rounded = roundUp(wanted);
  if ((rounded & (rounded - 1)) !== 0) throw argumentError('Block size must be a power of two');
  return Math.min(rounded, MAX_BLOCK);
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}
