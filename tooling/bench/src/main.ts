// npm run bench -- [filter …] [--rounds N] [--runtime MS] [--json] [--write] [--list] [--ours=reference] [--dir D] [--keep]
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measure, type Lab } from './lab.js';
import { writePage } from './page.js';
import { programs } from './programs.js';
import { columns, head, type Line } from './report.js';
import { sourcesIn } from './sources.js';
import { workloads } from './workloads/index.js';

const usage = `usage: npm run bench -- [FILTER ...] [options]

Runs ours and the reference tool in turn and prints ratios. FILTER: part of a workload's id, or row=N.
  --rounds N        rounds of each side, default 5
  --runtime MS      milliseconds of load in a round, default 1500
  --list            names the workloads and ends
  --json            prints one JSON array with every single figure
  --write           brings docs/performance.md up to date
  --ours=reference  puts the reference tools in our place: all ratios should be about 1
  --dir D           folder for images (about 8 GiB), default a temporary one
  --keep            leaves the folder there for the next run`;

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      runtime: { type: 'string', default: '1500' },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      ours: { type: 'string', default: 'blk' },
      dir: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  if (values.help) { say(usage); return 0; }
  const chosen = workloads.filter(
    (workload) => positionals.length === 0 || positionals.some((word) => workload.id.includes(word) || `row=${workload.row}` === word),
  );
  if (values.list) { for (const { id, row, title } of chosen) say(`${id.padEnd(36)} ${String(row ?? '–').padStart(3)}  ${title}`); return 0; }
  if (chosen.length === 0) throw new Error(`no workload has ${positionals.join(' or ')} in its name; --list shows them`);
  const rounds = count('--rounds', values.rounds, 1, 1000);
  const runtime = count('--runtime', values.runtime, 100, 600_000);
  const { ours } = values;
  if (ours !== 'blk' && ours !== 'reference') throw new Error(`--ours=${ours}: blk or reference`);
  if (values.write && ours === 'reference') throw new Error('--write with --ours=reference would publish the wrong figures');

  const dir = values.dir ?? mkdtempSync(join(tmpdir(), 'blk-bench-'));
  mkdirSync(dir, { recursive: true });
  try {
    const lab: Lab = {
      dir, runtime, sources: sourcesIn(dir), self: ours === 'reference',
      programs: { ours: programs('ours', ours), reference: programs('reference', ours) },
    };
    return await runAll(lab, chosen, rounds, { json: values.json, write: values.write, say });
  } finally {
    if (!values.keep && values.dir === undefined) rmSync(dir, { recursive: true, force: true });
  }
}

interface Output {
  readonly json: boolean;
  readonly write: boolean;
  readonly say: (text: string) => void;
}

async function runAll(lab: Lab, chosen: typeof workloads, rounds: number, { json, write, say }: Output): Promise<number> {
  const date = new Date().toISOString().slice(0, 10);
  const lines: Line[] = [];
  const figures: unknown[] = [];
  let failures = 0;
  if (!json) say(head.join('\t'));
  for (const workload of chosen) {
    try {
      const { samples, comparison } = await measure(lab, workload, rounds);
      lines.push({ id: workload.id, date, rounds, comparison });
      figures.push({ id: workload.id, row: workload.row, samples, comparison });
      if (!json) say(columns(workload, comparison).join('\t'));
    } catch (error) {
      // One workload that cannot run leaves the others their turn.
      failures++;
      process.stderr.write(`bench: ${workload.id}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  if (json) say(JSON.stringify(figures, undefined, 2));
  if (write) process.stderr.write(`wrote ${await writePage(lines)}\n`);
  return failures === 0 ? 0 : 1;
}

function count(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) throw new Error(`${name} ${text}: a number from ${min} to ${max}`);
  return value;
}
