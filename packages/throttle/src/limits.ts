/** Limits as people give them: names, defaults, and which of them go together. The wording of refusals is QEMU's. */

/** The six quantities that can be limited, in the order in which they are checked. */
export const METERS = ['bps-total', 'bps-read', 'bps-write', 'iops-total', 'iops-read', 'iops-write'] as const;

export type MeterName = (typeof METERS)[number];

/** `NAME`: units a second; `NAME-max`: units a second of a burst; `NAME-max-length`: seconds of a burst. */
export type LimitName = MeterName | `${MeterName}-max` | `${MeterName}-max-length` | 'iops-size';

/** All limits; 0 stands for none. The names are those of QEMU's `ThrottleLimits`. */
export type ThrottleLimits = Readonly<Record<LimitName, number>>;

/** Nothing is limited: every value 0, bursts a second long. */
export const UNLIMITED: ThrottleLimits = Object.freeze(
  Object.fromEntries([...METERS.flatMap((name) => [[name, 0], [`${name}-max`, 0], [`${name}-max-length`, 1]]), ['iops-size', 0]]),
) as ThrottleLimits;

/** The largest limit, and the largest burst in units. */
const MAX_VALUE = 1e15;

/** Whether anything is limited. */
export function isLimiting(limits: ThrottleLimits): boolean {
  return METERS.some((name) => limits[name] > 0);
}

/** What is wrong with the limits, or undefined. */
export function defectOf(limits: ThrottleLimits): string | undefined {
  if (['bps', 'iops'].some((unit) => totalAndSeparate(limits, unit as 'bps' | 'iops'))) {
    return 'bps/iops/max total values and read/write values cannot be used at the same time';
  }
  if (limits['iops-size'] !== 0 && limits['iops-total'] === 0 && limits['iops-read'] === 0 && limits['iops-write'] === 0) {
    return 'iops size requires an iops value to be set';
  }
  for (const name of METERS) {
    const defect = defectOfOne(limits[name], limits[`${name}-max`], limits[`${name}-max-length`]);
    if (defect !== undefined) return defect;
  }
  return undefined;
}

function totalAndSeparate(limits: ThrottleLimits, unit: 'bps' | 'iops'): boolean {
  return (['', '-max'] as const).some(
    (what) => limits[`${unit}-total${what}`] !== 0 && (limits[`${unit}-read${what}`] !== 0 || limits[`${unit}-write${what}`] !== 0),
  );
}

function defectOfOne(average: number, burst: number, seconds: number): string | undefined {
  if (!inRange(average) || !inRange(burst)) return `bps/iops/max values must be within [0, ${MAX_VALUE}]`;
  if (seconds === 0) return 'the burst length cannot be 0';
  if (seconds !== 1 && burst === 0) return 'burst length set without burst rate';
  if (seconds < 0 || (burst > 0 && seconds > MAX_VALUE / burst)) return 'burst length too high for this burst rate';
  if (burst > 0 && average === 0) return 'bps_max/iops_max require corresponding bps/iops values';
  if (burst > 0 && burst < average) return 'bps_max/iops_max cannot be lower than bps/iops';
  return undefined;
}

function inRange(value: number): boolean {
  return value >= 0 && value <= MAX_VALUE;
}
