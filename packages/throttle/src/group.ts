/**
 * Members that share limits, and take turns. One timer at most is under way, and only while something waits.
 *
 * Where reading and writing share all their limits, members take turns whatever they ask for. Where they do not, each
 * direction has its own round, and the directions alternate: neither can take from the other what it did not need.
 */
import type { Clock } from './clock.js';
import { defectOf, UNLIMITED, type ThrottleLimits } from './limits.js';
import type { ThrottleMember, Waiting } from './member.js';
import { Meter, type Direction } from './meter.js';

/** Members in the order of their turns: the next one first. */
type Round = ThrottleMember[];

/** Milliseconds of the longest timer; platforms keep no longer ones. */
const LONGEST = 2 ** 30;

export class ThrottleGroup {
  readonly #rounds: Readonly<Record<Direction, Round>> = { read: [], write: [] };
  readonly #prefers = new Map<ThrottleMember, Direction>();
  #limits: ThrottleLimits = UNLIMITED;
  #meter: Meter;
  #turn: Direction = 'read';
  #cancel: (() => void) | undefined;
  /** When the timer under way comes; infinite where there is none. */
  #wakesAt = Infinity;

  constructor(
    readonly name: string,
    private readonly clock: Clock,
  ) {
    this.#meter = new Meter(UNLIMITED, clock.now());
  }

  get members(): readonly ThrottleMember[] {
    return [...this.#prefers.keys()];
  }

  get limits(): ThrottleLimits {
    return this.#limits;
  }

  /** Sets limits for all members; what was done before is forgotten. Throws a `RangeError` with what is wrong with them. */
  setLimits(limits: ThrottleLimits): void {
    const defect = defectOf(limits);
    if (defect !== undefined) throw new RangeError(defect);
    this.#limits = { ...limits };
    this.#meter = new Meter(limits, this.clock.now());
    this.pump();
  }

  /** Part of the members' machinery, like what follows: counts a request if it may go before all that wait. */
  admit(member: ThrottleMember, direction: Direction, bytes: number): boolean {
    const now = this.clock.now();
    if (!member.letsThrough && (this.#isWaiting(direction) || this.#meter.wait(direction, now) > 0)) return false;
    this.#meter.charge(direction, bytes, now);
    const round = this.#meter.separate ? this.#rounds[direction] : this.#rounds.read;
    if (round.length > 1) takeTurn(round, (candidate) => candidate === member);
    return true;
  }

  count({ direction, bytes }: Waiting): void {
    this.#meter.charge(direction, bytes, this.clock.now());
  }

  joined(member: ThrottleMember): void {
    this.#prefers.set(member, 'read');
    this.#rounds.read.push(member);
    this.#rounds.write.push(member);
    this.pump();
  }

  left(member: ThrottleMember): void {
    this.#prefers.delete(member);
    for (const round of [this.#rounds.read, this.#rounds.write]) round.splice(round.indexOf(member), 1);
    this.pump();
  }

  /** Lets go what may go, and sees to it that the next is looked at in time. */
  pump(): void {
    for (;;) {
      const now = this.clock.now();
      const waits = { read: this.#waitOf('read', now), write: this.#waitOf('write', now) };
      const next = this.#meter.separate ? this.#nextByDirection(waits) : this.#nextByMember(waits);
      if (next === undefined) {
        this.#wakeAt(now + Math.min(waits.read, waits.write), now);
        return;
      }
      this.#meter.charge(next.direction, next.bytes, now);
      next.go();
    }
  }

  /** Nanoseconds until a request that waits may go; infinite where none does. */
  #waitOf(direction: Direction, now: number): number {
    return this.#isWaiting(direction) ? this.#meter.wait(direction, now) : Infinity;
  }

  #isWaiting(direction: Direction): boolean {
    return this.#rounds[direction].some((member) => member.has(direction));
  }

  #nextByDirection(waits: Readonly<Record<Direction, number>>): Waiting | undefined {
    const direction = waits[this.#turn] === 0 ? this.#turn : other(this.#turn);
    if (waits[direction] > 0) return undefined;
    this.#turn = other(direction);
    return takeTurn(this.#rounds[direction], (member) => member.has(direction))?.next(direction);
  }

  #nextByMember(waits: Readonly<Record<Direction, number>>): Waiting | undefined {
    if (waits.read > 0 && waits.write > 0) return undefined;
    const member = takeTurn(this.#rounds.read, (candidate) => candidate.waiting > 0);
    if (member === undefined) return undefined;
    const preferred = this.#prefers.get(member) ?? 'read';
    const direction = member.has(preferred) ? preferred : other(preferred);
    this.#prefers.set(member, other(direction));
    return member.next(direction);
  }

  #wakeAt(time: number, now: number): void {
    // A timer that comes earlier does no harm, and is cheaper than a new one for each request that comes to wait.
    if (time !== Infinity && this.#wakesAt <= time) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#wakesAt = time;
    if (time === Infinity) return;
    this.#cancel = this.clock.timer(Math.min((time - now) / 1e6, LONGEST), () => {
      this.#cancel = undefined;
      this.#wakesAt = Infinity;
      this.pump();
    });
  }
}

/** The first that wants its turn; afterwards it is the last. */
function takeTurn(round: Round, wants: (member: ThrottleMember) => boolean): ThrottleMember | undefined {
  const at = round.findIndex(wants);
  if (at < 0) return undefined;
  const [member] = round.splice(at, 1);
  round.push(member);
  return member;
}

function other(direction: Direction): Direction {
  return direction === 'read' ? 'write' : 'read';
}
