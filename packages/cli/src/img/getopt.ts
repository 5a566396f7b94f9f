/** Command lines of the commands that qemu-img has: the C library's grammar, refused in qemu-img's words. */
import { CommandLineError, getopt, type CommandLine, type OptionSpec } from '../getopt.js';
import { UsageError } from '../tool.js';

/**
 * Option specifications from a list such as `h:help q f= :output=`: letter and long name around a colon, `=` behind those
 * that take a value.
 */
export function specs(text: string): OptionSpec[] {
  return text.split(/\s+/).map((word) => {
    const [short, long] = word.replace('=', '').split(':');
    return {
      ...(short === '' ? {} : { short }),
      ...(long === undefined ? {} : { long }),
      argument: word.endsWith('=') ? 'required' : 'none',
    };
  });
}

/** Parses. Throws a `UsageError`. */
export function parseCommandLine(words: readonly string[], known: readonly OptionSpec[]): CommandLine {
  try {
    return getopt(words, known);
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    throw new UsageError(reworded(error.message, words), { cause: error });
  }
}

function reworded(message: string, words: readonly string[]): string {
  const letter = /^invalid option -- '(.)'$/.exec(message)?.[1];
  if (letter !== undefined) return `unrecognized option '-${letter}'`;
  const lacking = /^option requires an argument -- '(.)'$/.exec(message)?.[1];
  if (lacking !== undefined) return `missing argument for option '-${lacking}'`;
  if (message.endsWith('requires an argument')) return `missing argument for option '${words[words.length - 1]}'`;
  const long = /'(--[^']*)'/.exec(message)?.[1] ?? '';
  return `unrecognized option '${words.find((word) => word === long || word.startsWith(`${long}=`)) ?? long}'`;
}
