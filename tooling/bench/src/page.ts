// docs/performance.md: the lines of the last run of each workload, the machine and the versions.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { findTool, run, type ToolName } from '@blk/oracle';
import { root } from './programs.js';
import { columns, table, type Line } from './report.js';
import { workloads } from './workloads/index.js';

/** Adds lines to those that are kept, and writes the page anew. Lines of workloads that were not run stay. */
export async function writePage(lines: readonly Line[]): Promise<string> {
  const kept = new Map<string, Line>();
  if (existsSync(results)) for (const line of JSON.parse(readFileSync(results, 'utf8')) as Line[]) kept.set(line.id, line);
  for (const line of lines) kept.set(line.id, line);
  const ordered = workloads.flatMap((workload) => {
    const line = kept.get(workload.id);
    return line === undefined ? [] : [{ workload, line }];
  });
  writeFileSync(results, `[\n${ordered.map(({ line }) => JSON.stringify(line)).join(',\n')}\n]\n`);
  const text = readFileSync(page, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${page} lacks the marks ${BEGIN} and ${END}`);
  const rows = ordered.map(({ workload, line }) => columns(workload, line.comparison));
  const dates = [...new Set(ordered.map(({ line }) => line.date))].sort();
  const measured = `Measured on ${dates.join(', ')}; ${await machine()}`;
  writeFileSync(page, `${text.slice(0, begin + BEGIN.length)}\n\n${measured}\n\n${table(rows)}\n\n${text.slice(end)}`);
  return page;
}

const BEGIN = '<!-- bench: begin -->';
const END = '<!-- bench: end -->';
const page = join(root, 'docs/performance.md');
const results = join(root, 'tooling/bench/results.json');

async function machine(): Promise<string> {
  const processor = cpus();
  const kind = `${processor.length} cores (${processor[0].model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  const versions = await Promise.all([version('qemu-img', '--version'), version('fio', '--version'), version('nbdcopy', '--version')]);
  return `${kind}; Node ${process.version}, ${versions.join(', ')}.`;
}

async function version(name: ToolName, flag: string): Promise<string> {
  const path = findTool(name);
  if (path === undefined) return `no ${name}`;
  const { stdout } = await run(path, [flag]);
  const number = /\d+\.\d+(\.\d+)?/.exec(stdout)?.[0] ?? '';
  return `${name} ${number}`;
}
