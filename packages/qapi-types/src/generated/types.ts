// Generated from schema/schema.json by "npm run generate"; edit the schema instead.

import type { EmptyObject, Int64, Uint64 } from '../integers.js';

/**
 * The kinds of failure that a client can tell apart without reading the text.
 *
 * Since: 1.2
 */
export type ErrorClass =
  | 'GenericError'
  | 'CommandNotFound'
  | 'DeviceEncrypted'
  | 'DeviceNotActive'
  | 'DeviceNotFound'
  | 'KVMMissingCap';

/**
 * A version in three numbers.
 *
 * Since: 2.4
 */
export interface VersionTriple {
  /** the first number. */
  major: Int64;
  /** the second number. */
  minor: Int64;
  /** the third number. */
  micro: Int64;
}

/**
 * Which version answers.
 *
 * Since: 0.14.0
 */
export interface VersionInfo {
  /** the version as numbers. */
  qemu: VersionTriple;
  /** what the distributor adds to the version; may be empty. */
  package: string;
}

/**
 * One command that the server knows.
 *
 * Since: 0.14.0
 */
export interface CommandInfo {
  /** the name to put into `execute`. */
  name: string;
}

/**
 * A choice that may be left to the server.
 *
 * Since: 2.2
 */
export type OnOffAuto = 'auto' | 'on' | 'off';

/**
 * A string in an object of its own, where only an object can stand.
 *
 * Since: 1.2
 */
export interface String {
  /** the string. */
  str: string;
}

/**
 * The direction of a request.
 *
 * Since: 2.1
 */
export type IoOperationType = 'read' | 'write';

/**
 * One internal snapshot of an image.
 *
 * Since: 1.3
 */
export interface SnapshotInfo {
  /** identifier, unique within the image. */
  id: string;
  /** name that the user chose. */
  name: string;
  /** bytes of saved machine state; 0 for a disk-only snapshot. */
  'vm-state-size': Int64;
  /** when it was taken: seconds since 1970, UTC. */
  'date-sec': Int64;
  /** nanoseconds to add to `date-sec`. */
  'date-nsec': Int64;
  /** how long the machine had been running: seconds. */
  'vm-clock-sec': Int64;
  /** nanoseconds to add to `vm-clock-sec`. */
  'vm-clock-nsec': Int64;
  /** instructions that the machine had run. (Since 5.2) */
  icount?: Int64;
}

/**
 * What only qcow2 images have to tell.
 *
 * Since: 1.7
 */
export interface ImageInfoSpecificQCow2 {
  /** version of the format: `0.10` for 2, `1.1` for 3. */
  compat: string;
  /** whether reference counts may lag behind; version 3 only. */
  'lazy-refcounts'?: boolean;
  /** true if the image is marked corrupt; version 3 only (since 2.2). */
  corrupt?: boolean;
  /** width of a reference count, in bits (since 2.3). */
  'refcount-bits': Int64;
  /** file that holds the guest's data. (Since 4.0) */
  'data-file'?: string;
  /** whether that file can be read as a raw image. (Since 4.0) */
  'data-file-raw'?: boolean;
  /** whether clusters are divided into subclusters. (Since 5.2) */
  'extended-l2'?: boolean;
  /** bitmaps stored in the image. (Since 4.0) */
  bitmaps?: Qcow2BitmapInfo[];
  /** how clusters are compressed. (Since 5.1) */
  'compression-type'?: Qcow2CompressionType;
}

/**
 * What only VMDK images have to tell.
 *
 * Since: 1.7
 */
export interface ImageInfoSpecificVmdk {
  /** the layout of the image, as VMDK names it. */
  'create-type': string;
  /** content id. */
  cid: Int64;
  /** content id of the parent image. */
  'parent-cid': Int64;
  /** the files that make up the image. */
  extents: ImageInfo[];
}

/**
 * What only images of one format have to tell.
 *
 * Since: 1.7
 */
export type ImageInfoSpecific =
  | { type: 'qcow2'; data: ImageInfoSpecificQCow2 }
  | { type: 'vmdk'; data: ImageInfoSpecificVmdk };

/**
 * An image file, described.
 *
 * Since: 1.3
 */
export interface ImageInfo {
  /** name of the file. */
  filename: string;
  /** name of the format. */
  format: string;
  /** true if the image was not closed properly. */
  'dirty-flag'?: boolean;
  /** bytes that the file takes up on its file system. */
  'actual-size'?: Int64;
  /** bytes that a guest sees. */
  'virtual-size': Int64;
  /** bytes of a cluster. */
  'cluster-size'?: Int64;
  /** true if the image is encrypted. */
  encrypted?: boolean;
  /** true if the image is compressed (since 1.7). */
  compressed?: boolean;
  /** backing file as the image names it. */
  'backing-filename'?: string;
  /** where that name leads to. */
  'full-backing-filename'?: string;
  /** format that the image gives for its backing file. */
  'backing-filename-format'?: string;
  /** internal snapshots. */
  snapshots?: SnapshotInfo[];
  /** the backing file, described in turn (since 1.6). */
  'backing-image'?: ImageInfo;
  /** what only this format has to tell (since 1.7). */
  'format-specific'?: ImageInfoSpecific;
}

/**
 * The outcome of a check of an image.
 *
 * Since: 1.4
 */
export interface ImageCheck {
  /** name of the file. */
  filename: string;
  /** name of the format. */
  format: string;
  /** how many times the check itself failed. */
  'check-errors': Int64;
  /** where the last used byte of the file ends, if the format can tell. */
  'image-end-offset'?: Int64;
  /** corruptions found. */
  corruptions?: Int64;
  /** leaked clusters found. */
  leaks?: Int64;
  /** corruptions repaired. */
  'corruptions-fixed'?: Int64;
  /** leaked clusters freed. */
  'leaks-fixed'?: Int64;
  /** clusters of the image, if the format can tell. */
  'total-clusters'?: Int64;
  /** those of them that are allocated. */
  'allocated-clusters'?: Int64;
  /** those that do not follow their predecessor in the file. */
  'fragmented-clusters'?: Int64;
  /** those that are compressed. */
  'compressed-clusters'?: Int64;
}

/**
 * How a device is cached.
 *
 * Since: 2.3
 */
export interface BlockdevCacheInfo {
  /** whether writes complete before they are on stable storage. */
  writeback: boolean;
  /** whether the host's page cache is bypassed. */
  direct: boolean;
  /** whether flushes are ignored. */
  'no-flush': boolean;
}

/**
 * The image behind a device, as it is open now.
 *
 * Since: 0.14.0
 */
export interface BlockDeviceInfo {
  /** name of the file. */
  file: string;
  /** name of the node (since 2.0). */
  'node-name'?: string;
  /** whether it is open read-only. */
  ro: boolean;
  /** driver that reads it. */
  drv: string;
  /** name of its backing file. */
  backing_file?: string;
  /** length of the chain below it (since 1.2). */
  backing_file_depth: Int64;
  /** whether it is encrypted. */
  encrypted: boolean;
  /** whether it waits for its key. */
  encryption_key_missing: boolean;
  /** what becomes of written zeroes (since 2.1). */
  detect_zeroes: BlockdevDetectZeroesOptions;
  /** limit of bytes per second, reads and writes together; 0 is none. */
  bps: Int64;
  /** the same for reads. */
  bps_rd: Int64;
  /** the same for writes. */
  bps_wr: Int64;
  /** limit of requests per second, reads and writes together; 0 is none. */
  iops: Int64;
  /** the same for reads. */
  iops_rd: Int64;
  /** the same for writes. */
  iops_wr: Int64;
  /** the image file (since 1.6). */
  image: ImageInfo;
  /** burst of bytes, reads and writes together (since 1.7). */
  bps_max?: Int64;
  /** the same for reads (since 1.7). */
  bps_rd_max?: Int64;
  /** the same for writes (since 1.7). */
  bps_wr_max?: Int64;
  /** burst of requests, reads and writes together (since 1.7). */
  iops_max?: Int64;
  /** the same for reads (since 1.7). */
  iops_rd_max?: Int64;
  /** the same for writes (since 1.7). */
  iops_wr_max?: Int64;
  /** bytes that count as one request (since 1.7). */
  iops_size?: Int64;
  /** name of the throttle group (since 2.4). */
  group?: string;
  /** how it is cached (since 2.3). */
  cache: BlockdevCacheInfo;
  /** offset past which a write is reported; 0 is none (since 2.3). */
  write_threshold: Int64;
  /** its dirty bitmaps, left out where there are none. (Since 4.2) */
  'dirty-bitmaps'?: BlockDirtyInfo[];
  /** seconds that a burst of `bps_max` may last; left out, like those that follow, where there is no burst. (Since 2.6) */
  bps_max_length?: Int64;
  /** seconds that a burst of `bps_rd_max` may last. (Since 2.6) */
  bps_rd_max_length?: Int64;
  /** seconds that a burst of `bps_wr_max` may last. (Since 2.6) */
  bps_wr_max_length?: Int64;
  /** seconds that a burst of `iops_max` may last. (Since 2.6) */
  iops_max_length?: Int64;
  /** seconds that a burst of `iops_rd_max` may last. (Since 2.6) */
  iops_rd_max_length?: Int64;
  /** seconds that a burst of `iops_wr_max` may last. (Since 2.6) */
  iops_wr_max_length?: Int64;
}

/**
 * How the last request of a device went.
 *
 * Since: 1.0
 */
export type BlockDeviceIoStatus = 'ok' | 'failed' | 'nospace';

/**
 * A range of an image and where its bytes come from.
 *
 * Since: 1.7
 */
export interface BlockDeviceMapEntry {
  /** where the range starts in the image, in bytes. */
  start: Int64;
  /** bytes of the range. */
  length: Int64;
  /** how many backing files lie between the image and the file that answers. */
  depth: Int64;
  /** whether the range reads as zeroes. */
  zero: boolean;
  /** whether reading it reads data from a file. */
  data: boolean;
  /** where the bytes lie in that file, if they lie there as they are. */
  offset?: Int64;
}

/**
 * What a dirty bitmap is doing.
 *
 * Since: 2.4
 */
export type DirtyBitmapStatus = 'active' | 'disabled' | 'frozen';

/**
 * A dirty bitmap.
 *
 * Since: 1.3
 */
export interface BlockDirtyInfo {
  /** its name, if it has one (since 2.4). */
  name?: string;
  /** bytes marked as dirty. */
  count: Int64;
  /** bytes that one bit stands for (since 1.4). */
  granularity: number;
  /** what it is doing (since 2.4). */
  status: DirtyBitmapStatus;
  /** writes are noted. (Since 4.0) */
  recording?: boolean;
  /** something works with the bitmap: a job, or an export. (Since 4.0) */
  busy?: boolean;
  /** the image keeps it when it is closed. (Since 4.0) */
  persistent?: boolean;
  /** the image was not closed properly, and what it holds of the bitmap is out of date; it can only be removed. Left out where that is not so. (Since 4.0) */
  inconsistent?: boolean;
}

/**
 * A device and what is in it.
 *
 * Since: 0.14.0
 */
export interface BlockInfo {
  /** name of the device. */
  device: string;
  /** always `unknown`; kept for old clients. */
  type: string;
  /** whether its medium can be taken out. */
  removable: boolean;
  /** whether the guest keeps the medium locked in. */
  locked: boolean;
  /** the medium, if there is one. */
  inserted?: BlockDeviceInfo;
  /** whether the tray is open, if there is a tray. */
  tray_open?: boolean;
  /** how the last request went, where errors may stop the device. */
  'io-status'?: BlockDeviceIoStatus;
  /** its dirty bitmaps, if there are any (since 2.0). */
  'dirty-bitmaps'?: BlockDirtyInfo[];
}

/**
 * Counters of a device or a node since it was opened.
 *
 * Since: 0.14.0
 */
export interface BlockDeviceStats {
  /** bytes read. */
  rd_bytes: Int64;
  /** bytes written. */
  wr_bytes: Int64;
  /** reads. */
  rd_operations: Int64;
  /** writes. */
  wr_operations: Int64;
  /** flushes (since 0.15.0). */
  flush_operations: Int64;
  /** nanoseconds spent in flushes (since 0.15.0). */
  flush_total_time_ns: Int64;
  /** nanoseconds spent in writes (since 0.15.0). */
  wr_total_time_ns: Int64;
  /** nanoseconds spent in reads (since 0.15.0). */
  rd_total_time_ns: Int64;
  /** end of the highest write. */
  wr_highest_offset: Int64;
  /** reads that were merged into others (since 2.3). */
  rd_merged: Int64;
  /** writes that were merged into others (since 2.3). */
  wr_merged: Int64;
}

/**
 * Counters of a device or node, and of what lies below it.
 *
 * Since: 0.14.0
 */
export interface BlockStats {
  /** name of the device, if it is one. */
  device?: string;
  /** name of the node (since 2.3). */
  'node-name'?: string;
  /** the counters. */
  stats: BlockDeviceStats;
  /** the protocol node below. */
  parent?: BlockStats;
  /** the backing image (since 2.0). */
  backing?: BlockStats;
}

/**
 * What to do when a request fails. A request of a guest and one of a job differ in what is stopped.
 *
 * Since: 1.3
 */
export type BlockdevOnError = 'report' | 'ignore' | 'enospc' | 'stop';

/**
 * What a copying job starts with.
 *
 * Since: 1.3
 */
export type MirrorSyncMode = 'top' | 'full' | 'none' | 'incremental' | 'bitmap';

/**
 * Kinds of jobs.
 *
 * Since: 1.7
 */
export type BlockJobType = 'commit' | 'stream' | 'mirror' | 'backup';

/**
 * A running job.
 *
 * Since: 1.1
 */
export interface BlockJobInfo {
  /** kind of the job. */
  type: string;
  /** the device that it works on. */
  device: string;
  /** where progress ends. */
  len: Int64;
  /** how far it is. */
  offset: Int64;
  /** false if no request of the job is under way (since 1.3). */
  busy: boolean;
  /** whether it is paused, or will be as soon as it can (since 1.3). */
  paused: boolean;
  /** limit in bytes per second; 0 is none. */
  speed: Int64;
  /** how its last request went (since 1.3). */
  'io-status': BlockDeviceIoStatus;
  /** whether it waits to be completed (since 2.2). */
  ready: boolean;
  /** its state. (Since 2.12) */
  status?: JobStatus;
  /** its outcome is made real without being asked. (Since 2.12) */
  'auto-finalize'?: boolean;
  /** it is forgotten without being asked. (Since 2.12) */
  'auto-dismiss'?: boolean;
  /** what went wrong, once something did. (Since 2.12.1) */
  error?: string;
}

/**
 * Where the image of a target comes from.
 *
 * Since: 1.1
 */
export type NewImageMode = 'existing' | 'absolute-paths';

/** A snapshot into a new overlay. Exactly one of `device` and `node-name` says of what. */
export interface BlockdevSnapshot {
  /** name of the device. */
  device?: string;
  /** name of the node (since 2.0). */
  'node-name'?: string;
  /** file of the overlay. */
  'snapshot-file': string;
  /** name for the node of the overlay (since 2.0). */
  'snapshot-node-name'?: string;
  /** format of the overlay (default: qcow2). */
  format?: string;
  /** whether the overlay is created (default: absolute-paths). */
  mode?: NewImageMode;
}

/**
 * Arguments of `drive-backup`. The two error policies are for the job's own requests; a guest's
 * writes follow the device's.
 *
 * Since: 1.6
 */
export interface DriveBackup {
  /** name of the device to copy. */
  device: string;
  /** file or device to copy to; created if need be. */
  target: string;
  /** format of the target (default: that of the source, or what is found if `mode` is existing). */
  format?: string;
  /** what to copy. */
  sync: MirrorSyncMode;
  /** whether the target is created (default: absolute-paths). */
  mode?: NewImageMode;
  /** limit in bytes per second; 0 is none. */
  speed?: Int64;
  /** the dirty bitmap that says what to copy; needed for, and allowed with, incremental `sync` only (since 2.4). */
  bitmap?: string;
  /** what to do when reading the source fails (default: report). */
  'on-source-error'?: BlockdevOnError;
  /** what to do when writing the target fails (default: report). */
  'on-target-error'?: BlockdevOnError;
  /** id of the job (default: the name of the device). (Since 2.7) */
  'job-id'?: string;
  /** when the bitmap is brought up to date (default: on-success, where sync is incremental). (Since 4.2) */
  'bitmap-mode'?: BitmapSyncMode;
  /** store the data compressed (default: false). (Since 2.8) */
  compress?: boolean;
  /** name of a node that lies over the source while the job runs (default: none does). (Since 4.2) */
  'filter-node-name'?: string;
  /** make the outcome real without being asked (default: true). (Since 2.12) */
  'auto-finalize'?: boolean;
  /** forget the job without being asked (default: true). (Since 2.12) */
  'auto-dismiss'?: boolean;
}

/**
 * Arguments of `blockdev-backup`. The two error policies are for the job's own requests; a guest's
 * writes follow the device's.
 *
 * Since: 2.3
 */
export interface BlockdevBackup {
  /** name of the device to copy. */
  device: string;
  /** name of the device to copy to. */
  target: string;
  /** what to copy. */
  sync: MirrorSyncMode;
  /** limit in bytes per second; 0 is none. */
  speed?: Int64;
  /** what to do when reading the source fails (default: report). */
  'on-source-error'?: BlockdevOnError;
  /** what to do when writing the target fails (default: report). */
  'on-target-error'?: BlockdevOnError;
  /** id of the job (default: the name of the device). (Since 2.7) */
  'job-id'?: string;
  /** name of a dirty bitmap of the source. (Since 3.1) */
  bitmap?: string;
  /** when the bitmap is brought up to date (default: on-success, where sync is incremental). (Since 4.2) */
  'bitmap-mode'?: BitmapSyncMode;
  /** store the data compressed (default: false). (Since 2.8) */
  compress?: boolean;
  /** name of a node that lies over the source while the job runs (default: none does). (Since 4.2) */
  'filter-node-name'?: string;
  /** make the outcome real without being asked (default: true). (Since 2.12) */
  'auto-finalize'?: boolean;
  /** forget the job without being asked (default: true). (Since 2.12) */
  'auto-dismiss'?: boolean;
}

/**
 * A dirty bitmap, named.
 *
 * Since: 2.4
 */
export interface BlockDirtyBitmap {
  /** device or node that it belongs to. */
  node: string;
  /** name of the bitmap. */
  name: string;
}

/**
 * A dirty bitmap to be made.
 *
 * Since: 2.4
 */
export interface BlockDirtyBitmapAdd {
  /** device or node that it belongs to. */
  node: string;
  /** name of the bitmap. */
  name: string;
  /** bytes that one bit stands for (default: 64 KiB). */
  granularity?: number;
  /** the image keeps it when it is closed (default: false). (Since 2.10) */
  persistent?: boolean;
  /** writes are not noted at first (default: false). (Since 4.0) */
  disabled?: boolean;
}

/**
 * What becomes of discards.
 *
 * Since: 1.7
 */
export type BlockdevDiscardOptions = 'ignore' | 'unmap';

/**
 * What becomes of written zeroes.
 *
 * Since: 2.1
 */
export type BlockdevDetectZeroesOptions = 'off' | 'on' | 'unmap';

/**
 * How requests reach the host.
 *
 * Since: 1.7
 */
export type BlockdevAioOptions = 'threads' | 'native' | 'io_uring';

/**
 * How a device is to be cached.
 *
 * Since: 1.7
 */
export interface BlockdevCacheOptions {
  /** writes may complete before they are on stable storage (default: true). */
  writeback?: boolean;
  /** bypass the host's page cache (default: false). */
  direct?: boolean;
  /** ignore flushes (default: false). */
  'no-flush'?: boolean;
}

/**
 * Drivers that can be asked for.
 *
 * Since: 2.0
 */
export type BlockdevDriver =
  | 'archipelago'
  | 'blkdebug'
  | 'blkverify'
  | 'bochs'
  | 'cloop'
  | 'dmg'
  | 'file'
  | 'ftp'
  | 'ftps'
  | 'host_cdrom'
  | 'host_device'
  | 'host_floppy'
  | 'http'
  | 'https'
  | 'null-aio'
  | 'null-co'
  | 'parallels'
  | 'qcow'
  | 'qcow2'
  | 'qed'
  | 'quorum'
  | 'raw'
  | 'tftp'
  | 'vdi'
  | 'vhdx'
  | 'vmdk'
  | 'vpc'
  | 'vvfat'
  | 'luks'
  | 'nbd'
  | 'ssh'
  | 'throttle'
  | 'copy-on-read';

/**
 * What can be said of every device, whatever its driver.
 *
 * Since: 1.7
 */
export interface BlockdevOptionsBase {
  /** the driver. */
  driver: BlockdevDriver;
  /** name for the device; needed on the top level and only allowed there. */
  id?: string;
  /** name for the node (since 2.0). */
  'node-name'?: string;
  /** what becomes of discards (default: ignore). */
  discard?: BlockdevDiscardOptions;
  /** how it is to be cached. */
  cache?: BlockdevCacheOptions;
  /** how requests reach the host (default: threads). */
  aio?: BlockdevAioOptions;
  /** what to do when a read fails (default: report). */
  rerror?: BlockdevOnError;
  /** what to do when a write fails (default: enospc). */
  werror?: BlockdevOnError;
  /** open read-only (default: false). */
  'read-only'?: boolean;
  /** what becomes of written zeroes (default: off; since 2.1). */
  'detect-zeroes'?: BlockdevDetectZeroesOptions;
  /** open read-only if read-write is not possible. (Since 3.1) */
  'auto-read-only'?: boolean;
  /** open even if another process has a lock; only together with read-only. (Since 2.10) */
  'force-share'?: boolean;
}

/**
 * A file, or what is named like one.
 *
 * Since: 1.7
 */
export interface BlockdevOptionsFile {
  /** its name. */
  filename: string;
}

/**
 * A device that stores nothing.
 *
 * Since: 2.2
 */
export interface BlockdevOptionsNull {
  /** its size in bytes. */
  size?: Int64;
  /** nanoseconds that each request takes (default: 0; since 2.4). */
  'latency-ns'?: Uint64;
  /** whether reads fill the buffer with zeroes rather than leave it as it is (default: false). (Since 4.1) */
  'read-zeroes'?: boolean;
}

/**
 * A directory shown as a FAT disk.
 *
 * Since: 1.7
 */
export interface BlockdevOptionsVVFAT {
  /** the directory. */
  dir: string;
  /** 12, 16 or 32. */
  'fat-type'?: Int64;
  /** show a floppy disk instead of a hard disk (default: false). */
  floppy?: boolean;
  /** label of the volume, at most 11 bytes (default: QEMU VVFAT; since 2.4). */
  label?: string;
  /** allow writes (default: false). */
  rw?: boolean;
}

/**
 * A format that needs to know nothing but where its bytes are.
 *
 * Since: 1.7
 */
export interface BlockdevOptionsGenericFormat {
  /** the node that holds the image. */
  file: BlockdevRef;
}

/**
 * The same for a format with backing files.
 *
 * Since: 1.7
 */
export interface BlockdevOptionsGenericCOWFormat extends BlockdevOptionsGenericFormat {
  /** the backing image (default: what the image says; null, or an empty string: none). */
  backing?: BlockdevRefOrNull;
}

/**
 * How much is guarded against being overwritten by accident.
 *
 * Since: 2.2
 */
export type Qcow2OverlapCheckMode = 'none' | 'constant' | 'cached' | 'all';

/**
 * What is guarded, structure by structure. What is left out is as `template` has it.
 *
 * Since: 2.2
 */
export interface Qcow2OverlapCheckFlags {
  /** where to start from (default: cached). */
  template?: Qcow2OverlapCheckMode;
  /** the header. */
  'main-header'?: boolean;
  /** the L1 table in use. */
  'active-l1'?: boolean;
  /** the L2 tables in use. */
  'active-l2'?: boolean;
  /** the refcount table. */
  'refcount-table'?: boolean;
  /** the refcount blocks. */
  'refcount-block'?: boolean;
  /** the snapshot table. */
  'snapshot-table'?: boolean;
  /** the snapshots' L1 tables. */
  'inactive-l1'?: boolean;
  /** the snapshots' L2 tables. */
  'inactive-l2'?: boolean;
}

/**
 * What is guarded against being overwritten by accident.
 *
 * Since: 2.2
 */
export type Qcow2OverlapChecks = Qcow2OverlapCheckFlags | Qcow2OverlapCheckMode;

/**
 * A qcow2 image.
 *
 * Since: 1.7
 */
export interface BlockdevOptionsQcow2 extends BlockdevOptionsGenericCOWFormat {
  /** let reference counts lag behind (default: what the image says). */
  'lazy-refcounts'?: boolean;
  /** pass discards of the guest on to the file. */
  'pass-discard-request'?: boolean;
  /** discard in the file what removing a snapshot frees. */
  'pass-discard-snapshot'?: boolean;
  /** discard in the file what is freed otherwise. */
  'pass-discard-other'?: boolean;
  /** what is guarded against being overwritten by accident (default: cached; since 2.2). */
  'overlap-check'?: Qcow2OverlapChecks;
  /** bytes for the caches of L2 tables and refcount blocks together (since 2.2). */
  'cache-size'?: Int64;
  /** bytes for the cache of L2 tables (since 2.2). */
  'l2-cache-size'?: Int64;
  /** bytes for the cache of refcount blocks (since 2.2). */
  'refcount-cache-size'?: Int64;
  /** how it is opened if it is encrypted. (Since 2.10) */
  encrypt?: BlockdevEncryption;
  /** node that holds the guest's data (default: what the image says). (Since 4.0) */
  'data-file'?: BlockdevRef;
}

/**
 * A volume of an Archipelago cluster.
 *
 * Since: 2.2
 */
export interface BlockdevOptionsArchipelago {
  /** name of the volume. */
  volume: string;
  /** port of mapperd (default: 1001). */
  mport?: Int64;
  /** port of vlmcd (default: 501). */
  vport?: Int64;
  /** name of the shared memory segment (default: archipelago). */
  segment?: string;
}

/** Moments at which blkdebug can act. */
export type BlkdebugEvent =
  | 'l1_update'
  | 'l1_grow.alloc_table'
  | 'l1_grow.write_table'
  | 'l1_grow.activate_table'
  | 'l2_load'
  | 'l2_update'
  | 'l2_update_compressed'
  | 'l2_alloc.cow_read'
  | 'l2_alloc.write'
  | 'read_aio'
  | 'read_backing_aio'
  | 'read_compressed'
  | 'write_aio'
  | 'write_compressed'
  | 'vmstate_load'
  | 'vmstate_save'
  | 'cow_read'
  | 'cow_write'
  | 'reftable_load'
  | 'reftable_grow'
  | 'reftable_update'
  | 'refblock_load'
  | 'refblock_update'
  | 'refblock_update_part'
  | 'refblock_alloc'
  | 'refblock_alloc.hookup'
  | 'refblock_alloc.write'
  | 'refblock_alloc.write_blocks'
  | 'refblock_alloc.write_table'
  | 'refblock_alloc.switch_table'
  | 'cluster_alloc'
  | 'cluster_alloc_bytes'
  | 'cluster_free'
  | 'flush_to_os'
  | 'flush_to_disk'
  | 'pwritev_rmw.head'
  | 'pwritev_rmw.after_head'
  | 'pwritev_rmw.tail'
  | 'pwritev_rmw.after_tail'
  | 'pwritev'
  | 'pwritev_zero'
  | 'pwritev_done'
  | 'empty_image_prepare'
  | 'l1_grow_alloc_table'
  | 'l1_grow_write_table'
  | 'l1_grow_activate_table'
  | 'l2_alloc_cow_read'
  | 'l2_alloc_write'
  | 'refblock_alloc_hookup'
  | 'refblock_alloc_write'
  | 'refblock_alloc_write_blocks'
  | 'refblock_alloc_write_table'
  | 'refblock_alloc_switch_table'
  | 'pwritev_rmw_head'
  | 'pwritev_rmw_after_head'
  | 'pwritev_rmw_tail'
  | 'pwritev_rmw_after_tail'
  | 'none'
  | 'cor_write'
  | 'l1_shrink_write_table'
  | 'l1_shrink_free_l2_clusters'
  | 'cluster_alloc_space';

/**
 * An error for blkdebug to inject.
 *
 * Since: 2.0
 */
export interface BlkdebugInjectErrorOptions {
  /** the moment. */
  event: BlkdebugEvent;
  /** only in this state (default: any). */
  state?: Int64;
  /** the error (default: EIO). */
  errno?: Int64;
  /** only for requests that touch this sector (default: any). */
  sector?: Int64;
  /** only the first time (default: false). */
  once?: boolean;
  /** fail at once (default: false). */
  immediately?: boolean;
  /** only for requests of this kind (default: reads, writes of data and of zeroes, discards and flushes). (Since 4.1) */
  iotype?: BlkdebugIOType;
}

/**
 * A change of state for blkdebug.
 *
 * Since: 2.0
 */
export interface BlkdebugSetStateOptions {
  /** the moment. */
  event: BlkdebugEvent;
  /** only in this state (default: any). */
  state?: Int64;
  /** the state to go to. */
  new_state: Int64;
}

/**
 * An image with errors injected.
 *
 * Since: 2.0
 */
export interface BlockdevOptionsBlkdebug {
  /** the image. */
  image: BlockdevRef;
  /** file with further rules. */
  config?: string;
  /** alignment of requests in bytes. */
  align?: Int64;
  /** errors to inject. */
  'inject-error'?: BlkdebugInjectErrorOptions[];
  /** changes of state. */
  'set-state'?: BlkdebugSetStateOptions[];
  /** bytes that a request has at most. (Since 2.10) */
  'max-transfer'?: number;
  /** zeroes are written in multiples of so many bytes; the rest as data. (Since 2.10) */
  'opt-write-zero'?: number;
  /** bytes that a write of zeroes has at most. (Since 2.10) */
  'max-write-zero'?: number;
  /** discards of less than so many bytes are dropped. (Since 2.10) */
  'opt-discard'?: number;
  /** bytes that a discard has at most. (Since 2.10) */
  'max-discard'?: number;
}

/**
 * An image compared with another while it is used.
 *
 * Since: 2.0
 */
export interface BlockdevOptionsBlkverify {
  /** the image under test. */
  test: BlockdevRef;
  /** the raw image to compare with. */
  raw: BlockdevRef;
}

/**
 * Which children a quorum reads.
 *
 * Since: 2.2
 */
export type QuorumReadPattern = 'quorum' | 'fifo';

/**
 * Several copies of one image.
 *
 * Since: 2.0
 */
export interface BlockdevOptionsQuorum {
  /** print where the children differ (default: false). */
  blkverify?: boolean;
  /** the copies. */
  children: BlockdevRef[];
  /** how many must agree for a read to succeed. */
  'vote-threshold': Int64;
  /** write what is right over what is wrong (since 2.1). */
  'rewrite-corrupted'?: boolean;
  /** which children are read (default: quorum; since 2.2). */
  'read-pattern'?: QuorumReadPattern;
}

/**
 * A device or node to be opened.
 *
 * Since: 1.7
 */
export type BlockdevOptions =
  | (BlockdevOptionsBase & { driver: 'archipelago' } & BlockdevOptionsArchipelago)
  | (BlockdevOptionsBase & { driver: 'blkdebug' } & BlockdevOptionsBlkdebug)
  | (BlockdevOptionsBase & { driver: 'blkverify' } & BlockdevOptionsBlkverify)
  | (BlockdevOptionsBase & { driver: 'bochs' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'cloop' } & BlockdevOptionsCached)
  | (BlockdevOptionsBase & { driver: 'dmg' } & BlockdevOptionsCached)
  | (BlockdevOptionsBase & { driver: 'file' } & BlockdevOptionsHostFile)
  | (BlockdevOptionsBase & { driver: 'ftp' } & BlockdevOptionsCurlFtp)
  | (BlockdevOptionsBase & { driver: 'ftps' } & BlockdevOptionsCurlFtp)
  | (BlockdevOptionsBase & { driver: 'host_cdrom' } & BlockdevOptionsHostFile)
  | (BlockdevOptionsBase & { driver: 'host_device' } & BlockdevOptionsHostFile)
  | (BlockdevOptionsBase & { driver: 'host_floppy' } & BlockdevOptionsFile)
  | (BlockdevOptionsBase & { driver: 'http' } & BlockdevOptionsCurlHttp)
  | (BlockdevOptionsBase & { driver: 'https' } & BlockdevOptionsCurlHttp)
  | (BlockdevOptionsBase & { driver: 'null-aio' } & BlockdevOptionsNull)
  | (BlockdevOptionsBase & { driver: 'null-co' } & BlockdevOptionsNull)
  | (BlockdevOptionsBase & { driver: 'parallels' } & BlockdevOptionsCached)
  | (BlockdevOptionsBase & { driver: 'qcow' } & BlockdevOptionsQcow)
  | (BlockdevOptionsBase & { driver: 'qcow2' } & BlockdevOptionsQcow2)
  | (BlockdevOptionsBase & { driver: 'qed' } & BlockdevOptionsCachedCOW)
  | (BlockdevOptionsBase & { driver: 'quorum' } & BlockdevOptionsQuorum)
  | (BlockdevOptionsBase & { driver: 'raw' } & BlockdevOptionsRaw)
  | (BlockdevOptionsBase & { driver: 'tftp' } & BlockdevOptionsTftp)
  | (BlockdevOptionsBase & { driver: 'vdi' } & BlockdevOptionsCached)
  | (BlockdevOptionsBase & { driver: 'vhdx' } & BlockdevOptionsCached)
  | (BlockdevOptionsBase & { driver: 'vmdk' } & BlockdevOptionsCachedCOW)
  | (BlockdevOptionsBase & { driver: 'vpc' } & BlockdevOptionsCached)
  | (BlockdevOptionsBase & { driver: 'vvfat' } & BlockdevOptionsVVFAT)
  | (BlockdevOptionsBase & { driver: 'luks' } & BlockdevOptionsLUKS)
  | (BlockdevOptionsBase & { driver: 'nbd' } & BlockdevOptionsNbd)
  | (BlockdevOptionsBase & { driver: 'ssh' } & BlockdevOptionsSsh)
  | (BlockdevOptionsBase & { driver: 'throttle' } & BlockdevOptionsThrottle)
  | (BlockdevOptionsBase & { driver: 'copy-on-read' } & BlockdevOptionsCor);

/**
 * A node: a new one or one that exists.
 *
 * Since: 1.7
 */
export type BlockdevRef = BlockdevOptions | string;

/**
 * What was done about a failed request.
 *
 * Since: 2.1
 */
export type BlockErrorAction = 'ignore' | 'report' | 'stop';

/**
 * What is reserved when an image is created.
 *
 * Since: 2.2
 */
export type PreallocMode = 'off' | 'metadata' | 'falloc' | 'full';

/**
 * A host and a port.
 *
 * Since: 1.3
 */
export interface InetSocketAddressBase {
  /** host name or address. */
  host: string;
  /** port number, or the name of a service. */
  port: string;
}

/**
 * Where a TCP socket listens or connects to.
 *
 * Since: 1.3
 */
export interface InetSocketAddress extends InetSocketAddressBase {
  /** the host is an address and needs no look-up. */
  numeric?: boolean;
  /** when listening: the last port of a range of which the first free one is taken. */
  to?: number;
  /** whether IPv4 may be used. */
  ipv4?: boolean;
  /** whether IPv6 may be used. */
  ipv6?: boolean;
  /** whether idle connections are kept alive by the kernel. */
  'keep-alive'?: boolean;
}

/**
 * A socket in the file system.
 *
 * Since: 1.3
 */
export interface UnixSocketAddress {
  /** where it lies. */
  path: string;
  /** the name lives in Linux's abstract name space instead. */
  abstract?: boolean;
  /** an abstract name ends with its last character rather than with the field. */
  tight?: boolean;
}

/**
 * The address of a socket as `nbd-server-start` takes it: kind beside wrapped data.
 *
 * Since: 1.3
 */
export type SocketAddressLegacy =
  | { type: 'inet'; data: InetSocketAddress }
  | { type: 'unix'; data: UnixSocketAddress }
  | { type: 'fd'; data: String };

/**
 * Kinds of sockets.
 *
 * Since: 2.9
 */
export type SocketAddressType = 'inet' | 'unix' | 'fd';

/**
 * What every flat address has.
 *
 * Since: 2.9
 */
export interface SocketAddressBase {
  /** the kind of socket. */
  type: SocketAddressType;
}

/**
 * The address of a socket, everything in one object.
 *
 * Since: 2.9
 */
export type SocketAddress =
  | (SocketAddressBase & { type: 'inet' } & InetSocketAddress)
  | (SocketAddressBase & { type: 'unix' } & UnixSocketAddress)
  | (SocketAddressBase & { type: 'fd' } & String);

/**
 * A file or device of the host.
 *
 * Since: 2.10
 */
export interface BlockdevOptionsHostFile extends BlockdevOptionsFile {
  /** whether to take the locks by which processes notice each other (default: auto, where the system can). (Since 2.10) */
  locking?: OnOffAuto;
  /** whether the page cache is dropped when the image may have been changed elsewhere (default: true). (Since 4.0) */
  'drop-cache'?: boolean;
  /** how many requests are handed to the kernel at once; 0 leaves it to the driver. (Since 6.2) */
  'aio-max-batch'?: Int64;
}

/**
 * A window of the data source, byte for byte.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsRaw extends BlockdevOptionsGenericFormat {
  /** where the window starts, in bytes (default: 0). */
  offset?: Int64;
  /** how long it is, in bytes (default: to the end). */
  size?: Int64;
}

/**
 * A node: a new one, one that exists, or none.
 *
 * Since: 2.11
 */
export type BlockdevRefOrNull = BlockdevOptions | string | null;

/**
 * An export of an NBD server.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsNbd {
  /** where the server listens. */
  server: SocketAddress;
  /** name of the export (default: the empty name). */
  export?: string;
  /** id of the TLS credentials. */
  'tls-creds'?: string;
  /** name that the server's certificate must have (default: the host of `server`). (Since 7.0) */
  'tls-hostname'?: string;
  /** how many seconds requests wait for a lost connection to come back (default: 0). (Since 4.2) */
  'reconnect-delay'?: number;
  /** how many seconds opening goes on trying to connect (default: 0). (Since 7.0) */
  'open-timeout'?: number;
  /** how many seconds requests may be under way without anything moving on their connection; 0: for ever (default: 0). This project's own. */
  timeout?: number;
}

/**
 * A disk encrypted in a LUKS container.
 *
 * Since: 2.6
 */
export interface BlockdevOptionsLUKS extends BlockdevOptionsGenericFormat {
  /** id of the secret that opens it. */
  'key-secret'?: string;
}

/** Since: 2.10 */
export type BlockdevEncryptionFormat = 'aes' | 'luks';

/**
 * How an encrypted image is opened.
 *
 * Since: 2.10
 */
export interface BlockdevEncryption {
  /** the method. */
  format: BlockdevEncryptionFormat;
  /** id of the secret that opens it. */
  'key-secret'?: string;
}

/**
 * A qcow image of version 1.
 *
 * Since: 2.10
 */
export interface BlockdevOptionsQcow extends BlockdevOptionsGenericCOWFormat {
  /** how it is opened if it is encrypted. */
  encrypt?: BlockdevEncryption;
  /** most bytes of second tables in memory (default: 32 MiB). This project's own. */
  'cache-size'?: Uint64;
}

/**
 * How the key of an SSH server is checked.
 *
 * Since: 2.12
 */
export type SshHostKeyCheckMode = 'none' | 'hash' | 'known_hosts';

/**
 * The hash that makes a fingerprint.
 *
 * Since: 2.12
 */
export type SshHostKeyCheckHashType = 'md5' | 'sha1' | 'sha256';

/**
 * A fingerprint.
 *
 * Since: 2.12
 */
export interface SshHostKeyHash {
  /** its hash. */
  type: SshHostKeyCheckHashType;
  /** it, in hexadecimal digits. */
  hash: string;
}

/**
 * What every check of a server's key has.
 *
 * Since: 2.12
 */
export interface SshHostKeyCheckBase {
  /** how it is checked. */
  mode: SshHostKeyCheckMode;
}

/**
 * A check of a server's key.
 *
 * Since: 2.12
 */
export type SshHostKeyCheck =
  | SshHostKeyCheckBase & { mode: 'none' }
  | (SshHostKeyCheckBase & { mode: 'hash' } & SshHostKeyHash)
  | SshHostKeyCheckBase & { mode: 'known_hosts' };

/**
 * A file on an SSH server.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsSsh {
  /** where the server listens. */
  server: InetSocketAddress;
  /** the file there. */
  path: string;
  /** who logs in (default: the user that runs the program). */
  user?: string;
  /** how the server's key is checked (default: by known_hosts). (Since 2.12) */
  'host-key-check'?: SshHostKeyCheck;
  /** how many seconds requests wait for a lost connection to come back (default: 0). This project's own. */
  'reconnect-delay'?: number;
  /** how many seconds requests may be under way without an answer to any of them; 0: for ever (default: 0). This project's own. */
  timeout?: number;
}

/**
 * A format that keeps tables or unpacked chunks in memory.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsCached extends BlockdevOptionsGenericFormat {
  /** most bytes of these (default: by the format). This project's own. */
  'cache-size'?: Uint64;
}

/**
 * The same over a backing file.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsCachedCOW extends BlockdevOptionsGenericCOWFormat {
  /** most bytes of tables in memory (default: by the format). This project's own. */
  'cache-size'?: Uint64;
}

/**
 * How clusters of a qcow2 image are compressed.
 *
 * Since: 5.1
 */
export type Qcow2CompressionType = 'zlib' | 'zstd';

/**
 * Flags of a bitmap that is stored in a qcow2 image.
 *
 * Since: 4.0
 */
export type Qcow2BitmapInfoFlags = 'in-use' | 'auto';

/**
 * A bitmap that is stored in a qcow2 image.
 *
 * Since: 4.0
 */
export interface Qcow2BitmapInfo {
  /** its name. */
  name: string;
  /** bytes for each bit. */
  granularity: number;
  /** the flags that are set. */
  flags: Qcow2BitmapInfoFlags[];
}

/**
 * A range of an image as `qemu-img map` of today prints it.
 *
 * Since: 2.6
 */
export interface MapEntry {
  /** where the range starts in the image, in bytes. */
  start: Int64;
  /** how long it is, in bytes. */
  length: Int64;
  /** whether it is stored as data. */
  data: boolean;
  /** whether it reads as zeroes. */
  zero: boolean;
  /** how many backing files lie between the image and the file that answers. */
  depth: Int64;
  /** whether any file of the chain answers for it. (Since 6.1) */
  present: boolean;
  /** where the bytes lie in the file, if they lie there as they are. */
  offset?: Int64;
  /** the file. */
  filename?: string;
}

/** Since: 4.1 */
export type BlkdebugIOType = 'read' | 'write' | 'write-zeroes' | 'discard' | 'flush' | 'block-status';

/**
 * A file on another machine; one of `url` and `filename` is needed.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsRemote {
  /** its URL. (Since 2.9) */
  url?: string;
  /** an older name for the same. */
  filename?: string;
  /** bytes that are fetched around a short read (default: 256 KiB). (Since 2.9) */
  readahead?: Int64;
  /** seconds without progress until a transfer counts as dead (default: 5). (Since 2.9) */
  timeout?: Int64;
  /** most bytes of a file that has to be fetched as a whole (default: 16 GiB). This project's own. */
  spool?: Int64;
}

/**
 * A file on a web server.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsCurlHttp extends BlockdevOptionsRemote {
  /** whether the server's certificate is checked (default: true). */
  sslverify?: boolean;
  /** cookies that are sent. */
  cookie?: string;
  /** id of the secret that has them. */
  'cookie-secret'?: string;
  /** who logs in. */
  username?: string;
  /** id of the secret that has the password. */
  'password-secret'?: string;
  /** who logs in at the proxy. */
  'proxy-username'?: string;
  /** id of the secret that has the password for it. */
  'proxy-password-secret'?: string;
}

/**
 * A file on an FTP server.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsCurlFtp extends BlockdevOptionsRemote {
  /** who logs in (default: anonymous). */
  username?: string;
  /** id of the secret that has the password. */
  'password-secret'?: string;
  /** whether the server's certificate is checked (default: true). */
  sslverify?: boolean;
  /** whether the connection is secured before anybody logs in (default: false). This project's own. */
  'auth-tls'?: boolean;
}

/**
 * A file on a TFTP server.
 *
 * Since: 2.9
 */
export interface BlockdevOptionsTftp extends BlockdevOptionsRemote {
  /** bytes in a packet. */
  blksize?: Int64;
  /** packets between two acknowledgements. */
  windowsize?: Int64;
}

/**
 * A bitmap: of the node that is spoken of, or of another.
 *
 * Since: 4.1
 */
export type BlockDirtyBitmapOrStr = string | BlockDirtyBitmap;

/**
 * Which bitmaps are merged.
 *
 * Since: 4.0
 */
export interface BlockDirtyBitmapMerge {
  /** name of the device or node of the target. */
  node: string;
  /** the bitmap that gets what is dirty in the others. */
  target: string;
  /** the others. */
  bitmaps: BlockDirtyBitmapOrStr[];
}

/**
 * A filter whose requests wait as the limits of a group say.
 *
 * Since: 2.11
 */
export interface BlockdevOptionsThrottle {
  /** id of the `throttle-group` object. */
  'throttle-group': string;
  /** the image whose requests wait. */
  file: BlockdevRef;
}

/**
 * A filter that leaves in its image what was read through it.
 *
 * Since: 6.0
 */
export interface BlockdevOptionsCor extends BlockdevOptionsGenericFormat {
  /** node name of the last image of the chain whose content is copied (default: all of the chain). (Since 6.0) */
  bottom?: string;
}

/**
 * What there is to be made.
 *
 * Since: 6.0
 */
export type ObjectType = 'secret' | 'throttle-group' | 'tls-creds-anon' | 'tls-creds-psk' | 'tls-creds-x509';

/**
 * How the bytes of a secret are written.
 *
 * Since: 2.6
 */
export type QCryptoSecretFormat = 'raw' | 'base64';

/**
 * A secret; exactly one of `data` and `file` has to be given.
 *
 * Since: 2.6
 */
export interface SecretProperties {
  /** the bytes. */
  data?: string;
  /** the file that holds them. */
  file?: string;
  /** how they are written (default: raw). */
  format?: QCryptoSecretFormat;
  /** id of the secret with which they are encrypted (AES-256-CBC). */
  keyid?: string;
  /** initialisation vector of that, in base64. */
  iv?: string;
}

/**
 * Whose credentials they are.
 *
 * Since: 2.5
 */
export type QCryptoTLSCredsEndpoint = 'client' | 'server';

/**
 * What all credentials for TLS have.
 *
 * Since: 2.5
 */
export interface TlsCredsProperties {
  /** whether the other side has to show a certificate (default: true). */
  'verify-peer'?: boolean;
  /** the folder with the keys. */
  dir?: string;
  /** whose they are (default: client). */
  endpoint?: QCryptoTLSCredsEndpoint;
  /** refused. */
  priority?: string;
}

/**
 * Nobody proves who they are.
 *
 * Since: 2.5
 */
export interface TlsCredsAnonProperties extends TlsCredsProperties {
}

/**
 * Pre-shared keys.
 *
 * Since: 3.0
 */
export interface TlsCredsPskProperties extends TlsCredsProperties {
  /** of a client: whose key it shows (default: qemu). */
  username?: string;
}

/**
 * Certificates.
 *
 * Since: 2.5
 */
export interface TlsCredsX509Properties extends TlsCredsProperties {
  /** taken, and always done by the library (default: true). */
  'sanity-check'?: boolean;
  /** id of the secret that the key is encrypted with. */
  passwordid?: string;
}

/**
 * Limits of I/O; 0, or what is left out, stands for none.
 *
 * Since: 2.11
 */
export interface ThrottleLimits {
  /** requests a second. */
  'iops-total'?: Int64;
  /** requests a second of a burst. */
  'iops-total-max'?: Int64;
  /** seconds that a burst may last (default: 1). */
  'iops-total-max-length'?: Int64;
  /** reads a second. */
  'iops-read'?: Int64;
  /** reads a second of a burst. */
  'iops-read-max'?: Int64;
  /** seconds that a burst may last (default: 1). */
  'iops-read-max-length'?: Int64;
  /** writes a second. */
  'iops-write'?: Int64;
  /** writes a second of a burst. */
  'iops-write-max'?: Int64;
  /** seconds that a burst may last (default: 1). */
  'iops-write-max-length'?: Int64;
  /** bytes a second. */
  'bps-total'?: Int64;
  /** bytes a second of a burst. */
  'bps-total-max'?: Int64;
  /** seconds that a burst may last (default: 1). */
  'bps-total-max-length'?: Int64;
  /** bytes read a second. */
  'bps-read'?: Int64;
  /** bytes read a second of a burst. */
  'bps-read-max'?: Int64;
  /** seconds that a burst may last (default: 1). */
  'bps-read-max-length'?: Int64;
  /** bytes written a second. */
  'bps-write'?: Int64;
  /** bytes written a second of a burst. */
  'bps-write-max'?: Int64;
  /** seconds that a burst may last (default: 1). */
  'bps-write-max-length'?: Int64;
  /** bytes of a request that counts as one. */
  'iops-size'?: Int64;
}

/**
 * A group that shares limits. The members that begin with x- are another way to say `limits`, which goes first.
 *
 * Since: 2.11
 */
export interface ThrottleGroupProperties {
  /** the limits. */
  limits?: ThrottleLimits;
  'x-iops-total'?: Int64;
  'x-iops-total-max'?: Int64;
  'x-iops-total-max-length'?: Int64;
  'x-iops-read'?: Int64;
  'x-iops-read-max'?: Int64;
  'x-iops-read-max-length'?: Int64;
  'x-iops-write'?: Int64;
  'x-iops-write-max'?: Int64;
  'x-iops-write-max-length'?: Int64;
  'x-bps-total'?: Int64;
  'x-bps-total-max'?: Int64;
  'x-bps-total-max-length'?: Int64;
  'x-bps-read'?: Int64;
  'x-bps-read-max'?: Int64;
  'x-bps-read-max-length'?: Int64;
  'x-bps-write'?: Int64;
  'x-bps-write-max'?: Int64;
  'x-bps-write-max-length'?: Int64;
  'x-iops-size'?: Int64;
}

/**
 * What is said of every object.
 *
 * Since: 6.0
 */
export interface ObjectOptionsBase {
  /** what it is. */
  'qom-type': ObjectType;
  /** its name. */
  id: string;
}

/**
 * An object to be made.
 *
 * Since: 6.0
 */
export type ObjectOptions =
  | (ObjectOptionsBase & { 'qom-type': 'secret' } & SecretProperties)
  | (ObjectOptionsBase & { 'qom-type': 'throttle-group' } & ThrottleGroupProperties)
  | (ObjectOptionsBase & { 'qom-type': 'tls-creds-anon' } & TlsCredsAnonProperties)
  | (ObjectOptionsBase & { 'qom-type': 'tls-creds-psk' } & TlsCredsPskProperties)
  | (ObjectOptionsBase & { 'qom-type': 'tls-creds-x509' } & TlsCredsX509Properties);

/**
 * A property of an object.
 *
 * Since: 1.2
 */
export interface ObjectPropertyInfo {
  /** its name. */
  name: string;
  /** its type; `child<…>` for an object inside. */
  type: string;
}

/**
 * Kinds of jobs.
 *
 * Since: 1.7
 */
export type JobType = 'commit' | 'stream' | 'mirror' | 'backup' | 'create';

/**
 * States of a job.
 *
 * Since: 2.12
 */
export type JobStatus =
  | 'undefined'
  | 'created'
  | 'running'
  | 'paused'
  | 'ready'
  | 'standby'
  | 'waiting'
  | 'pending'
  | 'aborting'
  | 'concluded'
  | 'null';

/**
 * A job.
 *
 * Since: 3.0
 */
export interface JobInfo {
  /** its id. */
  id: string;
  /** its kind. */
  type: JobType;
  /** its state. */
  status: JobStatus;
  /** how far it is. */
  'current-progress': Int64;
  /** where progress ends, as far as is known. */
  'total-progress': Int64;
  /** what went wrong, once something did. */
  error?: string;
}

/**
 * When the bitmap of a backup is brought up to date.
 *
 * Since: 4.2
 */
export type BitmapSyncMode = 'on-success' | 'never' | 'always';

/**
 * When what guests write gets into the target of a mirror.
 *
 * Since: 3.0
 */
export type MirrorCopyMode = 'background' | 'write-blocking';

/**
 * The NBD server as the command line describes it.
 *
 * Since: 4.2
 */
export interface NbdServerOptions {
  /** where to listen. */
  addr: SocketAddress;
  /** id of the TLS credentials; without, clients connect in the clear. */
  'tls-creds'?: string;
  /** id of the object that decides which certificates may connect. */
  'tls-authz'?: string;
  /** how many clients may be connected at once; 0 is no limit (default: 0). */
  'max-connections'?: number;
}

/**
 * How an export presents itself to NBD clients.
 *
 * Since: 5.0
 */
export interface BlockExportOptionsNbdBase {
  /** the name that clients ask for (default: that of the node). */
  name?: string;
  /** free text for people, at most 4096 bytes. (Since 5.0) */
  description?: string;
}

/**
 * An NBD export in full.
 *
 * Since: 5.2
 */
export interface BlockExportOptionsNbd extends BlockExportOptionsNbdBase {
  /** dirty bitmaps that clients may read as `qemu:dirty-bitmap:NAME`. */
  bitmaps?: BlockDirtyBitmapOrStr[];
  /** whether clients may read `qemu:allocation-depth` (default: false). */
  'allocation-depth'?: boolean;
}

/**
 * An export as `nbd-server-add` takes it.
 *
 * Since: 5.0
 */
export interface NbdServerAddOptions extends BlockExportOptionsNbdBase {
  /** name of the device or node to give out. */
  device: string;
  /** whether clients may write (default: false). */
  writable?: boolean;
  /** a dirty bitmap that clients may read. (Since 4.0) */
  bitmap?: string;
}

/**
 * What happens to connected clients when an export is removed.
 *
 * Since: 2.12
 */
export type BlockExportRemoveMode = 'safe' | 'hard';

/**
 * Ways to give out a node.
 *
 * Since: 4.2
 */
export type BlockExportType = 'nbd';

/**
 * What every export has.
 *
 * Since: 5.2
 */
export interface BlockExportOptionsBase {
  /** the way. */
  type: BlockExportType;
  /** name of the export itself, unique among all exports. */
  id: string;
  /** the node to give out. */
  'node-name': string;
  /** whether clients may write (default: false). */
  writable?: boolean;
  /** whether a write is answered only after a flush (default: false). */
  writethrough?: boolean;
}

/**
 * An export as `--export` takes it.
 *
 * Since: 4.2
 */
export type BlockExportOptions = (BlockExportOptionsBase & { type: 'nbd' } & BlockExportOptionsNbd);

/**
 * An export that is there.
 *
 * Since: 5.2
 */
export interface BlockExportInfo {
  /** its name. */
  id: string;
  /** the way in which it gives out its node. */
  type: BlockExportType;
  /** the node. */
  'node-name': string;
  /** whether it waits for its end. */
  'shutting-down': boolean;
}

/**
 * Today's `BlockdevSnapshot`.
 *
 * Since: 2.5
 */
export interface BlockdevSnapshotOverlay {
  /** device or node to take a snapshot of. */
  node: string;
  /** node that goes on top. It has no backing image (`"backing": null`), and no user. */
  overlay: string;
}

/** Since: 1.7 */
export interface BlockdevSnapshotInternal {
  /** device or node whose image keeps the snapshot. */
  device: string;
  /** name of the snapshot; not empty, and not taken. */
  name: string;
}

/**
 * What a machine is doing.
 *
 * Since: 0.14.0
 */
export type RunState =
  | 'debug'
  | 'inmigrate'
  | 'internal-error'
  | 'io-error'
  | 'paused'
  | 'postmigrate'
  | 'prelaunch'
  | 'finish-migrate'
  | 'restore-vm'
  | 'running'
  | 'save-vm'
  | 'shutdown'
  | 'suspended'
  | 'watchdog'
  | 'guest-panicked';

/** Since: 0.14.0 */
export interface StatusInfo {
  /** whether the machine runs. */
  running: boolean;
  /** whether it runs instruction by instruction; always false here. */
  singlestep: boolean;
  /** what it is doing: `running`, `prelaunch`, `paused`, `io-error` or `shutdown` here. */
  status: RunState;
}

/**
 * What a client may ask for at the start of a session.
 *
 * Since: 2.12
 */
export type QMPCapability = 'oob';

/**
 * One event that the server can send.
 *
 * Since: 1.2
 */
export interface EventInfo {
  /** its name. */
  name: string;
}

/**
 * What a monitor speaks.
 *
 * Since: 5.0
 */
export type MonitorMode = 'readline' | 'control';

/**
 * A monitor as `--monitor` takes it.
 *
 * Since: 5.0
 */
export interface MonitorOptions {
  /** name of the monitor. */
  id?: string;
  /** what it speaks (default: control). */
  mode?: MonitorMode;
  /** whether answers are laid out over several lines (default: false). */
  pretty?: boolean;
  /** the character device to speak on. */
  chardev: string;
  /** whether the capability `oob` is offered (default: false). (Ours) */
  oob?: boolean;
}

/**
 * Kinds of entities.
 *
 * Since: 2.5
 */
export type SchemaMetaType = 'builtin' | 'enum' | 'array' | 'object' | 'alternate' | 'command' | 'event';

/**
 * Kinds of JSON values; `int` is a number without a fraction, `value` is any.
 *
 * Since: 2.5
 */
export type JSONType = 'string' | 'number' | 'int' | 'boolean' | 'null' | 'object' | 'array' | 'value';

/**
 * A built-in type.
 *
 * Since: 2.5
 */
export interface SchemaInfoBuiltin {
  /** what its values look like. */
  'json-type': JSONType;
}

/**
 * One value of an enumeration.
 *
 * Since: 6.2
 */
export interface SchemaInfoEnumMember {
  /** the value. */
  name: string;
}

/**
 * An enumeration.
 *
 * Since: 2.5
 */
export interface SchemaInfoEnum {
  /** its values with what there is to say of each. (Since 6.2) */
  members: SchemaInfoEnumMember[];
  /** its values. */
  values: string[];
}

/**
 * A list.
 *
 * Since: 2.5
 */
export interface SchemaInfoArray {
  /** the type of its elements. */
  'element-type': string;
}

/**
 * A member of an object.
 *
 * Since: 2.5
 */
export interface SchemaInfoObjectMember {
  /** its name. */
  name: string;
  /** its type. */
  type: string;
  /** null if the member is optional; absent if it is required. */
  default?: unknown;
}

/**
 * The further members for one value of the tag.
 *
 * Since: 2.5
 */
export interface SchemaInfoObjectVariant {
  /** the value. */
  case: string;
  /** the object whose members are added. */
  type: string;
}

/**
 * An object.
 *
 * Since: 2.5
 */
export interface SchemaInfoObject {
  /** the members that it always may have. */
  members: SchemaInfoObjectMember[];
  /** the member on which further members depend. */
  tag?: string;
  /** these further members; present together with `tag`. */
  variants?: SchemaInfoObjectVariant[];
}

/**
 * One type of an alternate.
 *
 * Since: 2.5
 */
export interface SchemaInfoAlternateMember {
  /** the type. */
  type: string;
}

/**
 * An alternate.
 *
 * Since: 2.5
 */
export interface SchemaInfoAlternate {
  /** the types; no two of them look alike as JSON. */
  members: SchemaInfoAlternateMember[];
}

/**
 * A command.
 *
 * Since: 2.5
 */
export interface SchemaInfoCommand {
  /** the object of its arguments. */
  'arg-type': string;
  /** the type of what it returns. */
  'ret-type': string;
  /** whether it may be given out of band (default: false). */
  'allow-oob'?: boolean;
}

/**
 * An event.
 *
 * Since: 2.5
 */
export interface SchemaInfoEvent {
  /** the object of its data. */
  'arg-type': string;
}

/**
 * What every entity has.
 *
 * Since: 2.5
 */
export interface SchemaInfoBase {
  /** its name. Commands, events and built-in types have the one of the wire; others a number without a meaning outside of this description. */
  name: string;
  /** its kind. */
  'meta-type': SchemaMetaType;
  features?: string[];
}

/**
 * One entity of the schema.
 *
 * Since: 2.5
 */
export type SchemaInfo =
  | (SchemaInfoBase & { 'meta-type': 'builtin' } & SchemaInfoBuiltin)
  | (SchemaInfoBase & { 'meta-type': 'enum' } & SchemaInfoEnum)
  | (SchemaInfoBase & { 'meta-type': 'array' } & SchemaInfoArray)
  | (SchemaInfoBase & { 'meta-type': 'object' } & SchemaInfoObject)
  | (SchemaInfoBase & { 'meta-type': 'alternate' } & SchemaInfoAlternate)
  | (SchemaInfoBase & { 'meta-type': 'command' } & SchemaInfoCommand)
  | (SchemaInfoBase & { 'meta-type': 'event' } & SchemaInfoEvent);

/** Since: 2.12 */
export interface BlockdevCreateOptionsFile {
  /** the file to make. */
  filename: string;
  /** its length in bytes. */
  size: Uint64;
  /** whether its space is reserved (default: off). */
  preallocation?: PreallocMode;
  /** whether copy-on-write of the file system is switched off for it (default: false). */
  nocow?: boolean;
  /** extent size hint in bytes; 0 for none. (Since 5.1) */
  'extent-size-hint'?: Uint64;
}

/**
 * What every format is told.
 *
 * Since: 2.12
 */
export interface BlockdevCreateOptionsImage {
  /** node to make the image in. */
  file: BlockdevRef;
  /** size of the disk in bytes. */
  size: Uint64;
}

/**
 * How a new image is encrypted.
 *
 * Since: 2.12
 */
export interface BlockdevCreateEncryption {
  /** the method: `luks`, or `aes` for the old one. */
  format: string;
  /** id of the secret that opens it. */
  'key-secret'?: string;
  /** cipher. */
  'cipher-alg'?: string;
  /** mode of the cipher. */
  'cipher-mode'?: string;
  /** how initialisation vectors are made. */
  'ivgen-alg'?: string;
  /** hash for that. */
  'ivgen-hash-alg'?: string;
  /** hash for keys. */
  'hash-alg'?: string;
  /** milliseconds that deriving a key takes. */
  'iter-time'?: Int64;
}

/** Since: 2.12 */
export type BlockdevQcow2Version = 'v2' | 'v3';

/** Since: 2.12 */
export interface BlockdevCreateOptionsQcow2 extends BlockdevCreateOptionsImage {
  /** node that takes the guest's data. (Since 4.0) */
  'data-file'?: BlockdevRef;
  /** whether that file is a raw image as well (default: false). (Since 4.0) */
  'data-file-raw'?: boolean;
  /** whether clusters are divided into subclusters (default: false). (Since 5.2) */
  'extended-l2'?: boolean;
  /** version of the format (default: v3). */
  version?: BlockdevQcow2Version;
  /** name of the backing file. */
  'backing-file'?: string;
  /** its format. */
  'backing-fmt'?: string;
  /** how it is encrypted. */
  encrypt?: BlockdevCreateEncryption;
  /** bytes in a cluster (default: 65536). */
  'cluster-size'?: Uint64;
  /** what is reserved (default: off). */
  preallocation?: PreallocMode;
  /** whether reference counts may be late (default: false). */
  'lazy-refcounts'?: boolean;
  /** bits of a reference count (default: 16). */
  'refcount-bits'?: Int64;
  /** how clusters are compressed (default: zlib). (Since 5.1) */
  'compression-type'?: Qcow2CompressionType;
}

/** Since: 2.12 */
export interface BlockdevCreateOptionsVdi extends BlockdevCreateOptionsImage {
  /** off or metadata (default: off). */
  preallocation?: PreallocMode;
}

/** Since: 2.12 */
export type BlockdevCreateSubformat = 'dynamic' | 'fixed';

/** Since: 2.12 */
export interface BlockdevCreateOptionsVhdx extends BlockdevCreateOptionsImage {
  /** bytes of the log (default: 1 MiB). */
  'log-size'?: Uint64;
  /** bytes in a block (default: by the size of the disk). */
  'block-size'?: Uint64;
  /** dynamic or fixed (default: dynamic). */
  subformat?: BlockdevCreateSubformat;
  /** whether blocks may be marked as zeroes (default: true). */
  'block-state-zero'?: boolean;
}

/** Since: 2.12 */
export interface BlockdevCreateOptionsVpc extends BlockdevCreateOptionsImage {
  /** dynamic or fixed (default: dynamic). */
  subformat?: BlockdevCreateSubformat;
  /** whether the disk gets exactly this size, rather than one that its geometry can tell (default: false). */
  'force-size'?: boolean;
}

/** Since: 2.12 */
export interface BlockdevCreateOptionsLUKS extends BlockdevCreateOptionsImage {
  /** id of the secret that opens it. */
  'key-secret'?: string;
  /** cipher. */
  'cipher-alg'?: string;
  /** mode of the cipher. */
  'cipher-mode'?: string;
  /** how initialisation vectors are made. */
  'ivgen-alg'?: string;
  /** hash for that. */
  'ivgen-hash-alg'?: string;
  /** hash for keys. */
  'hash-alg'?: string;
  /** milliseconds that deriving a key takes. */
  'iter-time'?: Int64;
  /** what is reserved (default: off). (Since 4.2) */
  preallocation?: PreallocMode;
}

/** Since: 2.12 */
export interface BlockdevCreateOptionsParallels extends BlockdevCreateOptionsImage {
  /** bytes in a cluster (default: 1 MiB). */
  'cluster-size'?: Uint64;
}

/** Since: 2.12 */
export interface BlockdevCreateOptionsQcow extends BlockdevCreateOptionsImage {
  /** name of the backing file. */
  'backing-file'?: string;
  /** how it is encrypted. */
  encrypt?: BlockdevCreateEncryption;
}

/** Since: 2.12 */
export interface BlockdevCreateOptionsQed extends BlockdevCreateOptionsImage {
  /** name of the backing file. */
  'backing-file'?: string;
  /** its format. */
  'backing-fmt'?: string;
  /** bytes in a cluster (default: 65536). */
  'cluster-size'?: Uint64;
  /** clusters in a table (default: 4). */
  'table-size'?: Int64;
}

/** Since: 2.12 */
export interface BlockdevCreateOptionsBase {
  /** what is made: a file, or an image of a format. */
  driver: BlockdevDriver;
}

export type BlockdevCreateOptions =
  | BlockdevCreateOptionsBase & { driver: 'archipelago' }
  | BlockdevCreateOptionsBase & { driver: 'blkdebug' }
  | BlockdevCreateOptionsBase & { driver: 'blkverify' }
  | BlockdevCreateOptionsBase & { driver: 'bochs' }
  | BlockdevCreateOptionsBase & { driver: 'cloop' }
  | BlockdevCreateOptionsBase & { driver: 'dmg' }
  | (BlockdevCreateOptionsBase & { driver: 'file' } & BlockdevCreateOptionsFile)
  | BlockdevCreateOptionsBase & { driver: 'ftp' }
  | BlockdevCreateOptionsBase & { driver: 'ftps' }
  | BlockdevCreateOptionsBase & { driver: 'host_cdrom' }
  | BlockdevCreateOptionsBase & { driver: 'host_device' }
  | BlockdevCreateOptionsBase & { driver: 'host_floppy' }
  | BlockdevCreateOptionsBase & { driver: 'http' }
  | BlockdevCreateOptionsBase & { driver: 'https' }
  | BlockdevCreateOptionsBase & { driver: 'null-aio' }
  | BlockdevCreateOptionsBase & { driver: 'null-co' }
  | (BlockdevCreateOptionsBase & { driver: 'parallels' } & BlockdevCreateOptionsParallels)
  | (BlockdevCreateOptionsBase & { driver: 'qcow' } & BlockdevCreateOptionsQcow)
  | (BlockdevCreateOptionsBase & { driver: 'qcow2' } & BlockdevCreateOptionsQcow2)
  | (BlockdevCreateOptionsBase & { driver: 'qed' } & BlockdevCreateOptionsQed)
  | BlockdevCreateOptionsBase & { driver: 'quorum' }
  | BlockdevCreateOptionsBase & { driver: 'raw' }
  | BlockdevCreateOptionsBase & { driver: 'tftp' }
  | (BlockdevCreateOptionsBase & { driver: 'vdi' } & BlockdevCreateOptionsVdi)
  | (BlockdevCreateOptionsBase & { driver: 'vhdx' } & BlockdevCreateOptionsVhdx)
  | BlockdevCreateOptionsBase & { driver: 'vmdk' }
  | (BlockdevCreateOptionsBase & { driver: 'vpc' } & BlockdevCreateOptionsVpc)
  | BlockdevCreateOptionsBase & { driver: 'vvfat' }
  | (BlockdevCreateOptionsBase & { driver: 'luks' } & BlockdevCreateOptionsLUKS)
  | BlockdevCreateOptionsBase & { driver: 'nbd' }
  | BlockdevCreateOptionsBase & { driver: 'ssh' }
  | BlockdevCreateOptionsBase & { driver: 'throttle' }
  | BlockdevCreateOptionsBase & { driver: 'copy-on-read' };

/**
 * What failed in a quorum.
 *
 * Since: 2.6
 */
export type QuorumOpType = 'read' | 'write' | 'flush';

/** Since: 2.3 */
export type BlockdevChangeReadOnlyMode = 'retain' | 'read-only' | 'read-write';

/**
 * Nothing: it lets a transaction fail, for tests.
 *
 * Since: 1.6
 */
export type Abort = EmptyObject;

/**
 * How the jobs that a transaction starts end.
 *
 * Since: 2.5
 */
export type ActionCompletionMode = 'individual' | 'grouped';

/**
 * One change of a transaction: what the command of the same name does.
 *
 * Since: 1.1
 */
export type TransactionAction =
  | { type: 'abort'; data: Abort }
  | { type: 'block-dirty-bitmap-add'; data: BlockDirtyBitmapAdd }
  | { type: 'block-dirty-bitmap-clear'; data: BlockDirtyBitmap }
  | { type: 'block-dirty-bitmap-disable'; data: BlockDirtyBitmap }
  | { type: 'block-dirty-bitmap-enable'; data: BlockDirtyBitmap }
  | { type: 'block-dirty-bitmap-merge'; data: BlockDirtyBitmapMerge }
  | { type: 'block-dirty-bitmap-remove'; data: BlockDirtyBitmap }
  | { type: 'blockdev-backup'; data: BlockdevBackup }
  | { type: 'blockdev-snapshot'; data: BlockdevSnapshotOverlay }
  | { type: 'blockdev-snapshot-internal-sync'; data: BlockdevSnapshotInternal }
  | { type: 'blockdev-snapshot-sync'; data: BlockdevSnapshot }
  | { type: 'drive-backup'; data: DriveBackup };

/** Since: 2.5 */
export interface TransactionProperties {
  /** how the jobs end (default: individual). */
  'completion-mode'?: ActionCompletionMode;
}

/** Arguments of `query-blockstats`. */
export interface QueryBlockstatsArguments {
  /** list all named nodes instead, each with what lies below but without its backing images (default: false; since 2.3). */
  'query-nodes'?: boolean;
}

/** Arguments of `block_passwd`. */
export interface BlockPasswdArguments {
  /** name of the device. */
  device?: string;
  /** name of the node (since 2.0). */
  'node-name'?: string;
  /** the password. */
  password: string;
}

/** Arguments of `block_resize`. */
export interface BlockResizeArguments {
  /** name of the device. */
  device?: string;
  /** name of the node (since 2.0). */
  'node-name'?: string;
  /** new size in bytes. */
  size: Int64;
}

/** Arguments of `change-backing-file`. */
export interface ChangeBackingFileArguments {
  /** name of the device whose chain holds the image. */
  device: string;
  /** node of the image to rewrite. */
  'image-node-name': string;
  /** the name to record. */
  'backing-file': string;
}

/** Arguments of `block-commit`. */
export interface BlockCommitArguments {
  /** name of the device. */
  device: string;
  /** file to write into (default: the lowest of the chain). */
  base?: string;
  /** file of the uppermost image to take along (default: the active one). */
  top?: string;
  /** name to record as backing file in the image above `top` (default: worked out; since 2.1). */
  'backing-file'?: string;
  /** limit in bytes per second; 0 is none. */
  speed?: Int64;
  /** id of the job (default: the name of the device). (Since 2.7) */
  'job-id'?: string;
  /** the image that takes the content, by its node name. (Since 3.1) */
  'base-node'?: string;
  /** the highest image whose content goes down, by its node name. (Since 3.1) */
  'top-node'?: string;
  /** what to do about an error (default: report). (Since 5.0) */
  'on-error'?: BlockdevOnError;
  /** name of a node that lies over the top image while the job runs (default: none does). (Since 2.9) */
  'filter-node-name'?: string;
  /** make the outcome real without being asked (default: true). (Since 3.1) */
  'auto-finalize'?: boolean;
  /** forget the job without being asked (default: true). (Since 3.1) */
  'auto-dismiss'?: boolean;
}

/** Arguments of `query-named-block-nodes`. */
export interface QueryNamedBlockNodesArguments {
  /** leave out the backing images of each image (default: false). (Since 5.0) */
  flat?: boolean;
}

/** Arguments of `drive-mirror`. */
export interface DriveMirrorArguments {
  /** name of the device to mirror. */
  device: string;
  /** file or device to copy to; created if need be. */
  target: string;
  /** format of the target (default: that of the source, or what is found if `mode` is existing). */
  format?: string;
  /** name for the node of the target (since 2.1). */
  'node-name'?: string;
  /** node that the target takes the place of once it is complete; with full `sync` only (since 2.1). */
  replaces?: string;
  /** what to copy. */
  sync: MirrorSyncMode;
  /** whether the target is created (default: absolute-paths). */
  mode?: NewImageMode;
  /** limit in bytes per second; 0 is none. */
  speed?: Int64;
  /** bytes that one bit of the dirty bitmap stands for: a power of two from 512 to 64 MiB (default: the cluster size, at least 4 KiB; 64 KiB without clusters; since 1.4). */
  granularity?: number;
  /** most bytes under way at a time (since 1.4). */
  'buf-size'?: Int64;
  /** what to do when reading the source fails (default: report). */
  'on-source-error'?: BlockdevOnError;
  /** what to do when writing the target fails (default: report). */
  'on-target-error'?: BlockdevOnError;
  /** whether zeroes may become holes in the target (default: true; since 2.4). */
  unmap?: boolean;
  /** id of the job (default: the name of the device). (Since 2.7) */
  'job-id'?: string;
  /** when what guests write gets into the target (default: background). (Since 3.0) */
  'copy-mode'?: MirrorCopyMode;
  /** make the outcome real without being asked (default: true). (Since 3.1) */
  'auto-finalize'?: boolean;
  /** forget the job without being asked (default: true). (Since 3.1) */
  'auto-dismiss'?: boolean;
}

/** Arguments of `block_set_io_throttle`. */
export interface BlockSetIoThrottleArguments {
  /** name of the device. */
  device: string;
  /** bytes per second, reads and writes together; 0 is no limit. */
  bps: Int64;
  /** the same for reads. */
  bps_rd: Int64;
  /** the same for writes. */
  bps_wr: Int64;
  /** requests per second, reads and writes together; 0 is no limit. */
  iops: Int64;
  /** the same for reads. */
  iops_rd: Int64;
  /** the same for writes. */
  iops_wr: Int64;
  /** burst of bytes, reads and writes together (since 1.7). */
  bps_max?: Int64;
  /** the same for reads (since 1.7). */
  bps_rd_max?: Int64;
  /** the same for writes (since 1.7). */
  bps_wr_max?: Int64;
  /** burst of requests, reads and writes together (since 1.7). */
  iops_max?: Int64;
  /** the same for reads (since 1.7). */
  iops_rd_max?: Int64;
  /** the same for writes (since 1.7). */
  iops_wr_max?: Int64;
  /** bytes that count as one request (since 1.7). */
  iops_size?: Int64;
  /** throttle group to be in (default: the present one, else one named as the device; since 2.4). */
  group?: string;
  /** the device by another name; instead of `device`. (Since 2.8) */
  id?: string;
  /** seconds that a burst of `bps_max` may last (default: 1). (Since 2.6) */
  bps_max_length?: Int64;
  /** seconds that a burst of `bps_rd_max` may last (default: 1). (Since 2.6) */
  bps_rd_max_length?: Int64;
  /** seconds that a burst of `bps_wr_max` may last (default: 1). (Since 2.6) */
  bps_wr_max_length?: Int64;
  /** seconds that a burst of `iops_max` may last (default: 1). (Since 2.6) */
  iops_max_length?: Int64;
  /** seconds that a burst of `iops_rd_max` may last (default: 1). (Since 2.6) */
  iops_rd_max_length?: Int64;
  /** seconds that a burst of `iops_wr_max` may last (default: 1). (Since 2.6) */
  iops_wr_max_length?: Int64;
}

/** Arguments of `block-stream`. */
export interface BlockStreamArguments {
  /** name of the device. */
  device: string;
  /** file of the first backing image to keep. */
  base?: string;
  /** name to record as backing file (default: worked out). */
  'backing-file'?: string;
  /** limit in bytes per second; 0 is none. */
  speed?: Int64;
  /** what to do when a request fails (default: report; since 1.3). */
  'on-error'?: BlockdevOnError;
  /** id of the job (default: the name of the device). (Since 2.7) */
  'job-id'?: string;
  /** the image that stays below, by its node name. (Since 2.8) */
  'base-node'?: string;
  /** the lowest image whose content is taken over, by its node name. (Since 6.0) */
  bottom?: string;
  /** name of a node that lies over the image while the job runs (default: none does). (Since 6.0) */
  'filter-node-name'?: string;
  /** make the outcome real without being asked (default: true). (Since 2.12) */
  'auto-finalize'?: boolean;
  /** forget the job without being asked (default: true). (Since 2.12) */
  'auto-dismiss'?: boolean;
}

/** Arguments of `block-job-set-speed`. */
export interface BlockJobSetSpeedArguments {
  /** name of the device that the job works on. */
  device: string;
  /** limit in bytes per second; 0 is none. */
  speed: Int64;
}

/** Arguments of `block-job-cancel`. */
export interface BlockJobCancelArguments {
  /** name of the device that the job works on. */
  device: string;
  /** cancel it even while it is paused (default: false; since 1.3). */
  force?: boolean;
}

/** Arguments of `block-job-pause`. */
export interface BlockJobPauseArguments {
  /** name of the device that the job works on. */
  device: string;
}

/** Arguments of `block-job-resume`. */
export interface BlockJobResumeArguments {
  /** name of the device that the job works on. */
  device: string;
}

/** Arguments of `block-job-complete`. */
export interface BlockJobCompleteArguments {
  /** name of the device that the job works on. */
  device: string;
}

/** Arguments of `blockdev-add`. */
export interface BlockdevAddArguments {
  /** what to open. */
  options: BlockdevOptions;
}

/** Arguments of `block-set-write-threshold`. */
export interface BlockSetWriteThresholdArguments {
  /** name of the node. */
  'node-name': string;
  /** the offset in bytes; 0 asks for nothing. */
  'write-threshold': Uint64;
}

/** Arguments of `blockdev-del`. */
export interface BlockdevDelArguments {
  /** name of the node. */
  'node-name': string;
}

/** Arguments of `object-del`. */
export interface ObjectDelArguments {
  /** its name. */
  id: string;
}

/** Arguments of `qom-list`. */
export interface QomListArguments {
  /** where it is: `/objects/ID`, or its id. */
  path: string;
}

/** Arguments of `qom-get`. */
export interface QomGetArguments {
  /** where the object is. */
  path: string;
  /** name of the property. */
  property: string;
}

/** Arguments of `qom-set`. */
export interface QomSetArguments {
  /** where the object is. */
  path: string;
  /** name of the property. */
  property: string;
  /** its new value. */
  value: unknown;
}

/** Arguments of `block-job-finalize`. */
export interface BlockJobFinalizeArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `block-job-dismiss`. */
export interface BlockJobDismissArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `job-pause`. */
export interface JobPauseArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `job-resume`. */
export interface JobResumeArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `job-cancel`. */
export interface JobCancelArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `job-complete`. */
export interface JobCompleteArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `job-finalize`. */
export interface JobFinalizeArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `job-dismiss`. */
export interface JobDismissArguments {
  /** id of the job. */
  id: string;
}

/** Arguments of `blockdev-mirror`. */
export interface BlockdevMirrorArguments {
  /** id of the job (default: the name of the device). */
  'job-id'?: string;
  /** the device or node whose writes are mirrored. */
  device: string;
  /** the node that they go to; of the same size. */
  target: string;
  /** the node whose place the target takes when the job is completed (default: the source). */
  replaces?: string;
  /** what is copied at first. */
  sync: MirrorSyncMode;
  /** bytes per second; 0 is no limit (default: 0). */
  speed?: Int64;
  /** bytes for each bit of what is to be copied (default: the cluster size of the target, from 4 to 64 KiB). */
  granularity?: number;
  /** most bytes in flight. */
  'buf-size'?: Int64;
  /** what to do about an error of the source (default: report). */
  'on-source-error'?: BlockdevOnError;
  /** what to do about an error of the target (default: report). */
  'on-target-error'?: BlockdevOnError;
  /** name of a node that lies over the source while the job runs (default: none does). (Since 2.9) */
  'filter-node-name'?: string;
  /** when what guests write gets into the target (default: background). (Since 3.0) */
  'copy-mode'?: MirrorCopyMode;
  /** make the outcome real without being asked (default: true). (Since 3.1) */
  'auto-finalize'?: boolean;
  /** forget the job without being asked (default: true). (Since 3.1) */
  'auto-dismiss'?: boolean;
}

/** Arguments of `nbd-server-start`. */
export interface NbdServerStartArguments {
  /** where to listen. */
  addr: SocketAddressLegacy;
  /** id of the TLS credentials; without, clients connect in the clear. (Since 2.6) */
  'tls-creds'?: string;
  /** id of the object that decides which certificates may connect. (Since 4.0) */
  'tls-authz'?: string;
  /** how many clients may be connected at once; 0 is no limit (default: 0). (Since 5.2) */
  'max-connections'?: number;
}

/** Arguments of `nbd-server-remove`. */
export interface NbdServerRemoveArguments {
  /** the export. */
  name: string;
  /** what to do if clients are connected (default: safe). */
  mode?: BlockExportRemoveMode;
}

/** Arguments of `block-export-del`. */
export interface BlockExportDelArguments {
  /** the export. */
  id: string;
  /** what to do if clients are connected (default: safe). */
  mode?: BlockExportRemoveMode;
}

/** Arguments of `blockdev-snapshot-delete-internal-sync`. */
export interface BlockdevSnapshotDeleteInternalSyncArguments {
  /** device or node whose image keeps the snapshot. */
  device: string;
  /** its id. */
  id?: string;
  /** its name. */
  name?: string;
}

/** Arguments of `qmp_capabilities`. */
export interface QmpCapabilitiesArguments {
  /** capabilities to switch on, of those that the greeting offered. (Since 2.12) */
  enable?: QMPCapability[];
}

/** Arguments of `blockdev-create`. */
export interface BlockdevCreateArguments {
  /** id of the job. */
  'job-id': string;
  /** what is made. */
  options: BlockdevCreateOptions;
}

/** Arguments of `blockdev-reopen`. */
export interface BlockdevReopenArguments {
  /** the definitions; each names its node. */
  options: BlockdevOptions[];
}

/** Arguments of `x-blockdev-change`. */
export interface XBlockdevChangeArguments {
  /** device or node. */
  parent: string;
  /** the child to remove. */
  child?: string;
  /** the node to add. */
  node?: string;
}

/** Arguments of `eject`. */
export interface EjectArguments {
  /** the device. */
  device?: string;
  /** the same; today's name. (Since 2.8) */
  id?: string;
  /** also where a guest has locked the tray; none does here (default: false). */
  force?: boolean;
}

/** Arguments of `change`. */
export interface ChangeArguments {
  /** the device. */
  device: string;
  /** file name of the medium. */
  target: string;
  /** its format (default: as its content looks). */
  arg?: string;
}

/** Arguments of `blockdev-open-tray`. */
export interface BlockdevOpenTrayArguments {
  /** the device. */
  device?: string;
  /** the same; today's name. (Since 2.8) */
  id?: string;
  /** also where a guest has locked the tray; none does here (default: false). */
  force?: boolean;
}

/** Arguments of `blockdev-close-tray`. */
export interface BlockdevCloseTrayArguments {
  /** the device. */
  device?: string;
  /** the same; today's name. (Since 2.8) */
  id?: string;
}

/** Arguments of `blockdev-remove-medium`. */
export interface BlockdevRemoveMediumArguments {
  /** the device. */
  device?: string;
  /** the same; today's name. (Since 2.8) */
  id?: string;
}

/** Arguments of `blockdev-insert-medium`. */
export interface BlockdevInsertMediumArguments {
  /** the device. */
  device?: string;
  /** the same; today's name. (Since 2.8) */
  id?: string;
  /** the node. */
  'node-name': string;
}

/** Arguments of `blockdev-change-medium`. */
export interface BlockdevChangeMediumArguments {
  /** the device. */
  device?: string;
  /** the same; today's name. (Since 2.8) */
  id?: string;
  /** file name of the medium. */
  filename: string;
  /** its format (default: as its content looks). */
  format?: string;
  /** also where a guest has locked the tray; none does here (default: false). (Since 7.1) */
  force?: boolean;
  /** whether it may be written (default: retain). */
  'read-only-mode'?: BlockdevChangeReadOnlyMode;
}

/** Arguments of `human-monitor-command`. */
export interface HumanMonitorCommandArguments {
  /** the command with its arguments. */
  'command-line': string;
  /** the processor that the command is about; there is none here. */
  'cpu-index'?: Int64;
}

/** Arguments of `transaction`. */
export interface TransactionArguments {
  /** the changes. */
  actions: TransactionAction[];
  /** what holds for all of them. (Since 2.5) */
  properties?: TransactionProperties;
}

/** Data of `BLOCK_IMAGE_CORRUPTED`. */
export interface BlockImageCorruptedData {
  /** name of the device; empty if there is none. */
  device: string;
  /** name of the node (since 2.4). */
  'node-name'?: string;
  /** what was found, for people. */
  msg: string;
  /** where in the file, if it was an access. */
  offset?: Int64;
  /** bytes of the access. */
  size?: Int64;
  /** true if the image cannot be used until it is repaired (since 2.2). */
  fatal: boolean;
}

/** Data of `BLOCK_IO_ERROR`. */
export interface BlockIoErrorData {
  /** name of the device. */
  device: string;
  /** direction of the request. */
  operation: IoOperationType;
  /** what was done about it. */
  action: BlockErrorAction;
  /** true if space was wanting; only where `query-block` has an io-status (since 2.2). */
  nospace?: boolean;
  /** the error, for people (since 2.2). */
  reason: string;
}

/** Data of `BLOCK_JOB_COMPLETED`. */
export interface BlockJobCompletedData {
  /** kind of the job. */
  type: BlockJobType;
  /** name of the device. */
  device: string;
  /** where progress ends. */
  len: Int64;
  /** how far it got; less than `len` if it failed. */
  offset: Int64;
  /** limit in bytes per second; 0 is none. */
  speed: Int64;
  /** why it failed, for people; absent if it did not. */
  error?: string;
}

/** Data of `BLOCK_JOB_CANCELLED`. */
export interface BlockJobCancelledData {
  /** kind of the job. */
  type: BlockJobType;
  /** name of the device. */
  device: string;
  /** where progress ends. */
  len: Int64;
  /** how far it got. */
  offset: Int64;
  /** limit in bytes per second; 0 is none. */
  speed: Int64;
}

/** Data of `BLOCK_JOB_ERROR`. */
export interface BlockJobErrorData {
  /** name of the device. */
  device: string;
  /** direction of the request. */
  operation: IoOperationType;
  /** what was done about it. */
  action: BlockErrorAction;
}

/** Data of `BLOCK_JOB_READY`. */
export interface BlockJobReadyData {
  /** kind of the job. */
  type: BlockJobType;
  /** name of the device. */
  device: string;
  /** where progress ends. */
  len: Int64;
  /** how far it got. */
  offset: Int64;
  /** limit in bytes per second; 0 is none. */
  speed: Int64;
}

/** Data of `BLOCK_WRITE_THRESHOLD`. */
export interface BlockWriteThresholdData {
  /** name of the node. */
  'node-name': string;
  /** bytes beyond the threshold. */
  'amount-exceeded': Uint64;
  /** the threshold, in bytes. */
  'write-threshold': Uint64;
}

/** Data of `JOB_STATUS_CHANGE`. */
export interface JobStatusChangeData {
  /** id of the job. */
  id: string;
  /** the state. */
  status: JobStatus;
}

/** Data of `BLOCK_JOB_PENDING`. */
export interface BlockJobPendingData {
  /** its kind. */
  type: JobType;
  /** its id. */
  id: string;
}

/** Data of `BLOCK_EXPORT_DELETED`. */
export interface BlockExportDeletedData {
  /** the export. */
  id: string;
}

/** Data of `SHUTDOWN`. */
export interface ShutdownData {
  /** true if a guest asked for it. Always false here. (Since 2.10) */
  guest?: boolean;
}

/** Data of `QUORUM_FAILURE`. */
export interface QuorumFailureData {
  /** device or node of the quorum; empty where it has no name. */
  reference: string;
  /** the first sector of the request, of 512 bytes. */
  'sector-num': Int64;
  /** how many sectors it has. */
  'sectors-count': Int64;
}

/** Data of `QUORUM_REPORT_BAD`. */
export interface QuorumReportBadData {
  /** what it was asked for. (Since 2.6) */
  type?: QuorumOpType;
  /** the error, where there was one. */
  error?: string;
  /** the child. */
  'node-name': string;
  /** the first sector of the request, of 512 bytes. */
  'sector-num': Int64;
  /** how many sectors it has. */
  'sectors-count': Int64;
}

/** Data of `DEVICE_TRAY_MOVED`. */
export interface DeviceTrayMovedData {
  /** the device. */
  device: string;
  /** whether it is open now. */
  'tray-open': boolean;
}

/** Every command: what it takes and what it returns. */
export interface QmpCommands {
  /** Tells the version of the server. */
  'query-version': { arguments: EmptyObject; returns: VersionInfo };
  /** Lists the commands that can be given. */
  'query-commands': { arguments: EmptyObject; returns: CommandInfo[] };
  /** Lists all devices. */
  'query-block': { arguments: EmptyObject; returns: BlockInfo[] };
  /** Reads the counters of all devices. */
  'query-blockstats': { arguments: QueryBlockstatsArguments; returns: BlockStats[] };
  /** Lists the running jobs. */
  'query-block-jobs': { arguments: EmptyObject; returns: BlockJobInfo[] };
  /**
   * Gives the password of an encrypted image that was opened without one. Exactly one of `device` and
   * `node-name` says which.
   *
   * A wrong password is not always noticed, and what is then written is lost.
   */
  block_passwd: { arguments: BlockPasswdArguments; returns: EmptyObject };
  /** Changes the size of an image that is in use. Exactly one of `device` and `node-name` says which. */
  block_resize: { arguments: BlockResizeArguments; returns: EmptyObject };
  /** Puts a new overlay over an image: the image stays as it is, writes go to the overlay. */
  'blockdev-snapshot-sync': { arguments: BlockdevSnapshot; returns: EmptyObject };
  /**
   * Rewrites the name of the backing file within an image. Nothing is reopened, and the name is not
   * looked at.
   */
  'change-backing-file': { arguments: ChangeBackingFileArguments; returns: EmptyObject };
  /**
   * Writes what lies in the images from `top` down to above `base` into `base`. A base that is too small
   * is grown; one that is too large is left. If `top` is the active image the job becomes ready and
   * waits for `block-job-complete`.
   */
  'block-commit': { arguments: BlockCommitArguments; returns: EmptyObject };
  /** Starts a copy of a device as it is at this moment. */
  'drive-backup': { arguments: DriveBackup; returns: EmptyObject };
  /** Starts a copy of a device, as it is at this moment, to a device that is open already. */
  'blockdev-backup': { arguments: BlockdevBackup; returns: EmptyObject };
  /** Lists all nodes that have a name. */
  'query-named-block-nodes': { arguments: QueryNamedBlockNodesArguments; returns: BlockDeviceInfo[] };
  /** Starts to copy a device to a target and to keep the two alike. */
  'drive-mirror': { arguments: DriveMirrorArguments; returns: EmptyObject };
  /** Makes a dirty bitmap, which records writes from now on. */
  'block-dirty-bitmap-add': { arguments: BlockDirtyBitmapAdd; returns: EmptyObject };
  /** Removes a dirty bitmap that nothing uses. */
  'block-dirty-bitmap-remove': { arguments: BlockDirtyBitmap; returns: EmptyObject };
  /** Marks everything in a dirty bitmap as clean. */
  'block-dirty-bitmap-clear': { arguments: BlockDirtyBitmap; returns: EmptyObject };
  /**
   * Limits what a device may do. Devices of one throttle group share the limits, in turn; new limits
   * are those of the whole group. All of them 0 takes the device out of its group.
   */
  block_set_io_throttle: { arguments: BlockSetIoThrottleArguments; returns: EmptyObject };
  /**
   * Fetches into an image what it now finds in its backing files, so that it needs them no longer.
   * With `base`, what lies there and below is left, and the image ends up on it.
   */
  'block-stream': { arguments: BlockStreamArguments; returns: EmptyObject };
  /** Changes the speed limit of a job. */
  'block-job-set-speed': { arguments: BlockJobSetSpeedArguments; returns: EmptyObject };
  /** Asks a job to stop. It is gone when BLOCK_JOB_CANCELLED comes; until then it is still listed. */
  'block-job-cancel': { arguments: BlockJobCancelArguments; returns: EmptyObject };
  /** Asks a job to pause as soon as it can. Pausing twice is pausing once. */
  'block-job-pause': { arguments: BlockJobPauseArguments; returns: EmptyObject };
  /** Lets a paused job go on, its error forgotten. */
  'block-job-resume': { arguments: BlockJobResumeArguments; returns: EmptyObject };
  /** Completes a job that is ready: a mirror then uses its target in the place of the source. */
  'block-job-complete': { arguments: BlockJobCompleteArguments; returns: EmptyObject };
  /** Opens a device. */
  'blockdev-add': { arguments: BlockdevAddArguments; returns: EmptyObject };
  /** Asks for an event when a write goes past an offset, so that a thin disk can be grown in time. */
  'block-set-write-threshold': { arguments: BlockSetWriteThresholdArguments; returns: EmptyObject };
  /** Takes a node out of the graph that `blockdev-add` put in. Refused while it is in use. */
  'blockdev-del': { arguments: BlockdevDelArguments; returns: EmptyObject };
  /** Writes are noted from now on. */
  'block-dirty-bitmap-enable': { arguments: BlockDirtyBitmap; returns: EmptyObject };
  /** Writes are not noted any more. */
  'block-dirty-bitmap-disable': { arguments: BlockDirtyBitmap; returns: EmptyObject };
  /** Adds what is dirty in some bitmaps to another: from all of them, or, where that fails, from none. */
  'block-dirty-bitmap-merge': { arguments: BlockDirtyBitmapMerge; returns: EmptyObject };
  /** Makes an object. */
  'object-add': { arguments: ObjectOptions; returns: EmptyObject };
  /** Removes an object; refused while it is in use. */
  'object-del': { arguments: ObjectDelArguments; returns: EmptyObject };
  /** Lists the properties of an object. */
  'qom-list': { arguments: QomListArguments; returns: ObjectPropertyInfo[] };
  /** Gives the value of a property. */
  'qom-get': { arguments: QomGetArguments; returns: unknown };
  /** Changes a property. */
  'qom-set': { arguments: QomSetArguments; returns: EmptyObject };
  /** Makes the outcome of a pending job real. */
  'block-job-finalize': { arguments: BlockJobFinalizeArguments; returns: EmptyObject };
  /** Forgets a concluded job. */
  'block-job-dismiss': { arguments: BlockJobDismissArguments; returns: EmptyObject };
  /** Asks a job to come to rest. */
  'job-pause': { arguments: JobPauseArguments; returns: EmptyObject };
  /** Lets a paused job go on. */
  'job-resume': { arguments: JobResumeArguments; returns: EmptyObject };
  /** Calls a job off, paused or not. */
  'job-cancel': { arguments: JobCancelArguments; returns: EmptyObject };
  /** Ends a job that is ready. */
  'job-complete': { arguments: JobCompleteArguments; returns: EmptyObject };
  /** Makes the outcome of a pending job, and of all of its transaction, real. */
  'job-finalize': { arguments: JobFinalizeArguments; returns: EmptyObject };
  /** Forgets a concluded job. */
  'job-dismiss': { arguments: JobDismissArguments; returns: EmptyObject };
  /** Lists all jobs. */
  'query-jobs': { arguments: EmptyObject; returns: JobInfo[] };
  /** Mirrors a device or node to a node that is there already. */
  'blockdev-mirror': { arguments: BlockdevMirrorArguments; returns: EmptyObject };
  /** Starts the NBD server. There is one; it has to be stopped before it can be started elsewhere. */
  'nbd-server-start': { arguments: NbdServerStartArguments; returns: EmptyObject };
  /** Gives out a device over the running NBD server. The name is the device's own unless one is given. */
  'nbd-server-add': { arguments: NbdServerAddOptions; returns: EmptyObject };
  /** Withdraws an export by its name. */
  'nbd-server-remove': { arguments: NbdServerRemoveArguments; returns: EmptyObject };
  /** Disconnects all clients, withdraws all exports and stops listening. */
  'nbd-server-stop': { arguments: EmptyObject; returns: EmptyObject };
  /** Gives out a node. */
  'block-export-add': { arguments: BlockExportOptions; returns: EmptyObject };
  /** Withdraws an export. `BLOCK_EXPORT_DELETED` says when it is gone. */
  'block-export-del': { arguments: BlockExportDelArguments; returns: EmptyObject };
  /** Lists the exports, the newest first. */
  'query-block-exports': { arguments: EmptyObject; returns: BlockExportInfo[] };
  /** Puts an existing node on top of another: from then on writes go to it. */
  'blockdev-snapshot': { arguments: BlockdevSnapshotOverlay; returns: EmptyObject };
  /**
   * Takes a snapshot inside the image.
   *
   * Returns: nothing on success
   * If `device` is not a valid block device, DeviceNotFound
   * If the image keeps no snapshots, or the name is taken, GenericError
   */
  'blockdev-snapshot-internal-sync': { arguments: BlockdevSnapshotInternal; returns: EmptyObject };
  /**
   * Deletes a snapshot inside the image, by id, by name, or by both, and tells what it was.
   *
   *
   *
   *
   * Returns: the snapshot that is gone
   * If `device` is not a valid block device, DeviceNotFound
   * If the snapshot is not found, GenericError
   */
  'blockdev-snapshot-delete-internal-sync': { arguments: BlockdevSnapshotDeleteInternalSyncArguments; returns: SnapshotInfo };
  /** Tells the state of the machine. */
  'query-status': { arguments: EmptyObject; returns: StatusInfo };
  /** Stops the machine. Nothing happens where it is stopped already. */
  stop: { arguments: EmptyObject; returns: EmptyObject };
  /**
   * Lets the machine run again: requests that an error policy held back are tried once more, and every io-status is reset.
   * Refused with class `DeviceEncrypted` while a device lacks its password.
   */
  cont: { arguments: EmptyObject; returns: EmptyObject };
  /** Ends negotiation; before it no other command is taken. */
  qmp_capabilities: { arguments: QmpCapabilitiesArguments; returns: EmptyObject };
  /** Flushes everything, closes it and ends the process. */
  quit: { arguments: EmptyObject; returns: EmptyObject };
  /** Lists the events that can come. */
  'query-events': { arguments: EmptyObject; returns: EventInfo[] };
  /** Describes all commands and events with the types that they use. */
  'query-qmp-schema': { arguments: EmptyObject; returns: SchemaInfo[] };
  /**
   * Starts a job that makes a file, or an image in a node; what the node held is lost. The job stays until `job-dismiss`, and tells by its
   * error where the image could not be made.
   */
  'blockdev-create': { arguments: BlockdevCreateArguments; returns: EmptyObject };
  /**
   * Opens nodes again by new definitions: all of them, or none. What a definition leaves out has its default again. A child that is
   * named by a node name is exchanged for that node; an image that has a backing image must say which one it has from now on.
   */
  'blockdev-reopen': { arguments: BlockdevReopenArguments; returns: EmptyObject };
  /** Adds a child to a node whose driver takes children while it is open, or removes one. */
  'x-blockdev-change': { arguments: XBlockdevChangeArguments; returns: EmptyObject };
  /**
   * Opens the tray of a device and takes its medium out.
   *
   *
   *
   *
   * Returns: nothing on success
   * If `device` is not a valid block device, DeviceNotFound
   */
  eject: { arguments: EjectArguments; returns: EmptyObject };
  /**
   * Puts another medium into a device.
   *
   *
   *
   *
   * Returns: nothing on success
   * If `device` is not a valid block device, DeviceNotFound
   * If the new medium is encrypted, DeviceEncrypted; it is in the device, and `block_passwd` has to follow
   */
  change: { arguments: ChangeArguments; returns: EmptyObject };
  /** Opens the tray of a device. Nothing happens where it is open. */
  'blockdev-open-tray': { arguments: BlockdevOpenTrayArguments; returns: EmptyObject };
  /** Closes the tray of a device. Nothing happens where it is closed. */
  'blockdev-close-tray': { arguments: BlockdevCloseTrayArguments; returns: EmptyObject };
  /** Takes the medium out of a device whose tray is open. */
  'blockdev-remove-medium': { arguments: BlockdevRemoveMediumArguments; returns: EmptyObject };
  /** Puts a node that nobody uses into a device whose tray is open, and which is empty. */
  'blockdev-insert-medium': { arguments: BlockdevInsertMediumArguments; returns: EmptyObject };
  /** Opens the tray, exchanges the medium and closes the tray. */
  'blockdev-change-medium': { arguments: BlockdevChangeMediumArguments; returns: EmptyObject };
  /** Runs a command of the human monitor, and gives what it prints. What `qemu-io` has to say goes to the server's standard output. */
  'human-monitor-command': { arguments: HumanMonitorCommandArguments; returns: string };
  /**
   * Makes all changes, or none. They are made in order, and a later one sees what an earlier one did; guests see them all at once.
   *
   *
   *
   * Returns: nothing on success
   * Otherwise the error of the first change that could not be made
   */
  transaction: { arguments: TransactionArguments; returns: EmptyObject };
}

/** Every event: the type of its data. */
export interface QmpEvents {
  /** An image was found corrupt. */
  BLOCK_IMAGE_CORRUPTED: BlockImageCorruptedData;
  /** A request of a device failed. If it was answered by stopping the machine, STOP follows. */
  BLOCK_IO_ERROR: BlockIoErrorData;
  /** A job is over. */
  BLOCK_JOB_COMPLETED: BlockJobCompletedData;
  /** A job was cancelled. */
  BLOCK_JOB_CANCELLED: BlockJobCancelledData;
  /** A request of a job failed. */
  BLOCK_JOB_ERROR: BlockJobErrorData;
  /** A job can be completed. BLOCK_JOB_ERROR takes that back. */
  BLOCK_JOB_READY: BlockJobReadyData;
  /** A write went past the threshold. The threshold is gone then and has to be set anew. */
  BLOCK_WRITE_THRESHOLD: BlockWriteThresholdData;
  /** A job went into another state. */
  JOB_STATUS_CHANGE: JobStatusChangeData;
  /** A job is done and waits to be finalized. */
  BLOCK_JOB_PENDING: BlockJobPendingData;
  /** An export is gone. */
  BLOCK_EXPORT_DELETED: BlockExportDeletedData;
  /** The machine was stopped. */
  STOP: EmptyObject;
  /** The machine runs again. */
  RESUME: EmptyObject;
  /** The server is about to end. */
  SHUTDOWN: ShutdownData;
  /** Children of a quorum do not agree, and not enough of them do. */
  QUORUM_FAILURE: QuorumFailureData;
  /** A child of a quorum failed, or differs from the others. */
  QUORUM_REPORT_BAD: QuorumReportBadData;
  /** A tray was opened or closed. */
  DEVICE_TRAY_MOVED: DeviceTrayMovedData;
}

/** Every named type of the schema. */
export interface QapiTypeMap {
  ErrorClass: ErrorClass;
  VersionTriple: VersionTriple;
  VersionInfo: VersionInfo;
  CommandInfo: CommandInfo;
  OnOffAuto: OnOffAuto;
  String: String;
  IoOperationType: IoOperationType;
  SnapshotInfo: SnapshotInfo;
  ImageInfoSpecificQCow2: ImageInfoSpecificQCow2;
  ImageInfoSpecificVmdk: ImageInfoSpecificVmdk;
  ImageInfoSpecific: ImageInfoSpecific;
  ImageInfo: ImageInfo;
  ImageCheck: ImageCheck;
  BlockdevCacheInfo: BlockdevCacheInfo;
  BlockDeviceInfo: BlockDeviceInfo;
  BlockDeviceIoStatus: BlockDeviceIoStatus;
  BlockDeviceMapEntry: BlockDeviceMapEntry;
  DirtyBitmapStatus: DirtyBitmapStatus;
  BlockDirtyInfo: BlockDirtyInfo;
  BlockInfo: BlockInfo;
  BlockDeviceStats: BlockDeviceStats;
  BlockStats: BlockStats;
  BlockdevOnError: BlockdevOnError;
  MirrorSyncMode: MirrorSyncMode;
  BlockJobType: BlockJobType;
  BlockJobInfo: BlockJobInfo;
  NewImageMode: NewImageMode;
  BlockdevSnapshot: BlockdevSnapshot;
  DriveBackup: DriveBackup;
  BlockdevBackup: BlockdevBackup;
  BlockDirtyBitmap: BlockDirtyBitmap;
  BlockDirtyBitmapAdd: BlockDirtyBitmapAdd;
  BlockdevDiscardOptions: BlockdevDiscardOptions;
  BlockdevDetectZeroesOptions: BlockdevDetectZeroesOptions;
  BlockdevAioOptions: BlockdevAioOptions;
  BlockdevCacheOptions: BlockdevCacheOptions;
  BlockdevDriver: BlockdevDriver;
  BlockdevOptionsBase: BlockdevOptionsBase;
  BlockdevOptionsFile: BlockdevOptionsFile;
  BlockdevOptionsNull: BlockdevOptionsNull;
  BlockdevOptionsVVFAT: BlockdevOptionsVVFAT;
  BlockdevOptionsGenericFormat: BlockdevOptionsGenericFormat;
  BlockdevOptionsGenericCOWFormat: BlockdevOptionsGenericCOWFormat;
  Qcow2OverlapCheckMode: Qcow2OverlapCheckMode;
  Qcow2OverlapCheckFlags: Qcow2OverlapCheckFlags;
  Qcow2OverlapChecks: Qcow2OverlapChecks;
  BlockdevOptionsQcow2: BlockdevOptionsQcow2;
  BlockdevOptionsArchipelago: BlockdevOptionsArchipelago;
  BlkdebugEvent: BlkdebugEvent;
  BlkdebugInjectErrorOptions: BlkdebugInjectErrorOptions;
  BlkdebugSetStateOptions: BlkdebugSetStateOptions;
  BlockdevOptionsBlkdebug: BlockdevOptionsBlkdebug;
  BlockdevOptionsBlkverify: BlockdevOptionsBlkverify;
  QuorumReadPattern: QuorumReadPattern;
  BlockdevOptionsQuorum: BlockdevOptionsQuorum;
  BlockdevOptions: BlockdevOptions;
  BlockdevRef: BlockdevRef;
  BlockErrorAction: BlockErrorAction;
  PreallocMode: PreallocMode;
  InetSocketAddressBase: InetSocketAddressBase;
  InetSocketAddress: InetSocketAddress;
  UnixSocketAddress: UnixSocketAddress;
  SocketAddressLegacy: SocketAddressLegacy;
  SocketAddressType: SocketAddressType;
  SocketAddressBase: SocketAddressBase;
  SocketAddress: SocketAddress;
  BlockdevOptionsHostFile: BlockdevOptionsHostFile;
  BlockdevOptionsRaw: BlockdevOptionsRaw;
  BlockdevRefOrNull: BlockdevRefOrNull;
  BlockdevOptionsNbd: BlockdevOptionsNbd;
  BlockdevOptionsLUKS: BlockdevOptionsLUKS;
  BlockdevEncryptionFormat: BlockdevEncryptionFormat;
  BlockdevEncryption: BlockdevEncryption;
  BlockdevOptionsQcow: BlockdevOptionsQcow;
  SshHostKeyCheckMode: SshHostKeyCheckMode;
  SshHostKeyCheckHashType: SshHostKeyCheckHashType;
  SshHostKeyHash: SshHostKeyHash;
  SshHostKeyCheckBase: SshHostKeyCheckBase;
  SshHostKeyCheck: SshHostKeyCheck;
  BlockdevOptionsSsh: BlockdevOptionsSsh;
  BlockdevOptionsCached: BlockdevOptionsCached;
  BlockdevOptionsCachedCOW: BlockdevOptionsCachedCOW;
  Qcow2CompressionType: Qcow2CompressionType;
  Qcow2BitmapInfoFlags: Qcow2BitmapInfoFlags;
  Qcow2BitmapInfo: Qcow2BitmapInfo;
  MapEntry: MapEntry;
  BlkdebugIOType: BlkdebugIOType;
  BlockdevOptionsRemote: BlockdevOptionsRemote;
  BlockdevOptionsCurlHttp: BlockdevOptionsCurlHttp;
  BlockdevOptionsCurlFtp: BlockdevOptionsCurlFtp;
  BlockdevOptionsTftp: BlockdevOptionsTftp;
  BlockDirtyBitmapOrStr: BlockDirtyBitmapOrStr;
  BlockDirtyBitmapMerge: BlockDirtyBitmapMerge;
  BlockdevOptionsThrottle: BlockdevOptionsThrottle;
  BlockdevOptionsCor: BlockdevOptionsCor;
  ObjectType: ObjectType;
  QCryptoSecretFormat: QCryptoSecretFormat;
  SecretProperties: SecretProperties;
  QCryptoTLSCredsEndpoint: QCryptoTLSCredsEndpoint;
  TlsCredsProperties: TlsCredsProperties;
  TlsCredsAnonProperties: TlsCredsAnonProperties;
  TlsCredsPskProperties: TlsCredsPskProperties;
  TlsCredsX509Properties: TlsCredsX509Properties;
  ThrottleLimits: ThrottleLimits;
  ThrottleGroupProperties: ThrottleGroupProperties;
  ObjectOptionsBase: ObjectOptionsBase;
  ObjectOptions: ObjectOptions;
  ObjectPropertyInfo: ObjectPropertyInfo;
  JobType: JobType;
  JobStatus: JobStatus;
  JobInfo: JobInfo;
  BitmapSyncMode: BitmapSyncMode;
  MirrorCopyMode: MirrorCopyMode;
  NbdServerOptions: NbdServerOptions;
  BlockExportOptionsNbdBase: BlockExportOptionsNbdBase;
  BlockExportOptionsNbd: BlockExportOptionsNbd;
  NbdServerAddOptions: NbdServerAddOptions;
  BlockExportRemoveMode: BlockExportRemoveMode;
  BlockExportType: BlockExportType;
  BlockExportOptionsBase: BlockExportOptionsBase;
  BlockExportOptions: BlockExportOptions;
  BlockExportInfo: BlockExportInfo;
  BlockdevSnapshotOverlay: BlockdevSnapshotOverlay;
  BlockdevSnapshotInternal: BlockdevSnapshotInternal;
  RunState: RunState;
  StatusInfo: StatusInfo;
  QMPCapability: QMPCapability;
  EventInfo: EventInfo;
  MonitorMode: MonitorMode;
  MonitorOptions: MonitorOptions;
  SchemaMetaType: SchemaMetaType;
  JSONType: JSONType;
  SchemaInfoBuiltin: SchemaInfoBuiltin;
  SchemaInfoEnumMember: SchemaInfoEnumMember;
  SchemaInfoEnum: SchemaInfoEnum;
  SchemaInfoArray: SchemaInfoArray;
  SchemaInfoObjectMember: SchemaInfoObjectMember;
  SchemaInfoObjectVariant: SchemaInfoObjectVariant;
  SchemaInfoObject: SchemaInfoObject;
  SchemaInfoAlternateMember: SchemaInfoAlternateMember;
  SchemaInfoAlternate: SchemaInfoAlternate;
  SchemaInfoCommand: SchemaInfoCommand;
  SchemaInfoEvent: SchemaInfoEvent;
  SchemaInfoBase: SchemaInfoBase;
  SchemaInfo: SchemaInfo;
  BlockdevCreateOptionsFile: BlockdevCreateOptionsFile;
  BlockdevCreateOptionsImage: BlockdevCreateOptionsImage;
  BlockdevCreateEncryption: BlockdevCreateEncryption;
  BlockdevQcow2Version: BlockdevQcow2Version;
  BlockdevCreateOptionsQcow2: BlockdevCreateOptionsQcow2;
  BlockdevCreateOptionsVdi: BlockdevCreateOptionsVdi;
  BlockdevCreateSubformat: BlockdevCreateSubformat;
  BlockdevCreateOptionsVhdx: BlockdevCreateOptionsVhdx;
  BlockdevCreateOptionsVpc: BlockdevCreateOptionsVpc;
  BlockdevCreateOptionsLUKS: BlockdevCreateOptionsLUKS;
  BlockdevCreateOptionsParallels: BlockdevCreateOptionsParallels;
  BlockdevCreateOptionsQcow: BlockdevCreateOptionsQcow;
  BlockdevCreateOptionsQed: BlockdevCreateOptionsQed;
  BlockdevCreateOptions: BlockdevCreateOptions;
  QuorumOpType: QuorumOpType;
  BlockdevChangeReadOnlyMode: BlockdevChangeReadOnlyMode;
  Abort: Abort;
  ActionCompletionMode: ActionCompletionMode;
  TransactionAction: TransactionAction;
  TransactionProperties: TransactionProperties;
}
