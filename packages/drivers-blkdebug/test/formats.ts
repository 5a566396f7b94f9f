/** Every writable format that lies in a file, and what has to be said for images of it to be small and lively. */
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

export interface FormatCase {
  readonly driver: BlockDriver;
  /** Options of creation. */
  readonly create: Readonly<Record<string, string | number | boolean>>;
  /** A size that it can have. */
  readonly size: number;
}

export const FORMATS: readonly FormatCase[] = [
  { driver: raw, create: {}, size: 1_312_256 },
  { driver: qcow2, create: {}, size: 1_312_256 },
  { driver: qcow, create: {}, size: 1_312_256 },
  { driver: qed, create: {}, size: 1_312_256 },
  { driver: vmdk, create: {}, size: 1_312_256 },
  { driver: vdi, create: {}, size: 3_148_288 },
  { driver: vpc, create: { force_size: true }, size: 1_312_256 },
  { driver: vhdx, create: { block_size: 1 << 20 }, size: 2_500_096 },
  { driver: parallels, create: {}, size: 3_148_288 },
];
