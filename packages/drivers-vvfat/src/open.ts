/** Opening: the directory is looked through and laid out as a disk. */
import { BlockError } from '@blk/core-graph';
import { Disk } from './disk.js';
import type { FatType, ShapeRequest } from './fat/shape.js';
import { HostFolder } from './host/host-folder.js';
import { OpenFiles } from './host/open-files.js';
import { scan } from './host/scan.js';
import { cannotReadDirectory, vvfatError } from './errors.js';
import { labelBytes } from './label.js';
import { layOut } from './layout.js';
import { Budget, type FolderNode } from './tree.js';

export interface DiskOptions {
  /** 0 or left out: what fits the kind of disk. */
  readonly fatType?: number | undefined;
  /** A floppy disk without partitions. Left out: a hard disk with one. */
  readonly floppy?: boolean | undefined;
  /** At most 11 bytes. Left out: `QEMU VVFAT`. */
  readonly label?: string | undefined;
  /** Most memory that the disk takes, in bytes. */
  readonly maxMetadataBytes?: number | undefined;
  /** Told what is left out. */
  readonly warn?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenDisk {
  readonly disk: Disk;
  readonly tree: FolderNode;
  readonly root: HostFolder;
  readonly files: OpenFiles;
  /** What was asked for. */
  readonly request: ShapeRequest;
}

export const DEFAULT_METADATA_BYTES = 60 << 20;

export async function openDisk(dir: string, options: DiskOptions): Promise<OpenDisk> {
  const { floppy = false, label = 'QEMU VVFAT', maxMetadataBytes = DEFAULT_METADATA_BYTES, warn = () => undefined, signal } = options;
  const fatType = checkFatType(options.fatType);
  const bytes = labelBytes(label);
  const root = await HostFolder.openRoot(dir).catch((error: unknown) => {
    throw cannotReadDirectory(dir, error);
  });
  try {
    const budget = new Budget(maxMetadataBytes);
    const tree = await scan(root, { budget, warn, signal }).catch((error: unknown) => {
      throw error instanceof BlockError ? error : cannotReadDirectory(dir, error);
    });
    const files = new OpenFiles(root);
    const request = { fatType, floppy };
    return { disk: new Disk(layOut(tree, { ...request, label: bytes }, budget), files), tree, root, files, request };
  } catch (error) {
    root.close();
    throw error;
  }
}

function checkFatType(fatType: number | undefined): FatType | undefined {
  if (fatType === undefined || fatType === 0) return undefined;
  if (fatType !== 12 && fatType !== 16 && fatType !== 32) throw vvfatError({ what: 'fat-type' });
  return fatType;
}
