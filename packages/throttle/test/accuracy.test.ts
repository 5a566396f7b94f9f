import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UNLIMITED, ThrottleGroup, ThrottleMember, type LimitName } from '../src/index.js';
import { SECOND, start, TestClock, type Done, type Load } from './support.js';

const KIB = 1024;

/** Ten seconds of load under limits. */
async function tenSeconds(limits: Partial<Record<LimitName, number>>, loads: readonly Load[]): Promise<{ done: Done[]; clock: TestClock }> {
  const clock = new TestClock();
  const group = new ThrottleGroup('g', clock);
  group.setLimits({ ...UNLIMITED, ...limits });
  const members = loads.map(() => new ThrottleMember());
  for (const member of members) member.join(group);
  const done = members.map((member, at) => start(member, clock, 10 * SECOND, loads[at]));
  await clock.run(10 * SECOND);
  // What still waits goes, so that nothing is left behind.
  for (const member of members) member.letThrough();
  expect(clock.pending).toBe(0);
  return { done, clock };
}

function within(actual: number, expected: number, tolerance: number): void {
  expect(Math.abs(actual / expected - 1), `${actual} instead of ${expected}`).toBeLessThanOrEqual(tolerance);
}

const sizes = fc.constantFrom(512, 4 * KIB, 64 * KIB, 100_000);
const depth = fc.integer({ min: 1, max: 16 });

/** A mix of sizes and directions, the same at every run of a seed. */
function mix(seed: number, choices: readonly number[], writes: number, count: number): Load {
  let state = seed;
  const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  return {
    depth: count,
    next: () => ({ direction: random() < writes ? 'write' : 'read', bytes: choices[Math.floor(random() * choices.length)] }),
  };
}

describe('ten seconds of load', () => {
  it('stay within 2 % of a limit of bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e9 }), fc.array(sizes, { minLength: 1, maxLength: 4 }), fc.double({ min: 0, max: 1, noNaN: true }), depth, fc.integer({ min: 2e6, max: 40e6 }), async (seed, choices, writes, count, bps) => {
        const { done: [{ read, written }] } = await tenSeconds({ 'bps-total': bps }, [mix(seed, choices, writes, count)]);
        within(read + written, bps * 10, 0.02);
      }),
      { seed: 1, numRuns: 25 },
    );
  });

  it('stay within 2 % of a limit of requests, large ones counted by their size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e9 }), sizes, depth, fc.integer({ min: 50, max: 3000 }), fc.constantFrom(0, 4096, 65536), async (seed, bytes, count, iops, unit) => {
        const { done: [{ requests }] } = await tenSeconds({ 'iops-total': iops, 'iops-size': unit }, [mix(seed, [bytes], 0.5, count)]);
        within(requests * (unit === 0 ? 1 : Math.max(1, bytes / unit)), iops * 10, 0.02 + (unit === 0 ? 0 : bytes / unit / iops / 10));
      }),
      { seed: 2, numRuns: 25 },
    );
  });

  it('keep reads and writes apart where their limits are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e9 }), depth, fc.integer({ min: 2e6, max: 20e6 }), fc.integer({ min: 2e6, max: 20e6 }), async (seed, count, reads, writes) => {
        const limits = { 'bps-read': reads, 'bps-write': writes };
        const { done } = await tenSeconds(limits, [mix(seed, [4 * KIB, 64 * KIB], 0, count), mix(seed, [64 * KIB], 1, count)]);
        within(done[0].read, reads * 10, 0.02);
        within(done[1].written, writes * 10, 0.02);
      }),
      { seed: 3, numRuns: 15 },
    );
  });

  it('allow a burst once, at its own rate, and the limit after it', async () => {
    // In the words of the documentation: the bucket holds 1000 x 3, and 100 leak a second, during the burst too.
    const limits = { 'iops-total': 100, 'iops-total-max': 1000, 'iops-total-max-length': 3 };
    const { done: [{ requests }] } = await tenSeconds(limits, [mix(1, [512], 0.5, 4)]);
    within(requests, 3000 + 10 * 100, 0.02);

    const clock = new TestClock();
    const group = new ThrottleGroup('g', clock);
    group.setLimits({ ...UNLIMITED, ...limits });
    const member = new ThrottleMember();
    member.join(group);
    const seen = start(member, clock, 10 * SECOND, mix(1, [512], 0.5, 4));
    await clock.run(2 * SECOND);
    within(seen.requests, 2000, 0.06);
    await clock.run(5 * SECOND);
    const before = seen.requests;
    await clock.run(8 * SECOND);
    within(seen.requests - before, 300, 0.02);
  });

  it('allow a burst of a second at once', async () => {
    const clock = new TestClock();
    const group = new ThrottleGroup('g', clock);
    group.setLimits({ ...UNLIMITED, 'iops-total': 100, 'iops-total-max': 2000 });
    const member = new ThrottleMember();
    member.join(group);
    const done = start(member, clock, 10 * SECOND, mix(1, [512], 0.5, 8));
    await clock.run(1);
    within(done.requests, 2000, 0.01);
    await clock.run(10 * SECOND);
    within(done.requests, 2000 + 1000, 0.02);
  });

  it('hold the tightest of several limits', async () => {
    const { done: [{ requests, read, written }] } = await tenSeconds({ 'bps-total': 10e6, 'iops-total': 100 }, [mix(3, [4 * KIB], 0.5, 8)]);
    within(requests, 1000, 0.02);
    expect(read + written).toBeLessThan(10e6);
  });
});

describe('members of a group', () => {
  it('get equal shares, to 5 %, whatever each asks for, and all of it together the limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(depth, fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 2, maxLength: 4 }), fc.integer({ min: 100, max: 2000 }), async (shapes, iops) => {
        const loads = shapes.map(([count, writes], at) => mix(at + 1, [4 * KIB], writes, count));
        const { done } = await tenSeconds({ 'iops-total': iops }, loads);
        within(done.reduce((sum, { requests }) => sum + requests, 0), iops * 10, 0.02);
        for (const { requests } of done) within(requests, (iops * 10) / shapes.length, 0.05);
      }),
      { seed: 4, numRuns: 25 },
    );
  });

  it('get equal shares of each direction where these are limited apart', async () => {
    const loads = [mix(1, [4096], 0.5, 16), mix(2, [4096], 0, 2), mix(3, [4096], 0, 9)];
    const { done } = await tenSeconds({ 'iops-read': 300, 'iops-write': 100 }, loads);
    // The first has half of its requests stuck in writes, but always a read that waits.
    for (const { read } of done.slice(1)) within(read / 4096, 1000, 0.06);
    expect(done[0].written).toBeGreaterThan(0);
  });

  it('starve nobody: one request gets its turn among many', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('read', 'write'), fc.constantFrom({ 'iops-total': 10 }, { 'iops-total': 10, 'bps-read': 1e6 }, { 'iops-read': 10, 'iops-write': 10 }), fc.integer({ min: 2, max: 6 }), async (direction, limits, others) => {
        const clock = new TestClock();
        const group = new ThrottleGroup('g', clock);
        group.setLimits({ ...UNLIMITED, ...limits });
        for (let at = 0; at < others; at++) {
          const busy = new ThrottleMember();
          busy.join(group);
          start(busy, clock, 100 * SECOND, mix(at, [512], 0.5, 64));
        }
        const late = new ThrottleMember();
        late.join(group);
        await clock.run(SECOND);
        let went = -1;
        expect(late.admit(direction, 512)).toBe(false);
        void late.wait(direction, 512).then(() => (went = clock.now()));
        await clock.run(20 * SECOND);
        // Everybody has had a turn or two in each direction.
        expect(went).toBeGreaterThan(0);
        expect(went).toBeLessThanOrEqual(SECOND * (1 + ((others + 1) * 2) / 10 + 0.1));
      }),
      { seed: 5, numRuns: 30 },
    );
  });
});
