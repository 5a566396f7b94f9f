/** Feature bits: the ones with a name, those this package handles, and the refusal of the rest by name. */
import { qcow2Error } from './errors.js';
import { Incompatible } from './feature-bits.js';

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

const HANDLED =
  Incompatible.Dirty | Incompatible.Corrupt | Incompatible.DataFile | Incompatible.CompressionType | Incompatible.ExtendedL2;

/**
 * Refuses an image with incompatible features that this package does not handle. The specification's own features go by
 * their names; others by those of the image's table, or by their bits where it has none.
 */
export function checkFeatures(incompatible: bigint, names: readonly FeatureName[], compressionType: number): void {
  const known = Object.values(Incompatible).reduce((all, bit) => all | bit, 0n);
  const unknown = incompatible & ~known;
  const typeBit = (incompatible & Incompatible.CompressionType) !== 0n;
  if (compressionType > 1) {
    throw qcow2Error({ what: 'compression-type', text: `qcow2: unknown compression type: ${compressionType}` });
  }
  if (typeBit !== (compressionType !== 0)) {
    const must = typeBit ? 'must not' : 'must';
    throw qcow2Error({ what: 'compression-type', text: `qcow2: Compression type incompatible feature bit ${must} be set` });
  }
  if (unknown !== 0n) throw qcow2Error({ what: 'features', names: namesOf(unknown, names) });
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
