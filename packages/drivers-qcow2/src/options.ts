/** Options of `open`: their table, and what they come to for one image. */
import type { ImagePolicy, OptionTable } from '@blk/core-graph';
import { argumentError } from './errors.js';
import type { Header } from './header.js';
import { Compatible } from './feature-bits.js';
import { OVERLAP_TEMPLATES, type Structure } from './overlap.js';

/** Options as checked by the graph. */
export interface RawOptions {
  readonly file?: unknown;
  readonly 'data-file'?: unknown;
  readonly 'lazy-refcounts'?: boolean;
  readonly 'pass-discard-request'?: boolean;
  readonly 'pass-discard-snapshot'?: boolean;
  readonly 'pass-discard-other'?: boolean;
  /** `encrypt.format` and `encrypt.key-secret`. */
  readonly encrypt?: unknown;
  readonly 'overlap-check'?: unknown;
  readonly 'cache-size'?: number;
  readonly 'l2-cache-size'?: number;
  readonly 'l2-cache-entry-size'?: number;
  readonly 'refcount-cache-size'?: number;
  readonly 'cache-clean-interval'?: number;
}

export const OPTION_TABLE: OptionTable = {
  'lazy-refcounts': { type: 'bool' },
  'pass-discard-request': { type: 'bool' },
  'pass-discard-snapshot': { type: 'bool' },
  'pass-discard-other': { type: 'bool' },
  encrypt: { type: 'any' },
  'overlap-check': { type: 'any' },
  'cache-size': { type: 'size' },
  'l2-cache-size': { type: 'size' },
  'l2-cache-entry-size': { type: 'size' },
  'refcount-cache-size': { type: 'size' },
  'cache-clean-interval': { type: 'uint' },
};

/** What one open image goes by. */
export interface Qcow2Options {
  readonly lazyRefcounts: boolean;
  readonly discardRequests: boolean;
  readonly discardSnapshots: boolean;
  readonly discardOther: boolean;
  readonly guarded: ReadonlySet<Structure>;
  /** Most tables in the caches. */
  readonly l2CacheTables: number;
  readonly refcountCacheTables: number;
  /** Bytes that bitmaps may take in memory. */
  readonly maxBitmapBytes: number;
}

const MIB = 1024 * 1024;
/** L2 tables for 256 GiB with clusters of 64 KiB. */
const L2_CACHE_BYTES = 32 * MIB;
const REFCOUNT_CACHE_BYTES = MIB;
const MIN_L2_TABLES = 4;
const MIN_REFCOUNT_TABLES = 4;

/** `discard`: whether the node hands discards to the host (`discard=unmap`). */
export function resolveOptions(raw: RawOptions, header: Header, policy: ImagePolicy, discard: boolean): Qcow2Options {
  const lazy = raw['lazy-refcounts'];
  if (lazy === true && header.geometry.version === 2) {
    throw argumentError('Lazy refcounts require a qcow2 image with at least qemu 1.1 compatibility level');
  }
  if ((raw['cache-clean-interval'] ?? 0) > 0xffff_ffff) throw argumentError('Cache clean interval too big');
  checkEntrySize(raw['l2-cache-entry-size'], header.geometry.clusterSize);
  return {
    lazyRefcounts: lazy ?? (header.compatible & Compatible.LazyRefcounts) !== 0n,
    discardRequests: raw['pass-discard-request'] ?? discard,
    discardSnapshots: raw['pass-discard-snapshot'] ?? true,
    discardOther: raw['pass-discard-other'] ?? false,
    guarded: guardedStructures(raw['overlap-check']),
    maxBitmapBytes: policy.maxMetadataBytes,
    ...cacheTables(raw, header, policy),
  };
}

function cacheTables(
  raw: RawOptions,
  header: Header,
  policy: ImagePolicy,
): Pick<Qcow2Options, 'l2CacheTables' | 'refcountCacheTables'> {
  const { clusterSize } = header.geometry;
  const whole = raw['cache-size'];
  let l2 = raw['l2-cache-size'];
  let refcount = raw['refcount-cache-size'];
  if (whole !== undefined) {
    if (l2 !== undefined && refcount !== undefined) {
      throw argumentError('cache-size, l2-cache-size and refcount-cache-size may not be set at the same time');
    }
    if (l2 !== undefined && l2 > whole) throw argumentError('l2-cache-size may not exceed cache-size');
    if (refcount !== undefined && refcount > whole) throw argumentError('refcount-cache-size may not exceed cache-size');
    // One refcount serves where one L2 entry does, and is smaller; most of the room is better spent on L2 tables.
    if (l2 !== undefined) refcount = whole - l2;
    else if (refcount !== undefined) l2 = whole - refcount;
    else {
      l2 = Math.max(whole - MIN_REFCOUNT_TABLES * clusterSize, whole / 2);
      refcount = whole - l2;
    }
  }
  const cap = Math.max(MIN_L2_TABLES, Math.floor(policy.maxMetadataBytes / clusterSize / 2));
  const l2Tables = Math.min(Math.floor((l2 ?? L2_CACHE_BYTES) / clusterSize), cap);
  const refcountTables = Math.min(Math.floor((refcount ?? REFCOUNT_CACHE_BYTES) / clusterSize), cap);
  return {
    l2CacheTables: Math.max(MIN_L2_TABLES, l2Tables),
    refcountCacheTables: Math.max(MIN_REFCOUNT_TABLES, refcountTables),
  };
}

function checkEntrySize(size: number | undefined, clusterSize: number): void {
  if (size === undefined) return;
  if (size < 512 || size > clusterSize || !Number.isInteger(Math.log2(size))) {
    throw argumentError(`L2 cache entry size must be a power of two between 512 and the cluster size (${clusterSize})`);
  }
}

const STRUCTURES: readonly Structure[] = [
  'main-header', 'active-l1', 'active-l2', 'refcount-table', 'refcount-block', 'snapshot-table', 'inactive-l1',
  'inactive-l2', 'bitmap-directory',
];

/** From a template's name, or from flags on top of a template. */
function guardedStructures(value: unknown): ReadonlySet<Structure> {
  if (typeof value !== 'object' || value === null) return new Set(templateOf(value ?? 'cached'));
  const flags = value as Record<string, unknown>;
  const guarded = new Set<Structure>(templateOf(flags['template'] ?? 'cached'));
  for (const [name, on] of Object.entries(flags)) {
    if (name === 'template' || on === undefined || on === null) continue;
    const structure = STRUCTURES.find((known) => known === name);
    if (structure === undefined) {
      throw argumentError(`Block format 'qcow2' does not support the option 'overlap-check.${name}'`);
    }
    if (on === true || on === 'on') guarded.add(structure);
    else if (on === false || on === 'off') guarded.delete(structure);
    else throw argumentError(`Parameter 'overlap-check.${name}' expects 'on' or 'off'`);
  }
  return guarded;
}

function templateOf(name: unknown): readonly Structure[] {
  if (typeof name === 'string' && Object.hasOwn(OVERLAP_TEMPLATES, name)) {
    return OVERLAP_TEMPLATES[name as keyof typeof OVERLAP_TEMPLATES];
  }
  throw argumentError(
    `Unsupported value '${String(name)}' for qcow2 option 'overlap-check'. Allowed are any of the following: ` +
      'none, constant, cached, all',
  );
}
