/** Images and requests that make the formats raise their events. */
import type { DebugEvent, Definition } from '@blk/core-graph';
import type { Request } from './requests.js';

export interface EventCase {
  readonly title: string;
  readonly format: string;
  readonly create?: Readonly<Record<string, string | number | boolean>>;
  /** Format of the backing file, which has data in all of its 4 MiB. */
  readonly backing?: string;
  /** What qemu-img does with the image before. */
  readonly setUp?: readonly (readonly string[])[];
  /** Options of blkdebug. */
  readonly debug?: Definition;
  readonly requests: readonly Request[];
  /** Those that ours or the reference raises. */
  readonly events: readonly DebugEvent[];
  /** Why one of them comes by another request, or not at all on one side. */
  readonly differs?: Readonly<Partial<Record<DebugEvent, string>>>;
}

const KIB = 1024;
const MIB = KIB * KIB;

/** 64 KiB at 64 KiB are there. */
const ALL: readonly Request[] = [
  ['read', 64 * KIB, 512],
  ['write', 64 * KIB, 512],
  ['read', 3 * MIB, 512],
  ['read', 7 * MIB, 512],
  ['write', MIB, 64 * KIB],
  ['write', 2 * MIB, 512],
  ['zero', 64 * KIB + 4096, 4096],
  ['zero', 5 * MIB, 64 * KIB],
  ['write', 5 * MIB + 4096, 512],
  ['zero', 3 * MIB, 64 * KIB],
  ['zero', MIB, 64 * KIB],
  ['discard', 2 * MIB, 64 * KIB],
  ['flush', 0, 0],
  ['truncate', 16 * MIB, 0],
];
const packed = (length: number): readonly Request[] => [['pack', 6 * MIB, length], ['read', 6 * MIB, 512], ['write', 6 * MIB, 512]];

const CHANGED = ['flush_to_os', 'flush_to_disk', 'pwritev', 'pwritev_done'] as const satisfies readonly DebugEvent[];
const NODE = [...CHANGED, 'pwritev_zero'] as const;
const ZERO = { pwritev_zero: 'zeroes go to where a cluster lies as such; the reference writes bytes' };
const NO_ZERO = { pwritev_zero: 'a file that grows has zeroes there already; the reference writes them' };

export const CASES: readonly EventCase[] = [
  { title: 'raw', format: 'raw', requests: ALL, events: [...NODE, 'read_aio', 'write_aio'] },
  {
    title: 'raw in blocks of 4096 bytes',
    format: 'raw',
    debug: { align: 4096 },
    requests: [['write', 4096, 8192], ['write', 8192, 512], ['write', 8192 + 3584, 512], ['write', 16_384 + 512, 512]],
    events: [
      ...CHANGED, 'write_aio', 'read_aio', 'pwritev_rmw_head', 'pwritev_rmw_after_head', 'pwritev_rmw_tail', 'pwritev_rmw_after_tail',
    ],
  },
  {
    title: 'qcow2',
    format: 'qcow2',
    requests: [...ALL, ...packed(64 * KIB)],
    events: [
      ...NODE, 'l2_load', 'l2_update', 'l2_update_compressed', 'read_aio', 'read_compressed', 'write_aio', 'write_compressed', 'cow_read', 'cow_write',
      'reftable_load', 'refblock_load', 'refblock_update_part', 'refblock_alloc', 'cluster_alloc', 'cluster_alloc_bytes', 'cluster_free',
    ],
    differs: NO_ZERO,
  },
  {
    title: 'qcow2 with a backing file',
    format: 'qcow2',
    backing: 'raw',
    requests: [...ALL, ...packed(64 * KIB)],
    events: [
      ...NODE, 'l2_load', 'l2_update', 'l2_update_compressed', 'read_aio', 'read_backing_aio', 'read_compressed', 'write_aio', 'write_compressed', 'cow_read', 'cow_write',
      'reftable_load', 'refblock_load', 'refblock_update_part', 'refblock_alloc', 'cluster_alloc', 'cluster_alloc_bytes', 'cluster_free',
    ],
    differs: NO_ZERO,
  },
  {
    title: 'qcow2 of small clusters',
    format: 'qcow2',
    create: { cluster_size: 512, refcount_bits: 64 },
    // A block of counts has 32 KiB of the file, the first cluster of their table 2 MiB.
    requests: [['write', MIB, 64 * KIB], ['write', 2 * MIB, 512 * KIB], ['truncate', 64 * MIB, 0], ['discard', 2 * MIB, 64 * KIB], ['write', 4 * MIB, 2 * MIB]],
    events: [
      ...CHANGED, 'l1_update', 'l1_grow_alloc_table', 'l1_grow_write_table', 'l1_grow_activate_table', 'l2_load', 'l2_update', 'l2_alloc_write', 'read_aio', 'write_aio',
      'refblock_load', 'refblock_update_part', 'refblock_alloc', 'refblock_alloc_hookup', 'refblock_alloc_write', 'refblock_alloc_write_blocks', 'refblock_alloc_write_table',
      'refblock_alloc_switch_table', 'cluster_alloc', 'cluster_free', 'reftable_grow', 'reftable_update', 'refblock_update', 'reftable_load',
    ],
    differs: {
      reftable_update: 'comes with refblock_alloc_hookup; the reference tells of it nowhere here',
      refblock_update: 'comes where a whole block is written; the reference tells of parts alone',
    },
  },
  {
    title: 'qcow2 with a snapshot',
    format: 'qcow2',
    setUp: [['snapshot', '-c', 's']],
    requests: [['write', 64 * KIB, 512], ['discard', 64 * KIB, 64 * KIB], ['write', MIB, 64 * KIB]],
    events: [
      ...CHANGED, 'l2_load', 'l2_update', 'l2_alloc_cow_read', 'l2_alloc_write', 'l1_update', 'read_aio', 'write_aio', 'cow_read', 'cow_write', 'reftable_load', 'refblock_load',
      'refblock_update_part', 'refblock_alloc', 'cluster_alloc', 'cluster_free',
    ],
  },
  {
    title: 'qcow',
    format: 'qcow',
    requests: [...ALL, ...packed(4 * KIB)],
    events: [...NODE, 'l1_update', 'l2_load', 'l2_update', 'l2_update_compressed', 'read_aio', 'read_compressed', 'write_aio', 'write_compressed', 'cluster_alloc'],
    differs: ZERO,
  },
  {
    title: 'qcow with a backing file',
    format: 'qcow',
    backing: 'raw',
    requests: ALL,
    events: [...NODE, 'l1_update', 'l2_load', 'l2_update', 'read_aio', 'read_backing_aio', 'write_aio', 'cluster_alloc'],
    differs: ZERO,
  },
  {
    title: 'qed',
    format: 'qed',
    create: { cluster_size: 4096, table_size: 2 },
    requests: ALL,
    events: [...NODE, 'l1_update', 'l2_load', 'l2_update', 'read_aio', 'write_aio', 'cow_write'],
    differs: { ...ZERO, l1_update: 'zeroes where nothing is need no table; the reference makes one' },
  },
  {
    title: 'qed with a backing file',
    format: 'qed',
    backing: 'raw',
    requests: ALL,
    events: [...NODE, 'l2_load', 'l2_update', 'read_aio', 'read_backing_aio', 'write_aio', 'cow_write'],
    differs: ZERO,
  },
  {
    title: 'vmdk',
    format: 'vmdk',
    requests: ALL,
    events: [...NODE, 'l2_load', 'l2_update', 'read_aio', 'write_aio', 'cow_write'],
    differs: { ...ZERO, l2_load: 'a table that can not be read fails the request; the reference reads zeroes' },
  },
  {
    title: 'vmdk with a backing file',
    format: 'vmdk',
    backing: 'vmdk',
    requests: ALL,
    events: [...NODE, 'l2_load', 'l2_update', 'read_aio', 'read_backing_aio', 'write_aio', 'cow_read', 'cow_write'],
    differs: { ...ZERO, l2_load: 'a table that can not be read fails the request; the reference reads zeroes' },
  },
  {
    title: 'vmdk of compressed grains',
    format: 'vmdk',
    create: { subformat: 'streamOptimized' },
    requests: [['read', 64 * KIB, 512], ['read', MIB, 512], ['write', MIB, 64 * KIB], ['write', 2 * MIB, 512], ['pack', 3 * MIB, 64 * KIB]],
    events: [...CHANGED, 'l2_load', 'l2_update', 'read_compressed', 'write_compressed', 'cow_write'],
    differs: {
      l2_load: 'a table that can not be read fails the request; the reference reads zeroes',
      flush_to_os: 'what was read ahead is not read again',
    },
  },
  { title: 'vdi', format: 'vdi', requests: ALL, events: NODE, differs: ZERO },
  { title: 'vpc', format: 'vpc', create: { force_size: true }, requests: ALL, events: NODE, differs: ZERO },
  { title: 'vhdx', format: 'vhdx', create: { block_size: MIB }, requests: ALL, events: NODE, differs: ZERO },
  {
    title: 'parallels',
    format: 'parallels',
    requests: ALL,
    events: NODE,
    differs: { ...ZERO, pwritev: 'the image is marked as being in use by the first change; the reference does so when it opens it', pwritev_done: 'the same' },
  },
];

/** What a format raises while it is written to at random. */
export const RAISED: Readonly<Record<string, readonly DebugEvent[]>> = {
  raw: [...NODE, 'read_aio', 'write_aio'],
  qcow2: [
    ...CHANGED, 'l1_update', 'l1_grow_alloc_table', 'l1_grow_write_table', 'l1_grow_activate_table', 'l2_load', 'l2_update', 'l2_update_compressed', 'l2_alloc_write', 'read_aio',
    'read_compressed', 'write_aio', 'write_compressed', 'vmstate_load', 'vmstate_save', 'cow_read', 'cow_write', 'reftable_load', 'reftable_update', 'refblock_load', 'refblock_update',
    'refblock_update_part', 'refblock_alloc', 'refblock_alloc_hookup', 'refblock_alloc_write', 'cluster_alloc', 'cluster_alloc_bytes', 'cluster_free',
  ],
  qcow: [...NODE, 'l1_update', 'l2_load', 'l2_update', 'l2_update_compressed', 'read_aio', 'read_compressed', 'write_aio', 'write_compressed', 'cluster_alloc'],
  qed: [...NODE, 'l1_update', 'l2_load', 'l2_update', 'read_aio', 'write_aio', 'cow_write'],
  vmdk: [...NODE, 'l2_load', 'l2_update', 'read_aio', 'write_aio', 'cow_write'],
  vdi: NODE,
  vpc: NODE,
  vhdx: NODE,
  parallels: NODE,
};
