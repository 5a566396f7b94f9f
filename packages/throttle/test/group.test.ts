import { describe, expect, it } from 'vitest';
import { UNLIMITED, ThrottleGroup, ThrottleGroups, ThrottleMember, type LimitName, type ThrottleLimits } from '../src/index.js';
import { SECOND, settle, TestClock } from './support.js';

const limits = (some: Partial<Record<LimitName, number>>): ThrottleLimits => ({ ...UNLIMITED, ...some });

/** One request a second, of which one may go at once. */
const ONE = limits({ 'iops-total': 1 });

function setUp(given = ONE): { clock: TestClock; group: ThrottleGroup; member: ThrottleMember } {
  const clock = new TestClock();
  const group = new ThrottleGroup('g', clock);
  group.setLimits(given);
  const member = new ThrottleMember();
  member.join(group);
  return { clock, group, member };
}

/** Asks for a request; the list tells in which order requests went. */
function ask(member: ThrottleMember, name: string, went: string[], direction: 'read' | 'write' = 'write', signal?: AbortSignal): Promise<void> {
  if (member.admit(direction, 512)) {
    went.push(name);
    return Promise.resolve();
  }
  return member.wait(direction, 512, signal).then(() => void went.push(name));
}

describe('a member', () => {
  it('without a group lets everything through', async () => {
    const member = new ThrottleMember();
    expect(member.admit('write', 1e12)).toBe(true);
    await member.wait('read', 1);
    expect(member.group).toBeUndefined();
  });

  it('keeps the order of its requests of one direction', async () => {
    const { clock, member } = setUp();
    const went: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) void ask(member, name, went);
    expect(member.waiting).toBe(3);
    await clock.run(1.5 * SECOND);
    expect(went).toEqual(['a', 'b']);
    // A new one does not get before those that wait, even when the bucket has room.
    void ask(member, 'e', went);
    await clock.run(10 * SECOND);
    expect(went).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(clock.pending).toBe(0);
  });

  it('lets waiting requests through while it is told to, and counts them', async () => {
    const { clock, member } = setUp();
    const went: string[] = [];
    for (const name of ['a', 'b', 'c']) void ask(member, name, went);
    member.letThrough();
    void ask(member, 'd', went);
    await settle();
    expect(went.sort()).toEqual(['a', 'b', 'c', 'd']);
    expect([member.waiting, clock.pending]).toEqual([0, 0]);
    member.holdBack();
    void ask(member, 'e', went);
    await clock.run(3.5 * SECOND);
    expect(went).not.toContain('e');
    await clock.run(4 * SECOND);
    expect(went).toContain('e');
  });

  it('takes a request back when its signal says so, without having counted it', async () => {
    const { clock, member } = setUp();
    const went: string[] = [];
    const abort = new AbortController();
    void ask(member, 'a', went);
    const taken = ask(member, 'b', went, 'write', abort.signal);
    void ask(member, 'c', went);
    abort.abort(new Error('no longer wanted'));
    await expect(taken).rejects.toThrow('no longer wanted');
    await clock.run(1 * SECOND);
    expect(went).toEqual(['a', 'c']);
    await expect(member.wait('read', 1, AbortSignal.abort(new Error('from the start')))).rejects.toThrow('from the start');
    expect([member.waiting, clock.pending]).toEqual([0, 0]);
  });

  it('takes what waits along into another group, and lets it go where there is none', async () => {
    const { clock, group, member } = setUp();
    const other = new ThrottleGroup('other', clock);
    other.setLimits(limits({ 'iops-total': 10 }));
    const went: string[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) void ask(member, name, went);
    member.join(other);
    expect([group.members.length, other.members.length]).toEqual([0, 1]);
    await clock.run(0.15 * SECOND);
    expect(went).toEqual(['a', 'b', 'c', 'd']);
    member.join(undefined);
    await settle();
    expect(went).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(clock.pending).toBe(0);
  });
});

describe('a group', () => {
  it('applies new limits to what waits', async () => {
    const { clock, group, member } = setUp(limits({ 'iops-total': 1 }));
    const went: string[] = [];
    for (const name of ['a', 'b', 'c']) void ask(member, name, went);
    group.setLimits(limits({ 'iops-total': 1000 }));
    await clock.run(0.01 * SECOND);
    expect(went).toEqual(['a', 'b', 'c']);
    expect(() => { group.setLimits(limits({ 'bps-total': -1 })); }).toThrow(RangeError);
    expect(group.limits['iops-total']).toBe(1000);
  });

  it('holds a direction that is not limited for nothing', () => {
    const { member } = setUp(limits({ 'iops-read': 1 }));
    const went: string[] = [];
    void ask(member, 'r1', went, 'read');
    void ask(member, 'r2', went, 'read');
    for (let at = 0; at < 100; at++) expect(member.admit('write', 1e9)).toBe(true);
    expect(went).toEqual(['r1']);
  });

  it('waits years without a timer that a platform would cut short', async () => {
    const { clock, member } = setUp(limits({ 'bps-total': 1 }));
    const went: string[] = [];
    expect(member.admit('write', 1e8)).toBe(true);
    void ask(member, 'late', went);
    await clock.run(0.9e8 * SECOND);
    expect(went).toEqual([]);
    await clock.run(1e8 * SECOND);
    expect(went).toEqual(['late']);
  });
});

describe('groups by name', () => {
  it('come about by use, and go with their last member', () => {
    const clock = new TestClock();
    const groups = new ThrottleGroups(clock);
    const [a, b] = [new ThrottleMember(), new ThrottleMember()];
    groups.limit(a, ONE, undefined, 'disk0');
    expect(a.group).toBe(groups.get('disk0'));
    groups.limit(b, limits({ 'iops-total': 5 }), 'disk0', 'disk1');
    expect(groups.get('disk0')?.limits['iops-total']).toBe(5);
    groups.limit(b, limits({ 'iops-total': 6 }), undefined, 'disk1');
    expect(a.group?.limits['iops-total']).toBe(6);
    // Moving: the limits are those of the new group only.
    groups.limit(b, ONE, 'other', 'disk1');
    expect([a.group?.limits['iops-total'], b.group?.name]).toEqual([6, 'other']);
    groups.limit(b, UNLIMITED, 'whatever', 'disk1');
    expect([b.group, groups.get('other'), groups.get('whatever')]).toEqual([undefined, undefined, undefined]);
    groups.limit(a, UNLIMITED, undefined, 'disk0');
    expect(groups.get('disk0')).toBeUndefined();
  });

  it('change nothing where the limits are wrong', () => {
    const groups = new ThrottleGroups(new TestClock());
    const member = new ThrottleMember();
    expect(() => { groups.limit(member, limits({ 'bps-total': 1, 'bps-read': 1 }), 'x', 'disk0'); }).toThrow('total values and read/write values');
    expect([member.group, groups.get('x')]).toEqual([undefined, undefined]);
  });

  it('that were made stay until they are removed', () => {
    const groups = new ThrottleGroups(new TestClock());
    const made = groups.make('made', ONE);
    expect(() => groups.make('made', ONE)).toThrow('A group with this name already exists');
    expect(() => groups.make('bad', limits({ 'iops-total': -1 }))).toThrow('must be within');
    expect(groups.get('bad')).toBeUndefined();
    const member = new ThrottleMember();
    groups.limit(member, limits({ 'iops-total': 3 }), 'made', 'disk0');
    expect([groups.remove(made), groups.made('made')]).toEqual([false, made]);
    groups.limit(member, UNLIMITED, undefined, 'disk0');
    expect(groups.get('made')).toBe(made);
    expect([groups.remove(made), groups.get('made')]).toEqual([true, undefined]);
    groups.limit(member, ONE, 'implicit', 'disk0');
    expect(groups.made('implicit')).toBeUndefined();
  });
});
