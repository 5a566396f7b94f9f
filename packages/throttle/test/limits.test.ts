import { describe, expect, it } from 'vitest';
import { defectOf, isLimiting, METERS, UNLIMITED, type LimitName } from '../src/index.js';

const RANGE = 'bps/iops/max values must be within [0, 1000000000000000]';
const MIXED = 'bps/iops/max total values and read/write values cannot be used at the same time';
const LONG = 'burst length too high for this burst rate';
const NEEDS_RATE = 'bps_max/iops_max require corresponding bps/iops values';

// Each with what QEMU 7.2 answered to the same values.
const CASES: readonly [Partial<Record<LimitName, number>>, string | undefined][] = [
  [{}, undefined],
  [{ 'bps-total': 1, 'bps-read': 1 }, MIXED],
  [{ 'bps-total': 1, 'bps-write': 1 }, MIXED],
  [{ 'iops-total': 1, 'iops-write': 2 }, MIXED],
  [{ 'bps-total': 5, 'bps-total-max': 6, 'bps-read-max': 7 }, MIXED],
  [{ 'bps-total': 1, 'iops-read': 1, 'iops-write': 7 }, undefined],
  [{ 'bps-total': -1, 'bps-read': 1 }, MIXED],
  [{ 'bps-total': -1, 'iops-size': 4 }, 'iops size requires an iops value to be set'],
  [{ 'bps-total': 10, 'bps-total-max': 5, 'iops-size': 4 }, 'iops size requires an iops value to be set'],
  [{ 'iops-read': 10, 'iops-size': 4 }, undefined],
  [{ 'bps-total': -1 }, RANGE],
  [{ 'bps-total': 1e15 }, undefined],
  [{ 'bps-total': 1e15 + 1 }, RANGE],
  [{ 'iops-read': 1e16 }, RANGE],
  [{ 'bps-total-max': -1 }, RANGE],
  [{ 'bps-total': 1e15, 'bps-total-max': 1e15 + 1 }, RANGE],
  [{ 'bps-total-max-length': 0 }, 'the burst length cannot be 0'],
  [{ 'bps-total': 10, 'bps-total-max': 5, 'bps-total-max-length': 0 }, 'the burst length cannot be 0'],
  [{ 'iops-read-max-length': 1 }, undefined],
  [{ 'iops-total': 10, 'iops-read-max-length': 2 }, 'burst length set without burst rate'],
  [{ 'iops-total': 10, 'iops-total-max-length': -1 }, 'burst length set without burst rate'],
  [{ 'bps-total': 10, 'bps-total-max': 20, 'bps-total-max-length': -1 }, LONG],
  [{ 'bps-total': 10, 'bps-total-max': 1e15, 'bps-total-max-length': 2 }, LONG],
  [{ 'bps-total': 10, 'bps-total-max': 1e15, 'bps-total-max-length': 1 }, undefined],
  [{ 'bps-total': 10, 'bps-total-max': 1000, 'bps-total-max-length': 1e12 }, undefined],
  [{ 'bps-total': 10, 'bps-total-max': 1001, 'bps-total-max-length': 1e12 }, LONG],
  [{ 'bps-total': 10, 'bps-total-max': 5, 'bps-total-max-length': 2 ** 62 }, LONG],
  [{ 'bps-total-max': 5 }, NEEDS_RATE],
  [{ 'bps-total-max': 5, 'bps-read': 5 }, NEEDS_RATE],
  [{ 'bps-total-max': 5, 'iops-total': -1 }, NEEDS_RATE],
  [{ 'bps-total': 2, 'bps-total-max': 1, 'iops-total-max': 5 }, 'bps_max/iops_max cannot be lower than bps/iops'],
  [{ 'bps-total': 10, 'bps-total-max': 10 }, undefined],
];

describe('limits', () => {
  it.each(CASES)('%j: %s', (some, defect) => {
    expect(defectOf({ ...UNLIMITED, ...some })).toBe(defect);
  });

  it('limit something when any of the six does', () => {
    expect(isLimiting(UNLIMITED)).toBe(false);
    for (const name of METERS) expect(isLimiting({ ...UNLIMITED, [name]: 1 })).toBe(true);
    expect(Object.keys(UNLIMITED)).toHaveLength(19);
  });
});
