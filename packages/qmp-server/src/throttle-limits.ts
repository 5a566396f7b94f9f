/** Limits of I/O between their names: those of `block_set_io_throttle` and `query-block`, and those of `throttle-group`. */
import type { BlockDeviceInfo, ThrottleGroupProperties } from '@blk/qapi-types';
import { toSafeInteger } from '@blk/qapi-types';
import { genericError } from './errors.js';
import { METERS, UNLIMITED, type LimitName, type MeterName, type ThrottleGroup, type ThrottleLimits } from '@blk/throttle';

const SHORT = {
  'bps-total': 'bps',
  'bps-read': 'bps_rd',
  'bps-write': 'bps_wr',
  'iops-total': 'iops',
  'iops-read': 'iops_rd',
  'iops-write': 'iops_wr',
} as const satisfies Record<MeterName, string>;

type Short = (typeof SHORT)[MeterName];

/** The names of `block_set_io_throttle`. */
type ShortName = Short | `${Short}_max` | `${Short}_max_length` | 'iops_size';

type Given = { readonly [N in ShortName]?: number | bigint | undefined };

/** Each limit's short name and long name, in the order of the schema. */
export const LIMIT_NAMES: readonly (readonly [ShortName, LimitName])[] = [
  ...METERS.map((name) => [SHORT[name], name] as const),
  ...METERS.map((name) => [`${SHORT[name]}_max`, `${name}-max`] as const),
  ...METERS.map((name) => [`${SHORT[name]}_max_length`, `${name}-max-length`] as const),
  ['iops_size', 'iops-size'],
];

/** Limits by their short names; those that are not given stand for no limit. Throws where one is no safe integer. */
export function limitsOf(given: Given): ThrottleLimits {
  const limits: Record<LimitName, number> = { ...UNLIMITED };
  for (const [short, long] of LIMIT_NAMES) {
    const value = given[short];
    if (value !== undefined) limits[long] = isCounted(long) ? toSafeInteger(value, short) : Number(value);
  }
  return limits;
}

/** The longest burst that an object takes, in seconds. */
const MAX_LENGTH = 2 ** 32 - 1;

/** Limits as an object's properties give them; those that they do not name are as `before`. Throws where one is out of its range. */
export function limitsOfProperties(properties: ThrottleGroupProperties, before: ThrottleLimits = UNLIMITED): ThrottleLimits {
  const limits: Record<LimitName, number> = { ...before };
  const { limits: given = {} } = properties;
  for (const [, name] of LIMIT_NAMES) {
    const value = given[name] ?? properties[`x-${name}`];
    if (value === undefined) continue;
    if (name.endsWith('-length') && value > MAX_LENGTH) throw genericError(`${name} value must be in the range [0, ${MAX_LENGTH}]`);
    limits[name] = isCounted(name) ? toSafeInteger(value, name) : Number(value);
  }
  return limits;
}

/** Rates have a limit of their own, whose words are kept for values that are no safe integers too. */
function isCounted(name: LimitName): boolean {
  return name === 'iops-size' || name.endsWith('-length');
}

/** The members of `BlockDeviceInfo` that tell the limits; those without a value are left out as QEMU leaves them out. */
export function limitInfo(group: ThrottleGroup | undefined): Pick<BlockDeviceInfo, Short> & Partial<BlockDeviceInfo> {
  const limits = group?.limits ?? UNLIMITED;
  const rates = Object.fromEntries(METERS.map((name) => [SHORT[name], limits[name]])) as Record<Short, number>;
  if (group === undefined) return rates;
  const others: Partial<Record<ShortName, number>> = {};
  for (const name of METERS) {
    if (limits[`${name}-max`] === 0) continue;
    others[`${SHORT[name]}_max`] = limits[`${name}-max`];
    others[`${SHORT[name]}_max_length`] = limits[`${name}-max-length`];
  }
  if (limits['iops-size'] !== 0) others.iops_size = limits['iops-size'];
  return { ...rates, ...others, group: group.name };
}
