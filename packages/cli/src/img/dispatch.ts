/** Commands that work on images: finding them, help, and how they end. */
import { BlockError, messageOf } from '@blk/core-graph';
import type { CommandLine } from '../getopt.js';
import { readObjects, type ToolObjects } from '../objects.js';
import { traceWarning } from '../trace.js';
import { ExitError, INTERRUPTED, say, UsageError, versionText, type Tool } from '../tool.js';
import type { ImgCommand } from './command.js';
import { withinTime } from './deadline.js';
import { parseCommandLine } from './getopt.js';
import { imgHelp, supportedFormats } from './help.js';

/** Runs `argv`, one of the commands with its arguments. Resolves with the exit code; everything has been told by then. */
export async function runCommand(tool: Tool, argv: readonly string[], commands: readonly ImgCommand[]): Promise<number> {
  try {
    return await dispatch(tool, argv, commands.filter(({ own }) => own !== true || !tool.alias));
  } catch (error) {
    return ended(tool, error);
  }
}

async function dispatch(tool: Tool, argv: readonly string[], commands: readonly ImgCommand[]): Promise<number> {
  const [name, ...args] = afterTracing(tool, argv[0] === '--' ? argv.slice(1) : argv);
  if (name === undefined) throw new UsageError('Not enough arguments');
  if (name === '-h' || name === '--help') return show(tool, imgHelp(tool, commands));
  if (name === '-V' || name === '--version') return show(tool, versionText(tool));
  if (name.startsWith('-')) throw new UsageError(`unrecognized option '${name}'`);
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) throw new UsageError(`Command not found: ${name}`);
  if (wantsHelp(args, command)) return show(tool, commandHelp(tool, command));
  const parsed = parse(command, args);
  const objects = parsed.options.filter(({ name: option }) => option === 'object').map(({ value }) => value ?? '');
  return withinTime({ ...tool, objects: await objectsOf(objects, command) }, command, parsed);
}

/** What is wrong with an object ends the command as anything does that keeps it from its work. */
async function objectsOf(texts: readonly string[], { failure = 1 }: ImgCommand): Promise<ToolObjects> {
  try {
    return await readObjects(texts);
  } catch (error) {
    throw error instanceof BlockError ? new ExitError(failure, messageOf(error)) : error;
  }
}

/** Without `-T PATTERN` and `--trace=PATTERN` in front: there are no trace events here, as the reference says of events that it does not know. */
function afterTracing(tool: Tool, argv: readonly string[]): readonly string[] {
  const [word = '', next, ...rest] = argv;
  const long = /^--trace(?:=(.*))?$/s.exec(word);
  const pattern = long?.[1] ?? (word.startsWith('-T') && word !== '-T' ? word.slice(2) : undefined);
  if (pattern === undefined && long === null && word !== '-T') return argv;
  if (pattern === undefined && next === undefined) throw new UsageError(`missing argument for option '${word}'`);
  const warning = traceWarning(pattern ?? next ?? '');
  if (warning !== undefined) say(tool, warning);
  return afterTracing(tool, pattern === undefined ? rest : argv.slice(1));
}

function parse(command: ImgCommand, args: readonly string[]): CommandLine {
  if (command.lastIsOperand !== true) return parseCommandLine(args, command.options);
  const last = args[args.length - 1];
  if (last === undefined || args.length < 2) throw new UsageError('Not enough arguments');
  const { options, operands } = parseCommandLine(args.slice(0, -1), command.options);
  return { options, operands: [...operands, last] };
}

/** Help goes before everything else, wrong options included. */
function wantsHelp(args: readonly string[], command: ImgCommand): boolean {
  if (args[0] === '-h' || args[0] === '--help') return true;
  try {
    return parseCommandLine(args, command.options).options.some(({ name }) => name === 'help');
  } catch {
    return false;
  }
}

function show(tool: Tool, text: string): number {
  tool.io.out(text);
  return 0;
}

/** Tells of a failure and gives the exit code. */
export function ended(tool: Tool, error: unknown, code = 1): number {
  if (error instanceof UsageError) {
    say(tool, error.message);
    tool.io.err(`Try '${tool.name} --help' for more information\n`);
    return code;
  }
  if (tool.io.signal.aborted && !(error instanceof ExitError && error.code === INTERRUPTED)) {
    // As the reference, which the signal ends at once, without a word.
    if (!tool.alias) say(tool, 'interrupted');
    return INTERRUPTED;
  }
  if (error instanceof ExitError) {
    if (error.message !== '') say(tool, error.message);
    tool.io.err(error.hint);
    return error.code;
  }
  if (error instanceof BlockError && /\nDetected format of .*\.$/.test(error.message)) {
    // The reference ends this one without a line's end.
    tool.io.err(`${tool.name}: ${error.message}`);
    return code;
  }
  if (error instanceof BlockError && error.message.endsWith('expects a non-negative number below 2^64')) {
    say(tool, `${messageOf(error)}\nOptional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.`);
    return code;
  }
  say(tool, error instanceof BlockError ? messageOf(error) : `unexpected failure: ${messageOf(error).split('\n', 1)[0]}`);
  if (tool.io.env['BLK_DEBUG'] === '1' && error instanceof Error) tool.io.err(`${error.stack}\n`);
  return code;
}

const MAX_TIME = `
--max-time=SECONDS: gives up after that time; 0: never. With --untrusted 60 unless given, or 3600 where the content is gone through.
`;

/** What `--help` of one command prints. */
export function commandHelp(tool: Tool, command: ImgCommand): string {
  const usage = `usage: ${tool.name} ${command.name} ${command.synopsis}\n\n${command.name} ${command.summary}\n\n${command.details}${MAX_TIME}`;
  return tool.alias ? `${usage}\n${supportedFormats()}\n` : usage;
}
