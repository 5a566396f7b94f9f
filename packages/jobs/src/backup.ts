/** Backup jobs: `startBackup`, its options, and what is refused. */
import { BlockError, DirtyBitmap, findBitmap, Permission, WriteFlag, type BlockNode, type OnError } from '@blk/core-graph';
import { BackupBody } from './backup-body.js';
import type { Job, JobOptions } from './job.js';
import type { Jobs } from './jobs.js';

/**
 * What is copied. `full`: the whole disk; `top`: what the topmost image holds; `none`: only what guests overwrite, as it was before;
 * `bitmap`, and `incremental` (with the mode `on-success`): what is dirty in the bitmap.
 */
export type BackupSync = 'full' | 'top' | 'none' | 'incremental' | 'bitmap';

/** When the bitmap is brought up to date: when the backup ends well, whatever its end, or never. */
export type BitmapMode = 'on-success' | 'always' | 'never';

export interface BackupOptions extends Omit<JobOptions, 'type'> {
  readonly source: BlockNode;
  /** Of the source's size. Held until the job ends; closes then where nobody else uses it. */
  readonly target: BlockNode;
  /** The target is in a device, whose right to write to it is borne: its guest had better not use it. */
  readonly targetInDevice?: boolean | undefined;
  readonly sync: BackupSync;
  /** Name of a bitmap of the source. Frozen while the job runs. */
  readonly bitmap?: string | undefined;
  /** With a bitmap it is to be given, unless `sync` is `incremental`. */
  readonly bitmapMode?: BitmapMode | undefined;
  /** Data is stored compressed. */
  readonly compress?: boolean | undefined;
  /** Default: `report`. With `ignore` the rest is copied, and the job ends with the error all the same. */
  readonly onSourceError?: OnError | undefined;
  readonly onTargetError?: OnError | undefined;
  /** Name of a node that lies over the source while the job runs. Default: none does. */
  readonly filterName?: string | undefined;
}

/** Bytes that are copied whole, at least. */
const UNIT = 64 * 1024;

/**
 * Starts a backup: a copy of the source as it is now, while guests go on writing. The point in time is a drained section within this
 * call. A guest's write waits until what it overwrites is copied; where that fails the job fails, and the guest goes on.
 */
export async function startBackup(jobs: Jobs, options: BackupOptions): Promise<Job> {
  const { source, target, sync } = options;
  if (source === target) throw new BlockError('invalid-argument', 'Source and target cannot be the same');
  checkMode(options);
  const bitmap = options.bitmap === undefined ? undefined : bitmapOf(source, options.bitmap);
  const bitmapMode = options.bitmapMode ?? 'on-success';
  if (bitmap !== undefined && options.bitmapMode === undefined && sync !== 'incremental') {
    throw new BlockError('invalid-argument', 'Bitmap sync mode must be given when providing a bitmap');
  }
  if (sync === 'none' && bitmap !== undefined) {
    throw new BlockError('invalid-argument', "sync mode 'none' does not produce meaningful bitmap outputs");
  }
  if (options.compress === true && !compresses(target)) {
    throw new BlockError('unsupported', 'Compression is not supported for this drive ');
  }
  if (source.size !== target.size) throw new BlockError('invalid-argument', 'Source and target image have different sizes');
  const unit = Math.max(UNIT, (await target.driver.info?.())?.clusterSize ?? 0);
  return jobs.create({ ...options, type: 'backup' }, async (control) => {
    control.block([source, target]);
    control.hold(source, 'source', { permissions: Permission.ConsistentRead, shared: Permission.All & ~Permission.Resize });
    const edge = control.hold(target, 'target', {
      permissions: Permission.ConsistentRead | Permission.Write,
      shared: Permission.ConsistentRead | Permission.WriteUnchanged | (options.targetInDevice === true ? Permission.Write : 0),
    });
    if (options.filterName !== undefined) await control.putFilter(source, { name: options.filterName, driver: 'copy-before-write', target });
    return jobs.graph.drained([source], () => {
      bitmap?.freeze();
      const todo = new DirtyBitmap(undefined, unit, source.size);
      if (bitmap !== undefined && (sync === 'incremental' || sync === 'bitmap')) todo.merge(bitmap);
      else todo.set(0, source.size);
      return new BackupBody(
        {
          source, target: edge, sync, todo, unit, bitmap, bitmapMode,
          compress: options.compress ?? false,
          onSourceError: options.onSourceError ?? 'report',
          onTargetError: options.onTargetError ?? 'report',
        },
        control,
      );
    });
  });
}

/** What is refused whichever bitmap is meant, in the reference's words. */
function checkMode({ sync, bitmap, bitmapMode }: BackupOptions): void {
  if ((sync === 'incremental' || sync === 'bitmap') && bitmap === undefined) {
    throw new BlockError('invalid-argument', `must provide a valid bitmap name for '${sync}' sync mode`);
  }
  if (sync === 'incremental' && bitmapMode !== undefined && bitmapMode !== 'on-success') {
    throw new BlockError('invalid-argument', "Bitmap sync mode must be 'on-success' when using sync mode 'incremental'");
  }
}

function bitmapOf(source: BlockNode, name: string): DirtyBitmap {
  let bitmap: DirtyBitmap;
  try {
    bitmap = findBitmap(source, name);
  } catch {
    throw new BlockError('not-found', `Bitmap '${name}' could not be found`, { node: source.name });
  }
  bitmap.checkUsable();
  return bitmap;
}

/** Whether the image stores compressed data; what only shows its child's bytes does as the child. */
function compresses({ driver, storage }: BlockNode): boolean {
  if (((driver.writeFlags ?? 0) & WriteFlag.Compressed) === 0) return false;
  return storage?.role !== 'filtered' || compresses(storage.node);
}
