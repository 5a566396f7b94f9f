// All scenarios: those in scripts, and those that are generated.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generators } from './generate/index.js';
import { SCRIPTS } from './run-all.js';
import { parseScript, parseSections, type Scenario } from './scenario.js';

export interface Group {
  readonly name: string;
  readonly scenarios: readonly Scenario[];
}

/** Every group, scripts first. */
export function allGroups(): Group[] {
  const fixtures = new Map(parseSections(readFileSync(join(SCRIPTS, 'fixtures.txt'), 'utf8')).map(({ title, lines }) => [title, lines]));
  const scripts = readdirSync(SCRIPTS)
    .filter((name) => name.endsWith('.txt') && name !== 'fixtures.txt')
    .sort()
    .map((name) => ({ name: name.replace(/\.txt$/, ''), scenarios: parseScript(readFileSync(join(SCRIPTS, name), 'utf8'), fixtures) }));
  const generated = Object.entries(generators).map(([name, generate]) => ({ name: `generated-${name}`, scenarios: parseScript(generate(), fixtures) }));
  return [...scripts, ...generated];
}

/** Every `step`th scenario of each group from `first` on, and all of the group `accepted`. */
export function sample(groups: readonly Group[], step: number, first = 0): Scenario[] {
  return groups.flatMap(({ name, scenarios }) => (name === 'accepted' ? scenarios : scenarios.filter((_, i) => i % step === first % step)));
}
