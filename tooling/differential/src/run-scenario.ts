// Runs one scenario on both sides and says what differs.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { needTool, type ToolName } from '@blk/oracle';
import { Background, endByPidFile } from './background.js';
import { compareFolders } from './content.js';
import type { Heads } from './heads.js';
import { mask, maskPlaces } from './mask.js';
import { isToolLine, type CompareTool, type Scenario } from './scenario.js';
import { setUp } from './setup.js';
import { runInside, runLinked, runTheirs, type Command, type Outcome } from './sides.js';
import { splitWords } from './words.js';

export interface Difference {
  readonly scenario: string;
  /** The command after which it was seen; empty for what was left at the end. */
  readonly line: string;
  /** `stdout`, `stderr`, `code`, or a file and what of it differs. */
  readonly part: string;
  readonly ours: string;
  readonly theirs: string;
  /** All that the command said on both sides, cleaned; absent for what was left at the end. */
  readonly outcomes?: { readonly ours: Outcome; readonly theirs: Outcome };
}

export interface Rig {
  /** Where folders of scenarios are made. */
  readonly folder: string;
  readonly heads: Heads;
  /** Links to the built program. */
  readonly links: string;
  /** Ours runs in processes of its own, as it is installed. */
  readonly processes: boolean;
}

let count = 0;

/** Resolves with all differences, in the order in which they were seen. */
export async function runScenario(scenario: Scenario, rig: Rig): Promise<Difference[]> {
  const folder = join(rig.folder, String(count++));
  mkdirSync(folder);
  // Names of one length, so that messages are cut alike.
  const [ours, theirs] = [join(folder, 'a'), join(folder, 'b')];
  try {
    await rig.heads.copyTo(scenario.head, ours);
    await rig.heads.copyTo(scenario.head, theirs);
    if (scenario.spoil !== undefined) await setUp(ours, scenario.spoil);
    const [mine, other] = await Promise.all([
      runSide(scenario, ours, 'ours', rig),
      runSide(scenario, theirs, 'theirs', rig),
    ]);
    const found: Difference[] = [];
    const title = { scenario: scenario.title };
    mine.forEach(({ line, outcome }, i) => {
      const [a, b] = [clean(outcome, ours, scenario), clean(other[i].outcome, theirs, scenario)];
      for (const part of ['code', 'stdout', 'stderr'] as const) {
        if (a[part] !== b[part]) found.push({ ...title, line, part, ours: String(a[part]), theirs: String(b[part]), outcomes: { ours: a, theirs: b } });
      }
    });
    const left = await compareFolders(ours, theirs, scenario.damaged);
    for (const { what, ...texts } of left) found.push({ ...title, line: scenario.lines[scenario.lines.length - 1], part: what, ...texts });
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Step {
  readonly line: string;
  readonly outcome: Outcome;
}

type Side = 'ours' | 'theirs';

async function runSide({ lines }: Scenario, folder: string, side: Side, rig: Rig): Promise<Step[]> {
  const steps: Step[] = [];
  const running: { readonly line: string; readonly program: Background }[] = [];
  const stopAll = async (how: 'stop' | 'wait'): Promise<void> => {
    for (const { line, program } of running.splice(0)) {
      const outcome = await program[how]();
      if (line.startsWith('serve ')) steps.push({ line, outcome });
    }
  };
  try {
    for (const line of lines) {
      const text = line.replaceAll('$DIR', folder);
      if (isToolLine(line)) steps.push({ line, outcome: await runTool(text, folder, side, rig) });
      else if (line.startsWith('hold ')) running.push({ line, program: await Background.holder(needTool('qemu-io'), splitWords(text).words.slice(1), folder) });
      else if (line.startsWith('serve ')) running.push({ line, program: await serve(text, folder, side, rig) });
      else if (line === 'stop' || line === 'wait') await stopAll(line);
      else if (line.startsWith('kill ')) await endByPidFile(join(folder, line.slice(5)));
      else if (line.startsWith('ref ')) steps.push({ line, outcome: await askReference(text, folder) });
      else await setUp(folder, line);
    }
  } finally {
    await stopAll('stop');
  }
  return steps;
}

function runTool(text: string, folder: string, side: Side, rig: Rig): Promise<Outcome> {
  const own = text.startsWith('!');
  const { words, input = '' } = splitWords(own ? text.slice(1) : text);
  const [tool, ...args] = words;
  const command: Command = { tool: tool as CompareTool, words: args, input, folder };
  if (side === 'theirs') return runTheirs(command);
  return own || rig.processes ? runLinked(command, rig.links) : runInside(command);
}

/** What the reference sees of an image or a server: the same on both sides. */
function askReference(text: string, folder: string): Promise<Outcome> {
  const { words, input = '' } = splitWords(text);
  const [, tool, ...args] = words;
  return runTheirs({ tool: tool as ToolName, words: args, input, folder });
}

/** serve SOCKET TOOL WORDS… */
function serve(text: string, folder: string, side: Side, rig: Rig): Promise<Background> {
  const [, socket, tool, ...args] = splitWords(text).words;
  const program = side === 'ours' ? join(rig.links, tool) : needTool(tool as CompareTool);
  return Background.server(program, args, folder, socket);
}

function clean({ code, stdout, stderr }: Outcome, folder: string, { written }: Scenario): Outcome {
  const text = mask(stdout, folder);
  return { code, stdout: written ? maskPlaces(text) : text, stderr: mask(stderr, folder) };
}
