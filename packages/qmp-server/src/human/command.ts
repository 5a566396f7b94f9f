/** The shape of a command of the human monitor. */
import type { CommandContext } from '../dispatch.js';
import type { ArgumentSpec, HumanArguments } from './words.js';

export interface HumanCommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly takes: readonly ArgumentSpec[];
  /** Arguments as the help shows them, and what the command does. */
  readonly help: readonly [words: string, summary: string];
  /** Gives what is printed; lines end in `\n`. What it throws is printed after `Error: `. */
  run(args: HumanArguments, context: CommandContext): Promise<string>;
}

/** An error that is printed as it is, without `Error: ` before it. */
export class PlainError extends Error {}
