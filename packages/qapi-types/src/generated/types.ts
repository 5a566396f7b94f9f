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

export interface SnapshotInfo {
  id: string;
  name: string;
  'vm-state-size': Int64;
  'date-sec': Int64;
  'date-nsec': Int64;
  'vm-clock-sec': Int64;
  'vm-clock-nsec': Int64;
}

export interface ImageInfoSpecificQCow2 {
  compat: string;
  'lazy-refcounts'?: boolean;
  corrupt?: boolean;
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

export interface ImageInfoSpecificVmdk {
  'create-type': string;
  cid: Int64;
  'parent-cid': Int64;
  extents: ImageInfo[];
}

export type ImageInfoSpecific =
  | { type: 'qcow2'; data: ImageInfoSpecificQCow2 }
  | { type: 'vmdk'; data: ImageInfoSpecificVmdk };

export interface ImageInfo {
  filename: string;
  format: string;
  'dirty-flag'?: boolean;
  'actual-size'?: Int64;
  'virtual-size': Int64;
  'cluster-size'?: Int64;
  encrypted?: boolean;
  compressed?: boolean;
  'backing-filename'?: string;
  'full-backing-filename'?: string;
  'backing-filename-format'?: string;
  snapshots?: SnapshotInfo[];
  'backing-image'?: ImageInfo;
  'format-specific'?: ImageInfoSpecific;
}

export interface ImageCheck {
  filename: string;
  format: string;
  'check-errors': Int64;
  'image-end-offset'?: Int64;
  corruptions?: Int64;
  leaks?: Int64;
  'corruptions-fixed'?: Int64;
  'leaks-fixed'?: Int64;
  'total-clusters'?: Int64;
  'allocated-clusters'?: Int64;
  'fragmented-clusters'?: Int64;
  'compressed-clusters'?: Int64;
}

export interface BlockdevCacheInfo {
  writeback: boolean;
  direct: boolean;
  'no-flush': boolean;
}

export interface BlockDeviceInfo {
  file: string;
  'node-name'?: string;
  ro: boolean;
  drv: string;
  backing_file?: string;
  backing_file_depth: Int64;
  encrypted: boolean;
  encryption_key_missing: boolean;
  detect_zeroes: BlockdevDetectZeroesOptions;
  bps: Int64;
  bps_rd: Int64;
  bps_wr: Int64;
  iops: Int64;
  iops_rd: Int64;
  iops_wr: Int64;
  image: ImageInfo;
  bps_max?: Int64;
  bps_rd_max?: Int64;
  bps_wr_max?: Int64;
  iops_max?: Int64;
  iops_rd_max?: Int64;
  iops_wr_max?: Int64;
  iops_size?: Int64;
  group?: string;
  cache: BlockdevCacheInfo;
  write_threshold: Int64;
}

export type BlockDeviceIoStatus = 'ok' | 'failed' | 'nospace';

export interface BlockDeviceMapEntry {
  start: Int64;
  length: Int64;
  depth: Int64;
  zero: boolean;
  data: boolean;
  offset?: Int64;
}

export type DirtyBitmapStatus = 'active' | 'disabled' | 'frozen';

export interface BlockDirtyInfo {
  name?: string;
  count: Int64;
  granularity: number;
  status: DirtyBitmapStatus;
}

export interface BlockInfo {
  device: string;
  type: string;
  removable: boolean;
  locked: boolean;
  inserted?: BlockDeviceInfo;
  tray_open?: boolean;
  'io-status'?: BlockDeviceIoStatus;
  'dirty-bitmaps'?: BlockDirtyInfo[];
}

export interface BlockDeviceStats {
  rd_bytes: Int64;
  wr_bytes: Int64;
  rd_operations: Int64;
  wr_operations: Int64;
  flush_operations: Int64;
  flush_total_time_ns: Int64;
  wr_total_time_ns: Int64;
  rd_total_time_ns: Int64;
  wr_highest_offset: Int64;
  rd_merged: Int64;
  wr_merged: Int64;
}

export interface BlockStats {
  device?: string;
  'node-name'?: string;
  stats: BlockDeviceStats;
  parent?: BlockStats;
  backing?: BlockStats;
}

export type BlockdevOnError = 'report' | 'ignore' | 'enospc' | 'stop';

export type MirrorSyncMode = 'top' | 'full' | 'none' | 'incremental';

export type BlockJobType = 'commit' | 'stream' | 'mirror' | 'backup';

export interface BlockJobInfo {
  type: string;
  device: string;
  len: Int64;
  offset: Int64;
  busy: boolean;
  paused: boolean;
  speed: Int64;
  'io-status': BlockDeviceIoStatus;
  ready: boolean;
}

export type NewImageMode = 'existing' | 'absolute-paths';

export interface BlockdevSnapshot {
  device?: string;
  'node-name'?: string;
  'snapshot-file': string;
  'snapshot-node-name'?: string;
  format?: string;
  mode?: NewImageMode;
}

export interface DriveBackup {
  device: string;
  target: string;
  format?: string;
  sync: MirrorSyncMode;
  mode?: NewImageMode;
  speed?: Int64;
  bitmap?: string;
  'on-source-error'?: BlockdevOnError;
  'on-target-error'?: BlockdevOnError;
}

export interface BlockdevBackup {
  device: string;
  target: string;
  sync: MirrorSyncMode;
  speed?: Int64;
  'on-source-error'?: BlockdevOnError;
  'on-target-error'?: BlockdevOnError;
}

export interface BlockDirtyBitmap {
  node: string;
  name: string;
}

export interface BlockDirtyBitmapAdd {
  node: string;
  name: string;
  granularity?: number;
}

export type BlockdevDiscardOptions = 'ignore' | 'unmap';

export type BlockdevDetectZeroesOptions = 'off' | 'on' | 'unmap';

export type BlockdevAioOptions = 'threads' | 'native' | 'io_uring';

export interface BlockdevCacheOptions {
  writeback?: boolean;
  direct?: boolean;
  'no-flush'?: boolean;
}

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
  | 'nbd';

export interface BlockdevOptionsBase {
  driver: BlockdevDriver;
  id?: string;
  'node-name'?: string;
  discard?: BlockdevDiscardOptions;
  cache?: BlockdevCacheOptions;
  aio?: BlockdevAioOptions;
  rerror?: BlockdevOnError;
  werror?: BlockdevOnError;
  'read-only'?: boolean;
  'detect-zeroes'?: BlockdevDetectZeroesOptions;
  /** open read-only if read-write is not possible. (Since 3.1) */
  'auto-read-only'?: boolean;
  /** open even if another process has a lock; only together with read-only. (Since 2.10) */
  'force-share'?: boolean;
}

export interface BlockdevOptionsFile {
  filename: string;
}

export interface BlockdevOptionsNull {
  size?: Int64;
  'latency-ns'?: Uint64;
  /** whether reads fill the buffer with zeroes rather than leave it as it is (default: false). (Since 4.1) */
  'read-zeroes'?: boolean;
}

export interface BlockdevOptionsVVFAT {
  dir: string;
  'fat-type'?: Int64;
  floppy?: boolean;
  label?: string;
  rw?: boolean;
}

export interface BlockdevOptionsGenericFormat {
  file: BlockdevRef;
}

export interface BlockdevOptionsGenericCOWFormat extends BlockdevOptionsGenericFormat {
  backing?: BlockdevRef;
}

export type Qcow2OverlapCheckMode = 'none' | 'constant' | 'cached' | 'all';

export interface Qcow2OverlapCheckFlags {
  template?: Qcow2OverlapCheckMode;
  'main-header'?: boolean;
  'active-l1'?: boolean;
  'active-l2'?: boolean;
  'refcount-table'?: boolean;
  'refcount-block'?: boolean;
  'snapshot-table'?: boolean;
  'inactive-l1'?: boolean;
  'inactive-l2'?: boolean;
}

export type Qcow2OverlapChecks = Qcow2OverlapCheckFlags | Qcow2OverlapCheckMode;

export interface BlockdevOptionsQcow2 extends BlockdevOptionsGenericCOWFormat {
  'lazy-refcounts'?: boolean;
  'pass-discard-request'?: boolean;
  'pass-discard-snapshot'?: boolean;
  'pass-discard-other'?: boolean;
  'overlap-check'?: Qcow2OverlapChecks;
  'cache-size'?: Int64;
  'l2-cache-size'?: Int64;
  'refcount-cache-size'?: Int64;
}

export interface BlockdevOptionsArchipelago {
  volume: string;
  mport?: Int64;
  vport?: Int64;
  segment?: string;
}

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
  | 'empty_image_prepare';

export interface BlkdebugInjectErrorOptions {
  event: BlkdebugEvent;
  state?: Int64;
  errno?: Int64;
  sector?: Int64;
  once?: boolean;
  immediately?: boolean;
}

export interface BlkdebugSetStateOptions {
  event: BlkdebugEvent;
  state?: Int64;
  new_state: Int64;
}

export interface BlockdevOptionsBlkdebug {
  image: BlockdevRef;
  config?: string;
  align?: Int64;
  'inject-error'?: BlkdebugInjectErrorOptions[];
  'set-state'?: BlkdebugSetStateOptions[];
}

export interface BlockdevOptionsBlkverify {
  test: BlockdevRef;
  raw: BlockdevRef;
}

export type QuorumReadPattern = 'quorum' | 'fifo';

export interface BlockdevOptionsQuorum {
  blkverify?: boolean;
  children: BlockdevRef[];
  'vote-threshold': Int64;
  'rewrite-corrupted'?: boolean;
  'read-pattern'?: QuorumReadPattern;
}

export type BlockdevOptions =
  | (BlockdevOptionsBase & { driver: 'archipelago' } & BlockdevOptionsArchipelago)
  | (BlockdevOptionsBase & { driver: 'blkdebug' } & BlockdevOptionsBlkdebug)
  | (BlockdevOptionsBase & { driver: 'blkverify' } & BlockdevOptionsBlkverify)
  | (BlockdevOptionsBase & { driver: 'bochs' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'cloop' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'dmg' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'file' } & BlockdevOptionsHostFile)
  | (BlockdevOptionsBase & { driver: 'ftp' } & BlockdevOptionsFile)
  | (BlockdevOptionsBase & { driver: 'ftps' } & BlockdevOptionsFile)
  | (BlockdevOptionsBase & { driver: 'host_cdrom' } & BlockdevOptionsHostFile)
  | (BlockdevOptionsBase & { driver: 'host_device' } & BlockdevOptionsHostFile)
  | (BlockdevOptionsBase & { driver: 'host_floppy' } & BlockdevOptionsFile)
  | (BlockdevOptionsBase & { driver: 'http' } & BlockdevOptionsFile)
  | (BlockdevOptionsBase & { driver: 'https' } & BlockdevOptionsFile)
  | (BlockdevOptionsBase & { driver: 'null-aio' } & BlockdevOptionsNull)
  | (BlockdevOptionsBase & { driver: 'null-co' } & BlockdevOptionsNull)
  | (BlockdevOptionsBase & { driver: 'parallels' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'qcow' } & BlockdevOptionsGenericCOWFormat)
  | (BlockdevOptionsBase & { driver: 'qcow2' } & BlockdevOptionsQcow2)
  | (BlockdevOptionsBase & { driver: 'qed' } & BlockdevOptionsGenericCOWFormat)
  | (BlockdevOptionsBase & { driver: 'quorum' } & BlockdevOptionsQuorum)
  | (BlockdevOptionsBase & { driver: 'raw' } & BlockdevOptionsRaw)
  | (BlockdevOptionsBase & { driver: 'tftp' } & BlockdevOptionsFile)
  | (BlockdevOptionsBase & { driver: 'vdi' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'vhdx' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'vmdk' } & BlockdevOptionsGenericCOWFormat)
  | (BlockdevOptionsBase & { driver: 'vpc' } & BlockdevOptionsGenericFormat)
  | (BlockdevOptionsBase & { driver: 'vvfat' } & BlockdevOptionsVVFAT)
  | (BlockdevOptionsBase & { driver: 'nbd' } & BlockdevOptionsNbd);

export type BlockdevRef = BlockdevOptions | string;

export type BlockErrorAction = 'ignore' | 'report' | 'stop';

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
  bitmaps?: string[];
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

/** Arguments of `query-blockstats`. */
export interface QueryBlockstatsArguments {
  'query-nodes'?: boolean;
}

/** Arguments of `block_passwd`. */
export interface BlockPasswdArguments {
  device?: string;
  'node-name'?: string;
  password: string;
}

/** Arguments of `block_resize`. */
export interface BlockResizeArguments {
  device?: string;
  'node-name'?: string;
  size: Int64;
}

/** Arguments of `change-backing-file`. */
export interface ChangeBackingFileArguments {
  device: string;
  'image-node-name': string;
  'backing-file': string;
}

/** Arguments of `block-commit`. */
export interface BlockCommitArguments {
  device: string;
  base?: string;
  top?: string;
  'backing-file'?: string;
  speed?: Int64;
}

/** Arguments of `query-named-block-nodes`. */
export interface QueryNamedBlockNodesArguments {
  /** leave out the backing images of each image (default: false). (Since 5.0) */
  flat?: boolean;
}

/** Arguments of `drive-mirror`. */
export interface DriveMirrorArguments {
  device: string;
  target: string;
  format?: string;
  'node-name'?: string;
  replaces?: string;
  sync: MirrorSyncMode;
  mode?: NewImageMode;
  speed?: Int64;
  granularity?: number;
  'buf-size'?: Int64;
  'on-source-error'?: BlockdevOnError;
  'on-target-error'?: BlockdevOnError;
  unmap?: boolean;
}

/** Arguments of `block_set_io_throttle`. */
export interface BlockSetIoThrottleArguments {
  device: string;
  bps: Int64;
  bps_rd: Int64;
  bps_wr: Int64;
  iops: Int64;
  iops_rd: Int64;
  iops_wr: Int64;
  bps_max?: Int64;
  bps_rd_max?: Int64;
  bps_wr_max?: Int64;
  iops_max?: Int64;
  iops_rd_max?: Int64;
  iops_wr_max?: Int64;
  iops_size?: Int64;
  group?: string;
}

/** Arguments of `block-stream`. */
export interface BlockStreamArguments {
  device: string;
  base?: string;
  'backing-file'?: string;
  speed?: Int64;
  'on-error'?: BlockdevOnError;
}

/** Arguments of `block-job-set-speed`. */
export interface BlockJobSetSpeedArguments {
  device: string;
  speed: Int64;
}

/** Arguments of `block-job-cancel`. */
export interface BlockJobCancelArguments {
  device: string;
  force?: boolean;
}

/** Arguments of `block-job-pause`. */
export interface BlockJobPauseArguments {
  device: string;
}

/** Arguments of `block-job-resume`. */
export interface BlockJobResumeArguments {
  device: string;
}

/** Arguments of `block-job-complete`. */
export interface BlockJobCompleteArguments {
  device: string;
}

/** Arguments of `blockdev-add`. */
export interface BlockdevAddArguments {
  options: BlockdevOptions;
}

/** Arguments of `block-set-write-threshold`. */
export interface BlockSetWriteThresholdArguments {
  'node-name': string;
  'write-threshold': Uint64;
}

/** Arguments of `blockdev-del`. */
export interface BlockdevDelArguments {
  /** name of the node. */
  'node-name': string;
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

/** Arguments of `qmp_capabilities`. */
export interface QmpCapabilitiesArguments {
  /** capabilities to switch on, of those that the greeting offered. (Since 2.12) */
  enable?: QMPCapability[];
}

/** Data of `BLOCK_IMAGE_CORRUPTED`. */
export interface BlockImageCorruptedData {
  device: string;
  'node-name'?: string;
  msg: string;
  offset?: Int64;
  size?: Int64;
  fatal: boolean;
}

/** Data of `BLOCK_IO_ERROR`. */
export interface BlockIoErrorData {
  device: string;
  operation: IoOperationType;
  action: BlockErrorAction;
  nospace?: boolean;
  reason: string;
}

/** Data of `BLOCK_JOB_COMPLETED`. */
export interface BlockJobCompletedData {
  type: BlockJobType;
  device: string;
  len: Int64;
  offset: Int64;
  speed: Int64;
  error?: string;
}

/** Data of `BLOCK_JOB_CANCELLED`. */
export interface BlockJobCancelledData {
  type: BlockJobType;
  device: string;
  len: Int64;
  offset: Int64;
  speed: Int64;
}

/** Data of `BLOCK_JOB_ERROR`. */
export interface BlockJobErrorData {
  device: string;
  operation: IoOperationType;
  action: BlockErrorAction;
}

/** Data of `BLOCK_JOB_READY`. */
export interface BlockJobReadyData {
  type: BlockJobType;
  device: string;
  len: Int64;
  offset: Int64;
  speed: Int64;
}

/** Data of `BLOCK_WRITE_THRESHOLD`. */
export interface BlockWriteThresholdData {
  'node-name': string;
  'amount-exceeded': Uint64;
  'write-threshold': Uint64;
}

/** Data of `SHUTDOWN`. */
export interface ShutdownData {
  /** true if a guest asked for it. Always false here. (Since 2.10) */
  guest?: boolean;
}

/** Every command: what it takes and what it returns. */
export interface QmpCommands {
  /** Tells the version of the server. */
  'query-version': { arguments: EmptyObject; returns: VersionInfo };
  /** Lists the commands that can be given. */
  'query-commands': { arguments: EmptyObject; returns: CommandInfo[] };
  'query-block': { arguments: EmptyObject; returns: BlockInfo[] };
  'query-blockstats': { arguments: QueryBlockstatsArguments; returns: BlockStats[] };
  'query-block-jobs': { arguments: EmptyObject; returns: BlockJobInfo[] };
  block_passwd: { arguments: BlockPasswdArguments; returns: EmptyObject };
  block_resize: { arguments: BlockResizeArguments; returns: EmptyObject };
  'blockdev-snapshot-sync': { arguments: BlockdevSnapshot; returns: EmptyObject };
  'change-backing-file': { arguments: ChangeBackingFileArguments; returns: EmptyObject };
  'block-commit': { arguments: BlockCommitArguments; returns: EmptyObject };
  'drive-backup': { arguments: DriveBackup; returns: EmptyObject };
  'blockdev-backup': { arguments: BlockdevBackup; returns: EmptyObject };
  'query-named-block-nodes': { arguments: QueryNamedBlockNodesArguments; returns: BlockDeviceInfo[] };
  'drive-mirror': { arguments: DriveMirrorArguments; returns: EmptyObject };
  'block-dirty-bitmap-add': { arguments: BlockDirtyBitmapAdd; returns: EmptyObject };
  'block-dirty-bitmap-remove': { arguments: BlockDirtyBitmap; returns: EmptyObject };
  'block-dirty-bitmap-clear': { arguments: BlockDirtyBitmap; returns: EmptyObject };
  block_set_io_throttle: { arguments: BlockSetIoThrottleArguments; returns: EmptyObject };
  'block-stream': { arguments: BlockStreamArguments; returns: EmptyObject };
  'block-job-set-speed': { arguments: BlockJobSetSpeedArguments; returns: EmptyObject };
  'block-job-cancel': { arguments: BlockJobCancelArguments; returns: EmptyObject };
  'block-job-pause': { arguments: BlockJobPauseArguments; returns: EmptyObject };
  'block-job-resume': { arguments: BlockJobResumeArguments; returns: EmptyObject };
  'block-job-complete': { arguments: BlockJobCompleteArguments; returns: EmptyObject };
  'blockdev-add': { arguments: BlockdevAddArguments; returns: EmptyObject };
  'block-set-write-threshold': { arguments: BlockSetWriteThresholdArguments; returns: EmptyObject };
  /** Takes a node out of the graph that `blockdev-add` put in. Refused while it is in use. */
  'blockdev-del': { arguments: BlockdevDelArguments; returns: EmptyObject };
  /** Starts the NBD server. There is one; it has to be stopped before it can be started elsewhere. */
  'nbd-server-start': { arguments: NbdServerStartArguments; returns: EmptyObject };
  /** Gives out a device over the running NBD server. The name is the device's own unless one is given. */
  'nbd-server-add': { arguments: NbdServerAddOptions; returns: EmptyObject };
  /** Withdraws an export by its name. */
  'nbd-server-remove': { arguments: NbdServerRemoveArguments; returns: EmptyObject };
  /** Disconnects all clients, withdraws all exports and stops listening. */
  'nbd-server-stop': { arguments: EmptyObject; returns: EmptyObject };
  /** Ends negotiation; before it no other command is taken. */
  qmp_capabilities: { arguments: QmpCapabilitiesArguments; returns: EmptyObject };
  /** Flushes everything, closes it and ends the process. */
  quit: { arguments: EmptyObject; returns: EmptyObject };
  /** Lists the events that can come. */
  'query-events': { arguments: EmptyObject; returns: EventInfo[] };
  /** Describes all commands and events with the types that they use. */
  'query-qmp-schema': { arguments: EmptyObject; returns: SchemaInfo[] };
}

/** Every event: the type of its data. */
export interface QmpEvents {
  BLOCK_IMAGE_CORRUPTED: BlockImageCorruptedData;
  BLOCK_IO_ERROR: BlockIoErrorData;
  BLOCK_JOB_COMPLETED: BlockJobCompletedData;
  BLOCK_JOB_CANCELLED: BlockJobCancelledData;
  BLOCK_JOB_ERROR: BlockJobErrorData;
  BLOCK_JOB_READY: BlockJobReadyData;
  BLOCK_WRITE_THRESHOLD: BlockWriteThresholdData;
  /** The server is about to end. */
  SHUTDOWN: ShutdownData;
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
  BlockdevOptionsNbd: BlockdevOptionsNbd;
  Qcow2CompressionType: Qcow2CompressionType;
  Qcow2BitmapInfoFlags: Qcow2BitmapInfoFlags;
  Qcow2BitmapInfo: Qcow2BitmapInfo;
  MapEntry: MapEntry;
  NbdServerOptions: NbdServerOptions;
  BlockExportOptionsNbdBase: BlockExportOptionsNbdBase;
  BlockExportOptionsNbd: BlockExportOptionsNbd;
  NbdServerAddOptions: NbdServerAddOptions;
  BlockExportRemoveMode: BlockExportRemoveMode;
  BlockExportType: BlockExportType;
  BlockExportOptionsBase: BlockExportOptionsBase;
  BlockExportOptions: BlockExportOptions;
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
}
