/** Feature bits: the ones with a name, those this package handles, and the refusal of the rest by name. */
import { qcow2Error } from './errors.js';

export const Incompatible = {
  Dirty: 1n << 0n,
  Corrupt: 1n << 1n,
  DataFile: 1n << 2n,
  CompressionType: 1n << 3n,
  ExtendedL2: 1n << 4n,
} as const;

export const Autoclear = { Bitmaps: 1n << 0n, RawDataFile: 1n << 1n } as const;

export const Compatible = { LazyRefcounts: 1n << 0n } as const;

export interface FeatureName {
  /** 0 incompatible, 1 compatible, 2 autoclear. */
  readonly type: number;
  readonly bit: number;
  readonly name: string;
}

/** The table that new images carry, so that older programs can name what they refuse. */
export const FEATURE_NAMES: readonly FeatureName[] = [
  { type: 0, bit: 0, name: 'dirty bit' },
  { type: 0, bit: 1, name: 'corrupt bit' },
  { type: 0, bit: 2, name: 'external data file' },
  { type: 0, bit: 3, name: 'compression type' },
  { type: 0, bit: 4, name: 'extended L2 entries' },
  { type: 1, bit: 0, name: 'lazy refcounts' },
  { type: 2, bit: 0, name: 'bitmaps' },
  { type: 2, bit: 1, name: 'raw external data' },
];

const HANDLED = Incompatible.Dirty | Incompatible.Corrupt | Incompatible.CompressionType;

/**
 * Refuses an image with incompatible features that this package does not handle. The specification's own features go by
 * their names; others by those of the image's table, or by their bits where it has none.
 */
export function checkFeatures(incompatible: bigint, names: readonly FeatureName[], compressionType: number): void {
  const known = Object.values(Incompatible).reduce((all, bit) => all | bit, 0n);
  const unknown = incompatible & ~known;
  if (unknown !== 0n) throw qcow2Error({ what: 'features', names: namesOf(unknown, names) });
  const typeBit = (incompatible & Incompatible.CompressionType) !== 0n;
  if (typeBit !== (compressionType !== 0)) {
    const must = typeBit ? 'must not' : 'must';
    throw qcow2Error({ what: 'compression-type', text: `qcow2: Compression type incompatible feature bit ${must} be set` });
  }
  if (compressionType > 1) {
    throw qcow2Error({ what: 'compression-type', text: `qcow2: unknown compression type: ${compressionType}` });
  }
  const missing = incompatible & ~HANDLED;
  if (missing === 0n) return;
  const name = FEATURE_NAMES.find((entry) => entry.type === 0 && (missing & (1n << BigInt(entry.bit))) !== 0n);
  throw qcow2Error({ what: 'not-supported', feature: `feature '${name?.name ?? missing.toString(16)}'` });
}

function namesOf(bits: bigint, table: readonly FeatureName[]): string[] {
  const names: string[] = [];
  let rest = bits;
  for (const { type, bit, name } of table) {
    if (type !== 0 || bit > 63 || (rest & (1n << BigInt(bit))) === 0n) continue;
    names.push(name);
    rest &= ~(1n << BigInt(bit));
  }
  if (rest !== 0n) names.push(`Unknown incompatible feature: ${rest.toString(16)}`);
  return names;
}
