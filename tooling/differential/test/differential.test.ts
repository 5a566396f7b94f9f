// A bounded part of the comparison, in every run of the tests; `npm run differential`, or BLK_DIFFERENTIAL=all, has all of it.
import { skipUnless } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { describeDifferences } from '../src/report.js';
import { runAll, unusedRules } from '../src/run-all.js';
import { allGroups, sample } from '../src/sets.js';

const EVERYTHING = process.env['BLK_DIFFERENTIAL'] === 'all';
const needs = skipUnless('qemu-img', 'qemu-io', 'qemu-nbd', 'nbdinfo');

describe.skipIf(needs.skip)(needs.title('the reference and ours, side by side'), () => {
  test('the same words, exit codes and content', { timeout: EVERYTHING ? 3_600_000 : 240_000 }, async () => {
    const result = await runAll(sample(allGroups(), EVERYTHING ? 1 : 15));
    expect(describeDifferences(result.differences)).toBe('');
    expect(unusedRules(result)).toEqual([]);
  });

  test('the built program, under the names of the tools, says what this process does', async () => {
    const result = await runAll(sample(allGroups(), 131, 4), { processes: true });
    expect(describeDifferences(result.differences)).toBe('');
  });
});
