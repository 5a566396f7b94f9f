/** The file system as the guest left it. */
import type { FatTime } from '../fat/time.js';
import type { Run } from '../tree.js';

export interface GuestFile {
  readonly kind: 'file';
  readonly name: string;
  readonly size: number;
  readonly modified: FatTime;
  /** Exactly the clusters that the size takes; runs do not touch. */
  readonly chain: readonly Run[];
}

export interface GuestFolder {
  readonly kind: 'folder';
  readonly name: string;
  readonly modified: FatTime;
  /** 0: the root directory of FAT12 and FAT16. */
  readonly firstCluster: number;
  /** By `foldName`. */
  readonly children: Map<string, GuestNode>;
}

export type GuestNode = GuestFile | GuestFolder;
