// Differences as a person reads them.
import type { Difference } from './run-scenario.js';

/** Lines of a text that are shown. */
const MAX_LINES = 4;

export function describeDifferences(differences: readonly Difference[], most = 40): string {
  const shown = differences.slice(0, most).map((difference) => describe(difference));
  const rest = differences.length - shown.length;
  return shown.join('\n') + (rest > 0 ? `\n… and ${rest} more\n` : '');
}

function describe({ scenario, line, part, ours, theirs }: Difference): string {
  const where = scenario.endsWith(line) ? '' : `   ${line}\n`;
  return `== ${scenario}\n${where}   ${part}:\n${firstDifference(ours, theirs)}`;
}

/** The lines from the first that differs on, `-` theirs and `+` ours. */
function firstDifference(ours: string, theirs: string): string {
  const [a, b] = [ours.split('\n'), theirs.split('\n')];
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  const part = (lines: readonly string[], sign: string): string =>
    lines
      .slice(same, same + MAX_LINES)
      .map((text) => `   ${sign} ${text.length > 600 ? `${text.slice(0, 600)}…` : text}\n`)
      .join('');
  return part(b, '-') + part(a, '+');
}
