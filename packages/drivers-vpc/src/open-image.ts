/** From a file to an open image: footer, header, table, parent. */
import type { DriverNode, Edge, OpenContext } from '@blk/core-graph';
import { BlockTable, ENTRY_BYTES } from './block-table.js';
import { parseDynamicHeader } from './dynamic-header.js';
import { DynamicImage } from './dynamic-image.js';
import { DynamicNode } from './dynamic-node.js';
import { vpcError } from './errors.js';
import { FixedNode } from './fixed-node.js';
import { diskSize, knownToUseGeometry, readFooter, type FoundFooter, type SizeCalculation } from './footer.js';
import { HEADER_BYTES, SECTOR } from './format.js';
import { findParent } from './parent.js';
import { verifyTable } from './verify-table.js';

type Context = Pick<OpenContext, 'readOnly' | 'policy' | 'warn'>;

export interface VpcWish {
  readonly calculation: SizeCalculation | undefined;
  /** Most bytes of the block table in memory. */
  readonly budget: number | undefined;
}

export async function openVpc(file: Edge, { calculation, budget }: VpcWish, context: Context): Promise<DriverNode> {
  const found = await readFooter(file);
  const { footer, endOffset } = found;
  const size = diskSize(footer, calculation);
  if (calculation === undefined && size < footer.currentSize - (footer.currentSize % SECTOR) && !knownToUseGeometry(footer.creator)) {
    context.warn(
      `The disk is taken to have the ${size} bytes of its geometry rather than the ${footer.currentSize} bytes that its footer tells; ` +
        'force_size_calc=current_size shows all of them',
    );
  }
  if (footer.kind !== 'fixed') return openDynamic(file, found, { size, budget }, context);
  if (size > endOffset) throw vpcError({ what: 'fixed-truncated', size, fileSize: endOffset });
  return new FixedNode(file, size, footer.uniqueId);
}

async function openDynamic(
  file: Edge, { footer, endOffset, copyIntact }: FoundFooter, { size, budget }: { readonly size: number; readonly budget: number | undefined }, context: Context,
): Promise<DriverNode> {
  const { headerOffset } = footer;
  const { readOnly, policy } = context;
  if (headerOffset % SECTOR !== 0 || headerOffset < SECTOR || headerOffset + HEADER_BYTES > file.size) throw vpcError({ what: 'header-magic' });
  const bytes = new Uint8Array(HEADER_BYTES);
  await file.read(headerOffset, bytes, 0, HEADER_BYTES);
  const header = parseDynamicHeader(bytes);
  if (header.tableEntries * header.blockSize < size) throw vpcError({ what: 'table-small' });
  const length = header.tableEntries * ENTRY_BYTES;
  // The whole of it is looked through, and blocks of which all sectors are there are kept in mind.
  if (length > policy.maxMetadataBytes) throw vpcError({ what: 'table-memory', bytes: length, limit: policy.maxMetadataBytes });
  if (header.tableOffset + length > file.size) throw vpcError({ what: 'truncated' });
  const table = new BlockTable(file, header, budget);
  await verifyTable(file, table, header, headerOffset);
  const differencing = footer.kind === 'differencing';
  const name = differencing ? await findParent(file, header.locators, header.parentUnicodeName) : undefined;
  if (differencing && name === undefined) throw vpcError({ what: 'no-parent' });
  // The copy is what is left when a crash takes the footer at the end; so it has to be right before that one is overwritten.
  if (!readOnly && !copyIntact) {
    await file.write(0, footer.bytes, 0, footer.bytes.length);
    await file.flush();
  }
  // In a file nothing that is there is reused; a device has no end to be moved.
  const atEnd = endOffset >= 0 ? endOffset : file.size;
  if (file.node.driver.growable === true) table.end = Math.max(table.end, Math.ceil(atEnd / SECTOR) * SECTOR);
  const image = new DynamicImage({
    file,
    size,
    blockSize: header.blockSize,
    table,
    differencing,
    footerOffset: endOffset,
    footer: footer.bytes,
  });
  return new DynamicNode(image, readOnly, footer.uniqueId, name === undefined ? undefined : { name, id: header.parentId });
}
