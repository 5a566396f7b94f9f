// The differences that are meant to be. Each is listed with the same reason in docs/compatibility.md; one that no longer
// occurs has to go, which the run insists on.
import type { Difference } from './run-scenario.js';

export interface Accepted {
  readonly id: string;
  /** One sentence for docs/compatibility.md. */
  readonly reason: string;
  /** Scenario title, or the command line. */
  readonly line: RegExp;
  /** Which part: `stdout`, `stderr`, `code`, or `file: what`. */
  readonly part: RegExp;
  readonly ours: RegExp;
  readonly theirs: RegExp;
}

export const ACCEPTED: readonly Accepted[] = [];

/** The rule that covers a difference. */
export function acceptedBy(difference: Difference, rules: readonly Accepted[] = ACCEPTED): Accepted | undefined {
  return rules.find(
    ({ line, part, ours, theirs }) =>
      line.test(difference.line) && part.test(difference.part) && ours.test(difference.ours) && theirs.test(difference.theirs),
  );
}
