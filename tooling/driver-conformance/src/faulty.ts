/** A tap that makes requests fail: the nth one, those of a range, or whatever a predicate picks. */
import { BlockError, systemError, type Completion } from '@blk/core-graph';
import type { DiskOperation, DiskTap, DiskVerb } from './memory-disk.js';

export interface FaultRule {
  /** Verbs that it is about; all unless given. */
  readonly verb?: DiskVerb | readonly DiskVerb[];
  /** Range of bytes that a request has to touch. */
  readonly offset?: number;
  readonly length?: number;
  readonly when?: (operation: DiskOperation) => boolean;
  /** Which of the matching requests fails first, from 1; the first unless given. */
  readonly nth?: number;
  /** How many fail from there on; all unless given. */
  readonly times?: number;
  /** The error, or a symbolic errno to make one of; `EIO` unless given. */
  readonly error?: BlockError | string;
  /** The first half of the request takes effect before it fails. */
  readonly partial?: boolean;
}

/** Makes requests fail by rules; more can be added, and all be cleared, at any time. */
export function faulty(...rules: FaultRule[]): Faults {
  const faults = new Faults();
  for (const rule of rules) faults.add(rule);
  return faults;
}

export class Faults implements DiskTap {
  /** How many requests have failed. */
  failures = 0;
  readonly #rules: { readonly rule: FaultRule; seen: number; failed: number }[] = [];
  readonly #doomed = new Map<number, BlockError>();

  add(rule: FaultRule): void {
    this.#rules.push({ rule, seen: 0, failed: 0 });
  }

  /** From now on everything works. */
  clear(): void {
    this.#rules.length = 0;
  }

  before(operation: DiskOperation): Completion {
    for (const state of this.#rules) {
      const { rule } = state;
      if (!matches(rule, operation)) continue;
      state.seen++;
      if (state.seen < (rule.nth ?? 1) || state.failed >= (rule.times ?? Infinity)) continue;
      state.failed++;
      this.failures++;
      const error = errorOf(rule, operation);
      if (rule.partial !== true || operation.length < 2) throw error;
      this.#doomed.set(operation.index, error);
      return;
    }
  }

  during(operation: DiskOperation): Completion {
    const error = this.#doomed.get(operation.index);
    if (error === undefined) return;
    this.#doomed.delete(operation.index);
    throw error;
  }
}

function matches(rule: FaultRule, operation: DiskOperation): boolean {
  const { verb, offset, length = 1 } = rule;
  if (verb !== undefined && !(typeof verb === 'string' ? verb === operation.verb : verb.includes(operation.verb))) return false;
  if (offset !== undefined && !(operation.offset < offset + length && offset < operation.offset + operation.length)) return false;
  return rule.when?.(operation) ?? true;
}

function errorOf(rule: FaultRule, operation: DiskOperation): BlockError {
  if (rule.error instanceof BlockError) return rule.error;
  return systemError(`${operation.verb} at ${operation.offset}`, { code: rule.error ?? 'EIO' });
}
