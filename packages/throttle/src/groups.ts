/** Groups by name. One that somebody made stays until it is removed; one that came about by use goes with its last member. */
import type { Clock } from './clock.js';
import { ThrottleGroup } from './group.js';
import { defectOf, isLimiting, type ThrottleLimits } from './limits.js';
import type { ThrottleMember } from './member.js';

export class ThrottleGroups {
  readonly #groups = new Map<string, ThrottleGroup>();
  /** Those that were made rather than came about. */
  readonly #made = new Set<ThrottleGroup>();

  constructor(private readonly clock: Clock) {}

  /** The group of this name, however it came to be. */
  get(name: string): ThrottleGroup | undefined {
    return this.#groups.get(name);
  }

  /** The group of this name, if somebody made it. */
  made(name: string): ThrottleGroup | undefined {
    const group = this.#groups.get(name);
    return group !== undefined && this.#made.has(group) ? group : undefined;
  }

  /** Makes a group. Throws a `RangeError` where the name is taken or the limits are wrong. */
  make(name: string, limits: ThrottleLimits): ThrottleGroup {
    if (this.#groups.has(name)) throw new RangeError('A group with this name already exists');
    const group = new ThrottleGroup(name, this.clock);
    group.setLimits(limits);
    this.#groups.set(name, group);
    this.#made.add(group);
    return group;
  }

  /** Removes a group that was made; false, with nothing done, while it has members. */
  remove(group: ThrottleGroup): boolean {
    if (group.members.length > 0) return false;
    this.#made.delete(group);
    this.#groups.delete(group.name);
    return true;
  }

  /**
   * Sets limits as QEMU's `block_set_io_throttle` does: for the member's group, which is the one named, else the one it
   * is in, else `fallback`; for all members of that group. No limits at all: the member leaves its group, whose limits
   * stay. Throws a `RangeError`, with nothing changed, where the limits are wrong.
   */
  limit(member: ThrottleMember, limits: ThrottleLimits, name: string | undefined, fallback: string): void {
    const defect = defectOf(limits);
    if (defect !== undefined) throw new RangeError(defect);
    if (!isLimiting(limits)) {
      this.join(member, undefined);
      return;
    }
    const wanted = name ?? member.group?.name ?? fallback;
    let group = this.#groups.get(wanted);
    if (group === undefined) this.#groups.set(wanted, (group = new ThrottleGroup(wanted, this.clock)));
    // Before it joins: what waits is then looked at once, by the right limits.
    group.setLimits(limits);
    this.join(member, group);
  }

  /** Puts a member into a group, or into none. */
  join(member: ThrottleMember, group: ThrottleGroup | undefined): void {
    const before = member.group;
    member.join(group);
    if (before !== undefined && before.members.length === 0 && !this.#made.has(before)) this.#groups.delete(before.name);
  }
}
