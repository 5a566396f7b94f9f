/** The text of a new descriptor. */
import { idText, SECTOR } from './descriptor.js';

export interface NewDescriptor {
  readonly contentId: number;
  readonly parentId: number;
  readonly createType: string;
  readonly parentHint: string | undefined;
  readonly extents: readonly string[];
  readonly adapter: string;
  readonly hardware: string;
  readonly tools: string;
  /** Of the disk, in bytes. */
  readonly size: number;
}

const SECTORS_OF_TRACK = 63;

export function descriptorText({ contentId, parentId, createType, parentHint, extents, adapter, hardware, tools, size }: NewDescriptor): string {
  const heads = adapter === 'ide' ? 16 : 255;
  const cylinders = Math.floor(size / SECTOR / (heads * SECTORS_OF_TRACK));
  return [
    '# Disk DescriptorFile', 'version=1', `CID=${idText(contentId)}`, `parentCID=${idText(parentId)}`, `createType="${createType}"`,
    parentHint === undefined ? '' : `parentFileNameHint="${parentHint}"`,
    '# Extent description', ...extents, '',
    '# The Disk Data Base', '#DDB', '',
    `ddb.virtualHWVersion = "${hardware}"`, `ddb.geometry.cylinders = "${cylinders}"`, `ddb.geometry.heads = "${heads}"`,
    `ddb.geometry.sectors = "${SECTORS_OF_TRACK}"`, `ddb.adapterType = "${adapter}"`, `ddb.toolsVersion = "${tools}"`, '',
  ].join('\n');
}
