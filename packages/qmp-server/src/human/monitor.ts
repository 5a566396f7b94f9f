/** The human monitor: a line to a command, and what the command prints. */
import { messageOf } from '@blk/core-graph';
import type { CommandContext } from '../dispatch.js';
import { PlainError, type HumanCommand } from './command.js';
import { deviceCommands } from './device-commands.js';
import { infoCommands } from './info.js';
import { qemuIo } from './qemu-io.js';
import { LineError, takeArguments, takeWord } from './words.js';

/** Runs a line and gives what it prints, each line ending in a carriage return and a newline. */
export async function runLine(line: string, context: CommandContext): Promise<string> {
  return (await run(line.trim(), context)).replace(/\r?\n/g, '\r\n');
}

const COMMANDS: readonly HumanCommand[] = [...deviceCommands, qemuIo];

async function run(line: string, context: CommandContext): Promise<string> {
  if (line === '' || line.startsWith('#')) return '';
  const [word, rest] = takeWord(line);
  if (word === 'help' || word === '?') return help(rest.trim());
  if (word !== 'info') return runCommand(COMMANDS, word, word, rest, context);
  const [topic, after] = takeWord(rest.trimStart());
  if (topic === '') return infoCommands.map((command) => helpLine(command, 'info ')).join('');
  return runCommand(infoCommands, topic, `info ${topic}`, after, context);
}

async function runCommand(
  commands: readonly HumanCommand[],
  name: string,
  shown: string,
  rest: string,
  context: CommandContext,
): Promise<string> {
  const command = commands.find((candidate) => candidate.name === name || candidate.aliases?.includes(name) === true);
  if (command === undefined) return `unknown command: '${shown}'\n`;
  try {
    return await command.run(takeArguments(name, rest, command.takes), context);
  } catch (error) {
    if (error instanceof LineError) return `${error.message}\nTry "help ${shown}" for more information\n`;
    // Further lines are hints to people at a command line.
    const text = messageOf(error).split('\n', 1)[0];
    return error instanceof PlainError ? `${text}\n` : `Error: ${text}\n`;
  }
}

function help(name: string): string {
  if (name === '') return COMMANDS.map((command) => helpLine(command)).join('');
  const [first, topic] = name.split(/\s+/);
  if (first === 'info') {
    const shown = topic === undefined ? infoCommands : infoCommands.filter((command) => command.name === topic);
    return shown.map((command) => helpLine(command, 'info ')).join('');
  }
  return COMMANDS.filter((command) => command.name === first || command.aliases?.includes(first) === true).map((command) => helpLine(command)).join('');
}

function helpLine({ name, aliases = [], help: [words, summary] }: HumanCommand, before = ''): string {
  return `${before}${[name, ...aliases].join('|')} ${words} -- ${summary}\n`;
}
