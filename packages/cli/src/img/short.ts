/**
 * `info`, and the plainest `create`: what scripts call most, and what takes as long as Node does to start. They have a bundle of their own, in which
 * whatever raw and qcow2 images do not need is missing (`bundle.mjs`). Who needs it anyway begins again with the whole program.
 */
import type { Tool } from '../tool.js';
import { create } from './create.js';
import { runCommand } from './dispatch.js';
import { info } from './info.js';

/** Set by what is missing in the bundle when it is asked for. */
const MISSED = Symbol.for('blk.missed');

/** Whether the command may be run by `runShort`: to begin it twice must do no harm. */
export function isShort([command, ...args]: readonly string[]): boolean {
  if (command === 'info') return true;
  // No options of the format, and no backing file: nothing is loaded once something was changed.
  const words = args[0] === '-q' ? args.slice(1) : args;
  const format = words[0] === '-f' ? words[1] : 'raw';
  const operands = words[0] === '-f' ? words.slice(2) : words;
  return command === 'create' && (format === 'raw' || format === 'qcow2') && operands.length === 2 && operands.every((word) => !word.startsWith('-'));
}

/** Runs the command. Resolves with the exit code; undefined: it needs more than there is here, and nothing has been told or changed. */
export async function runShort(tool: Tool, argv: readonly string[]): Promise<number | undefined> {
  const { io } = tool;
  const said: (() => void)[] = [];
  const kept: Tool['io'] = {
    get stdin() {
      return io.stdin;
    },
    out: (text) => said.push(() => { io.out(text); }),
    err: (text) => said.push(() => { io.err(text); }),
    env: io.env,
    signal: io.signal,
    ...(io.lockList === undefined ? {} : { lockList: io.lockList }),
  };
  const code = await runCommand({ ...tool, io: kept }, argv, [create, info]);
  if (Reflect.has(globalThis, MISSED)) return undefined;
  for (const say of said) say();
  return code;
}
