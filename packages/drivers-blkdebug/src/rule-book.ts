/**
 * Which rules are in force: an event brings those that wait for it, and replaces the ones before; a request then looks whether one of
 * them is about it. The state, 1 in the beginning, is what rules can make conditions of.
 */
import type { DebugEvent } from '@blk/core-graph';
import type { InjectError, Rule, RuleEvent } from './rules.js';

export class RuleBook {
  #state = 1;
  #active: readonly InjectError[] = [];
  readonly #spent = new Set<Rule>();
  readonly #byEvent = new Map<RuleEvent, Rule[]>();

  constructor(rules: readonly Rule[]) {
    for (const rule of rules) {
      const those = this.#byEvent.get(rule.event);
      if (those === undefined) this.#byEvent.set(rule.event, [rule]);
      else those.push(rule);
    }
    this.#happen('none');
  }

  /** An event: all its rules are looked at in the state before it. */
  happen(event: DebugEvent): void {
    this.#happen(event);
  }

  /** The rule by which a request fails, if there is one; `ioType` is one bit, the range is in bytes. */
  take(ioType: number, offset: number, length: number): InjectError | undefined {
    const found = this.#active.find((rule) => (rule.ioTypes & ioType) !== 0 && isAt(rule, offset, length));
    if (found?.once === true) {
      this.#spent.add(found);
      this.#active = this.#active.filter((rule) => rule !== found);
    }
    return found;
  }

  #happen(event: RuleEvent): void {
    const active: InjectError[] = [];
    let next: number | undefined;
    for (const rule of this.#byEvent.get(event) ?? []) {
      if ((rule.state !== 0 && rule.state !== this.#state) || this.#spent.has(rule)) continue;
      if (rule.kind === 'inject-error') active.push(rule);
      // Of several, QEMU lets the first one win.
      else next ??= rule.newState;
    }
    if (active.length > 0) this.#active = active;
    if (next !== undefined) this.#state = next;
  }
}

const SECTOR = 512;

function isAt({ offset: place }: InjectError, offset: number, length: number): boolean {
  return place === -1 || (length > 0 && offset < place + SECTOR && offset + length > place);
}
