/** Disks in memory, and formats to put on them. */
import type { BlockDriver } from '@blk/core-graph';
import { parallels } from '@blk/drivers-parallels';
import { qcow } from '@blk/drivers-qcow';
import { qcow2 } from '@blk/drivers-qcow2';
import { qed } from '@blk/drivers-qed';
import { raw } from '@blk/drivers-raw';
import { vdi } from '@blk/drivers-vdi';
import { vhdx } from '@blk/drivers-vhdx';
import { vmdk } from '@blk/drivers-vmdk';
import { vpc } from '@blk/drivers-vpc';

/** Every writable format that lies in a file: options of creation, and a size that it can have. */
export const FORMATS: readonly (readonly [BlockDriver, Record<string, unknown>, number])[] = [
  [raw, {}, 1_312_256],
  [qcow2, {}, 1_312_256],
  [vpc, { force_size: true }, 1_312_256],
  [vdi, {}, 3_148_288],
  [vhdx, { block_size: 1 << 20 }, 2_500_096],
  [parallels, {}, 3_148_288],
  [qcow, {}, 1_312_256],
  [qed, {}, 1_312_256],
  [vmdk, {}, 1_312_256],
];
