/**
 * The same command lines for the reference tools and for ours, and what differs.
 *
 * @packageDocumentation
 */
export { ACCEPTED, type Accepted } from './accepted.js';
export { describeDifferences } from './report.js';
export { runAll, unusedRules, type Result, type RunAllOptions } from './run-all.js';
export { runScenario, type Difference } from './run-scenario.js';
export { parseScript, type Scenario } from './scenario.js';
export { allGroups, sample, type Group } from './sets.js';
