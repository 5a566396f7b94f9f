// Runs many scenarios, a few at a time, and sorts what differs into accepted and not.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '@blk/oracle';
import { ACCEPTED, acceptedBy, type Accepted } from './accepted.js';
import { Heads } from './heads.js';
import { runScenario, type Difference, type Rig } from './run-scenario.js';
import type { Scenario } from './scenario.js';
import { makeLinks } from './sides.js';

export interface RunAllOptions {
  readonly processes?: boolean;
  /** Scenarios at a time; the reference's processes are what runs beside each other. Default 3. */
  readonly parallel?: number;
  readonly rules?: readonly Accepted[];
  progress?(done: number, total: number): void;
}

export interface Result {
  readonly scenarios: number;
  readonly commands: number;
  /** What no rule accepts. */
  readonly differences: readonly Difference[];
  /** How often each rule was needed. */
  readonly accepted: ReadonlyMap<string, number>;
}

export async function runAll(scenarios: readonly Scenario[], options: RunAllOptions = {}): Promise<Result> {
  using dir = tempDir();
  const { processes = false, parallel = 3, rules = ACCEPTED } = options;
  mkdirSync(dir.file('heads'));
  mkdirSync(dir.file('runs'));
  const rig: Rig = { folder: dir.file('runs'), heads: new Heads(dir.file('heads')), links: makeLinks(dir.path), processes };
  const found: Difference[][] = [];
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (next < scenarios.length) {
      const at = next++;
      found[at] = await runScenario(scenarios[at], rig).catch((error: unknown) => [failed(scenarios[at], error)]);
      options.progress?.(++done, scenarios.length);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  const accepted = new Map<string, number>();
  const differences: Difference[] = [];
  for (const difference of found.flat()) {
    const rule = acceptedBy(difference, rules);
    if (rule === undefined) differences.push(difference);
    else accepted.set(rule.id, (accepted.get(rule.id) ?? 0) + 1);
  }
  const commands = scenarios.reduce((sum, { lines }) => sum + lines.length, 0);
  return { scenarios: scenarios.length, commands, differences, accepted };
}

/** A scenario that could not be run to its end is a difference, so that the others are still seen. */
function failed({ title, lines }: Scenario, error: unknown): Difference {
  return { scenario: title, line: lines[0], part: 'run', ours: error instanceof Error ? (error.stack ?? error.message) : String(error), theirs: '' };
}

/** Rules that were not needed. After a run of everything, these are no longer true. */
export function unusedRules({ accepted }: Result, rules: readonly Accepted[] = ACCEPTED): string[] {
  return rules.map(({ id }) => id).filter((id) => !accepted.has(id));
}

/** Where the scripts lie, seen from the sources as from the bundle. */
export const SCRIPTS = join(import.meta.dirname, '../scripts');
