/** Where a session's commands come from: `-c`, a person at a terminal, or lines of standard input. */
import { createInterface } from 'node:readline';
import type { IoSession } from '@blk/image';
import type { Terminal } from '../terminal.js';

const PROMPT = 'qemu-io> ';

/** Runs each line, whatever becomes of the others; false where one failed. */
export async function runAll(session: IoSession, lines: readonly string[], terminal: Terminal): Promise<boolean> {
  let ok = true;
  for (const line of lines) {
    if (session.ended || terminal.signal?.aborted === true) break;
    if (!(await session.run(line))) ok = false;
  }
  return ok;
}

/**
 * Runs lines until the end of input or `quit`. A person gets a line to edit, with a history and with names of commands
 * completed; a script gets the bare prompt before each line, as from the original.
 */
export async function runInput(session: IoSession, terminal: Terminal): Promise<boolean> {
  const { input, screen, signal } = terminal;
  const person = terminal.interactive && screen !== undefined;
  const lines = person
    ? createInterface({ input, output: screen, terminal: true, prompt: PROMPT, completer: (text: string) => complete(session, text), historySize: 500 })
    : createInterface({ input, terminal: false });
  const prompt = (): void => {
    if (person) lines.prompt();
    else terminal.out(PROMPT);
  };
  const stop = (): void => {
    lines.close();
  };
  signal?.addEventListener('abort', stop);
  lines.on('SIGINT', stop);
  prompt();
  let ok = true;
  for await (const line of lines) {
    if (!(await session.run(line))) ok = false;
    if (session.ended) break;
    prompt();
  }
  signal?.removeEventListener('abort', stop);
  lines.close();
  return ok;
}

/** The commands that begin with the first word; a second word is nobody's to guess, but for `help`. */
function complete(session: IoSession, text: string): [string[], string] {
  const [, before, word] = /^(\s*(?:help\s+)?)(\S*)$/.exec(text) ?? [];
  if (before === undefined) return [[], text];
  return [session.names.filter((name) => name.startsWith(word)), word];
}
