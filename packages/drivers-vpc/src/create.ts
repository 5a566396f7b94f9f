/** New images: a footer behind as many bytes as the disk has, or header and an empty table. */
import type { CreateContext, Edge } from '@blk/core-graph';
import { encodeDynamicHeader } from './dynamic-header.js';
import { argumentError } from './errors.js';
import { encodeFooter } from './footer.js';
import { EPOCH, FOOTER_BYTES, HEADER_BYTES, MAX_SECTORS, SECTOR } from './format.js';
import { MAX_GEOMETRY, roundToGeometry } from './geometry.js';

export interface VpcCreateOptions {
  readonly subformat?: 'dynamic' | 'fixed';
  readonly force_size?: boolean;
}

const BLOCK_SIZE = 2 * 1024 * 1024;

/** Throws before anything is written where the size does not fit. Without `force_size` it becomes one that a geometry can tell. */
export async function createVpc(file: Edge, options: VpcCreateOptions & { readonly size: number }, { host }: CreateContext): Promise<void> {
  const exact = options.force_size === true;
  if (Math.ceil(options.size / SECTOR) > MAX_SECTORS) throw argumentError("The image size is too large for file format 'vpc'", 'too-large');
  const rounded = exact ? { geometry: MAX_GEOMETRY, sectors: Math.ceil(options.size / SECTOR) } : roundToGeometry(options.size);
  const size = rounded.sectors * SECTOR;
  const uniqueId = new Uint8Array(16);
  host.random(uniqueId);
  // A random identifier, as RFC 4122 marks it.
  uniqueId[6] = (uniqueId[6] & 0x0f) | 0x40;
  uniqueId[8] = (uniqueId[8] & 0x3f) | 0x80;
  const kind = options.subformat ?? 'dynamic';
  const footer = encodeFooter({
    kind,
    creator: exact ? 'qem2' : 'qemu',
    size,
    geometry: rounded.geometry,
    timestamp: Math.floor(Date.now() / 1000) - EPOCH,
    uniqueId,
  });
  if (kind === 'fixed') {
    await file.node.truncate(size + FOOTER_BYTES);
    await file.write(size, footer, 0, footer.length);
    return;
  }
  const tableEntries = Math.ceil(size / BLOCK_SIZE);
  const tableOffset = FOOTER_BYTES + HEADER_BYTES;
  const tableEnd = tableOffset + Math.ceil((tableEntries * 4) / SECTOR) * SECTOR;
  const bytes = new Uint8Array(tableEnd + FOOTER_BYTES).fill(0xff, tableOffset, tableEnd);
  bytes.set(footer, 0);
  bytes.set(encodeDynamicHeader(tableOffset, tableEntries, BLOCK_SIZE), FOOTER_BYTES);
  bytes.set(footer, tableEnd);
  await file.write(0, bytes, 0, bytes.length);
}
