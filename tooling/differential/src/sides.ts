// The two sides: how one command line is run by the reference, and how by ours.
import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { main, TOOL_NAMES, type ToolIo } from '@blk/cli';
import { needTool, run, type ToolName } from '@blk/oracle';
import { untilMeasured } from './coarse-clock.js';
import type { CompareTool } from './scenario.js';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that the reference can run: tools that are only asked what they see are among them. */
interface Reference {
  readonly tool: ToolName;
  readonly words: readonly string[];
  readonly input: string;
  /** The folder it runs in. */
  readonly folder: string;
}

export interface Command extends Reference {
  readonly tool: CompareTool;
}

/** Milliseconds that one command may take. */
const TIMEOUT = 40_000;

export async function runTheirs({ tool, words, input, folder }: Reference): Promise<Outcome> {
  // By its name, which its messages begin with.
  needTool(tool);
  return untilMeasured(() => runProcess(tool, words, input, folder));
}

/** Ours as it is installed: by a link that has the tool's name, in a process of its own. */
export async function runLinked({ tool, words, input, folder }: Command, links: string): Promise<Outcome> {
  return runProcess(join(links, tool), words, input, folder);
}

/** A program that dies of a signal has that as its result. */
async function runProcess(program: string, words: readonly string[], input: string, cwd: string): Promise<Outcome> {
  try {
    return await run(program, words, { cwd, input, timeout: TIMEOUT });
  } catch (error) {
    const signal = error instanceof Error ? /: ended by (SIG\w+)\n/.exec(error.message) : null;
    if (signal === null) throw error;
    return { code: -1, stdout: '', stderr: `ended by ${signal[1]}\n` };
  }
}

/** A folder of links to the built program, one for each name that it answers to. */
export function makeLinks(folder: string): string {
  const program = join(import.meta.dirname, '../../../packages/cli/dist/blk.cjs');
  const links = join(folder, 'links');
  mkdirSync(links);
  for (const name of TOOL_NAMES) symlinkSync(program, join(links, name));
  return links;
}

let busy: Promise<unknown> = Promise.resolve();

/** Ours in this process, which is much faster than starting one. Commands take turns, since each needs its folder to be the process's. */
export function runInside(command: Command): Promise<Outcome> {
  const turn = busy.then(() => inside(command));
  busy = turn.catch(() => undefined);
  return turn;
}

async function inside({ tool, words, input, folder }: Command): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const stop = new AbortController();
  const io: ToolIo = {
    stdin: Readable.from(input === '' ? [] : [input]),
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    env: {},
    signal: stop.signal,
  };
  const before = process.cwd();
  process.chdir(folder);
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      stop.abort();
      reject(new Error(`${tool} ${words.join(' ')} in ${dirname(folder)}: ran longer than ${TIMEOUT} ms`));
    }, TIMEOUT);
  });
  try {
    const code = await Promise.race([main(words, io, tool), tooLong]);
    return { code, stdout, stderr };
  } catch (error) {
    // The program tells of every failure by itself; one that comes out here is a difference.
    return { code: -1, stdout, stderr: `${stderr}THROWN: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n` };
  } finally {
    clearTimeout(timer);
    process.chdir(before);
  }
}
