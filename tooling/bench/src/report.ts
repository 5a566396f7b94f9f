// Figures as people read them: one line for a terminal, a table for docs/performance.md.
import type { Comparison } from './statistics.js';
import { readings, type Workload } from './workload.js';

/** One line of the report; also what is kept between runs. */
export interface Line {
  readonly id: string;
  /** The day it was measured. */
  readonly date: string;
  readonly rounds: number;
  readonly comparison: Comparison;
}

/** Whether the bar is met; undefined where there is none. */
export function verdict(workload: Workload, comparison: Comparison): 'goal' | 'bar' | 'short' | undefined {
  const { bar, goal } = workload;
  if (bar === undefined) return undefined;
  const { means } = readings[workload.kind];
  const figure = means === 'size' ? comparison.ours.median : comparison.ratio;
  const meets = (limit: number): boolean => (means === 'speed' ? figure >= limit : figure <= limit);
  return goal !== undefined && meets(goal) ? 'goal' : meets(bar) ? 'bar' : 'short';
}

/** The columns of a workload's line. */
export function columns(workload: Workload, comparison: Comparison): string[] {
  const { unit, means } = readings[workload.kind];
  const sign = means === 'speed' ? '≥ ' : '≤ ';
  const limit = (value: number | undefined): string => (value === undefined ? '–' : `${sign}${value}${means === 'size' ? ' MiB' : ''}`);
  const [low, high] = comparison.spread;
  return [
    workload.row === undefined ? '–' : String(workload.row),
    workload.title,
    workload.peer,
    `${figure(comparison.ours.median)} ${unit}`,
    `${figure(comparison.reference.median)} ${unit}`,
    `${comparison.ratio.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`,
    limit(workload.bar),
    limit(workload.goal),
    words[verdict(workload, comparison) ?? 'none'],
  ];
}

/** The head of the table. */
export const head = ['row', 'workload', 'peer', 'ours', 'peer’s', 'ratio (spread)', 'first bar', 'goal', 'met'];

/** A table in Markdown. */
export function table(rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const words = { goal: 'goal', bar: 'first bar', short: '**short**', none: '–' } as const;

const figure = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : value >= 10 ? value.toFixed(1) : value.toFixed(2);
