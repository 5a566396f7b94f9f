/**
 * Which host clusters hold metadata, so that no write of data or of another table lands on them.
 *
 * A filter of bits answers almost every question with one look: a bit that is not set means no metadata there.
 */
import type { Geometry } from './format.js';

/** Parts of an image that can be guarded; the names are those of QEMU's option `overlap-check`. */
export type Structure =
  | 'main-header'
  | 'active-l1'
  | 'active-l2'
  | 'refcount-table'
  | 'refcount-block'
  | 'snapshot-table'
  | 'inactive-l1'
  | 'inactive-l2'
  | 'bitmap-directory';

export const OVERLAP_TEMPLATES = {
  none: [],
  constant: ['main-header', 'active-l1', 'refcount-table', 'snapshot-table', 'bitmap-directory'],
  cached: [
    'main-header', 'active-l1', 'active-l2', 'refcount-table', 'refcount-block', 'snapshot-table', 'inactive-l1',
    'bitmap-directory',
  ],
  all: [
    'main-header', 'active-l1', 'active-l2', 'refcount-table', 'refcount-block', 'snapshot-table', 'inactive-l1',
    'inactive-l2', 'bitmap-directory',
  ],
} as const satisfies Record<string, readonly Structure[]>;

/** As they are called in messages; where several lie in one cluster, the first of them is named. */
const TITLES: Record<Structure, string> = {
  'main-header': 'qcow2_header',
  'active-l1': 'active L1 table',
  'active-l2': 'active L2 table',
  'refcount-table': 'refcount table',
  'refcount-block': 'refcount block',
  'snapshot-table': 'snapshot table',
  'inactive-l1': 'inactive L1 table',
  'inactive-l2': 'inactive L2 table',
  'bitmap-directory': 'bitmap directory',
};

const ORDER = Object.keys(TITLES) as Structure[];

function bitOf(structure: Structure): number {
  return 1 << ORDER.indexOf(structure);
}

const FILTER_BYTES = 65536;

export class MetadataMap {
  /** A bit for each structure that a cluster holds, in the order of `ORDER`. */
  readonly #clusters = new Map<number, number>();
  readonly #filter = new Uint8Array(FILTER_BYTES);

  constructor(
    private readonly geometry: Geometry,
    private readonly guarded: ReadonlySet<Structure>,
  ) {}

  guards(structure: Structure): boolean {
    return this.guarded.has(structure);
  }

  /** Notes that `[offset, offset + length)` of the file holds `structure`. */
  add(structure: Structure, offset: number, length: number): void {
    if (!this.guarded.has(structure)) return;
    const { clusterSize } = this.geometry;
    const bit = bitOf(structure);
    const end = Math.ceil((offset + length) / clusterSize);
    for (let cluster = Math.floor(offset / clusterSize); cluster < end; cluster++) {
      this.#clusters.set(cluster, (this.#clusters.get(cluster) ?? 0) | bit);
      this.#filter[(cluster >>> 3) & (FILTER_BYTES - 1)] |= 1 << (cluster & 7);
    }
  }

  /** The range does not hold `structure` any more; left out: no metadata at all. */
  remove(offset: number, length: number, structure?: Structure): void {
    const { clusterSize } = this.geometry;
    const end = Math.ceil((offset + length) / clusterSize);
    for (let cluster = Math.floor(offset / clusterSize); cluster < end; cluster++) {
      const rest = structure === undefined ? 0 : (this.#clusters.get(cluster) ?? 0) & ~bitOf(structure);
      if (rest === 0) this.#clusters.delete(cluster);
      else this.#clusters.set(cluster, rest);
    }
  }

  has(cluster: number): boolean {
    if ((this.#filter[(cluster >>> 3) & (FILTER_BYTES - 1)] & (1 << (cluster & 7))) === 0) return false;
    return this.#clusters.has(cluster);
  }

  /** What a write to clusters `[first, first + count)` would hit, as messages call it; undefined: nothing. */
  hit(first: number, count: number): string | undefined {
    for (let cluster = first; cluster < first + count; cluster++) {
      const held = this.has(cluster) ? (this.#clusters.get(cluster) ?? 0) : 0;
      if (held !== 0) return TITLES[ORDER[31 - Math.clz32(held & -held)]];
    }
    return undefined;
  }
}
