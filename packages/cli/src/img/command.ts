/** The shape of a command of `blk` that qemu-img has as well, and what such commands share. */
import { BlockError } from '@blk/core-graph';
import { parseWantedSnapshot, type WantedSnapshot } from '@blk/image';
import type { CommandLine, OptionSpec } from '../getopt.js';
import { specs } from './getopt.js';
import { readSize } from '../text.js';
import { ExitError, say, UsageError, type Tool } from '../tool.js';

export interface ImgCommand {
  readonly name: string;
  /** Options and operands, for help. */
  readonly synopsis: string;
  readonly summary: string;
  /** Help on each option. */
  readonly details: string;
  readonly options: readonly OptionSpec[];
  /** Goes through the content of images, which takes its time; without this a command looks at tables only. */
  readonly long?: true;
  /** Exit code where objects can't be made; 1 unless given. */
  readonly failure?: number;
  /** Not there under the name of the reference tool, which has no such command. */
  readonly own?: true;
  /** The last word is an operand even where it begins with a dash: a size such as `-1M`. */
  readonly lastIsOperand?: boolean;
  /** Resolves with the exit code. */
  run(tool: Tool, parsed: CommandLine): Promise<number>;
}

/** Options that every command takes, besides its own. */
export const COMMON = specs('h:help :object= :image-opts :untrusted :max-time=');

/** Values of the options by key; the last one of a kind counts, `all` keeps every one. */
export class Options {
  readonly #last = new Map<string, string>();

  constructor(private readonly parsed: CommandLine) {
    for (const { name, value } of parsed.options) this.#last.set(name, value ?? '');
  }

  has(key: string): boolean {
    return this.#last.has(key);
  }
  get(key: string): string | undefined {
    return this.#last.get(key);
  }
  all(key: string): string[] {
    return this.parsed.options.filter(({ name }) => name === key).map(({ value }) => value ?? '');
  }
  get operands(): readonly string[] {
    return this.parsed.operands;
  }
}

/** `human` or `json`. */
export function outputStyle(options: Options): 'human' | 'json' {
  const style = options.get('output') ?? 'human';
  if (style !== 'human' && style !== 'json') throw new ExitError(1, '--output must be used with human or json as argument.');
  return style;
}

/** The one file name that the command takes. */
export function oneFile(options: Options): string {
  if (options.operands.length !== 1) throw new UsageError('Expecting one image file name');
  return options.operands[0];
}

export const FORMAT_OF_OPTIONS = '--image-opts and --format are mutually exclusive';

/** `-f` says nothing about a list of options, which names its driver. */
export function refuseFormatOfOptions(options: Options, code = 1): void {
  const given = ['f', 'F', 'format'].some((key) => options.has(key));
  if (options.has('image-opts') && given) throw new ExitError(code, FORMAT_OF_OPTIONS);
}

/** `-f`, where it was given. */
export function formatOption(options: Options): { readonly format?: string } {
  const format = options.get('f') ?? options.get('format');
  return format === undefined ? {} : { format };
}

/** Refuses a list of `-o` that is not one. */
export function checkList(text: string): void {
  if (text === '' || text.startsWith(',') || /(^|[^,])(,,)*,$/.test(text)) throw new ExitError(1, `Invalid option list: ${text}`);
}

/** A size, or the two lines that refuse it; `what` names it: `image size`. */
export function sizeArgument(tool: Tool, what: string, text: string, least = 0, most?: number): number {
  const read = readSize(text);
  const fits = 'size' in read && read.size >= least && read.size <= (most ?? read.size);
  if (fits) return read.size;
  if (!('size' in read) && read.fault === 'limit') {
    // Where nothing is to have so many bytes, a number does, as long as it is exact.
    if (most !== undefined && read.about <= most && (!/^\d+$/.test(text) || BigInt(text) === BigInt(read.about))) return read.about;
    throw new ExitError(1, `Invalid ${what} specified: ${text} is beyond the limit of ${Number.MAX_SAFE_INTEGER} bytes`);
  }
  if ('size' in read || read.fault === 'range') {
    throw new ExitError(1, `Invalid ${what} specified. Must be between ${least} and ${most === undefined || most > Number.MAX_SAFE_INTEGER ? '9223372036854775807' : most}.`);
  }
  throw new ExitError(
    1,
    `Invalid ${what} specified. You may use k, M, G, T, P or E suffixes for\n` +
      `${tool.name}: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.`,
  );
}

/** What `-l` names. */
export function wantedSnapshot(tool: Tool, text: string | undefined): WantedSnapshot | undefined {
  try {
    return text === undefined ? undefined : parseWantedSnapshot(text);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    say(tool, error.message);
    throw new ExitError(1, `Failed in parsing snapshot param '${text}'`);
  }
}
