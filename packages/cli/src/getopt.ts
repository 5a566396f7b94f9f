/** Command lines as getopt_long of the C library takes them: permuted, abbreviated, and refused in its words. */

export interface OptionSpec {
  /** Long name without dashes; absent for one that is a letter only. */
  readonly long?: string;
  readonly short?: string;
  readonly argument?: 'none' | 'required' | 'optional';
}

export interface FoundOption {
  /** Long name where there is one, else the letter. */
  readonly name: string;
  readonly value: string | undefined;
}

export interface CommandLine {
  readonly options: readonly FoundOption[];
  readonly operands: readonly string[];
}

/** A command line that does not fit. `message` has no program name in front; `second` is another one that follows it. */
export class CommandLineError extends Error {
  constructor(
    message: string,
    readonly second?: string,
  ) {
    super(message);
  }
}

/** Takes `words` apart. Options may stand behind operands; `--` ends them. */
export function getopt(words: readonly string[], specs: readonly OptionSpec[]): CommandLine {
  const options: FoundOption[] = [];
  const operands: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '--') {
      operands.push(...words.slice(i + 1));
      break;
    }
    if (word.startsWith('--')) i += longOption(word, words[i + 1], specs, options);
    else if (word.startsWith('-') && word !== '-') i += shortOptions(word, words[i + 1], specs, options);
    else operands.push(word);
  }
  return { options, operands };
}

/** Returns how many further words it took. */
function longOption(word: string, next: string | undefined, specs: readonly OptionSpec[], found: FoundOption[]): number {
  const equals = word.indexOf('=');
  const given = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const spec = findLong(given, specs);
  const name = spec.long ?? given;
  if (spec.argument === undefined || spec.argument === 'none') {
    if (equals >= 0) throw new CommandLineError(`option '--${name}' doesn't allow an argument`);
    found.push({ name, value: undefined });
    return 0;
  }
  if (equals >= 0 || spec.argument === 'optional') {
    found.push({ name, value: equals < 0 ? undefined : word.slice(equals + 1) });
    return 0;
  }
  if (next === undefined) throw new CommandLineError(`option '--${name}' requires an argument`);
  found.push({ name, value: next });
  return 1;
}

function findLong(given: string, specs: readonly OptionSpec[]): OptionSpec {
  const exact = specs.find((spec) => spec.long === given);
  if (exact) return exact;
  const candidates = specs.filter((spec) => spec.long?.startsWith(given) === true);
  if (candidates.length === 1) return candidates[0];
  if (candidates.length === 0 || given === '') throw new CommandLineError(`unrecognized option '--${given}'`);
  const list = candidates.map((spec) => `'--${spec.long}'`).join(' ');
  throw new CommandLineError(`option '--${given}' is ambiguous; possibilities: ${list}`);
}

function shortOptions(word: string, next: string | undefined, specs: readonly OptionSpec[], found: FoundOption[]): number {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at];
    const spec = specs.find((candidate) => candidate.short === letter);
    if (!spec) throw new CommandLineError(`invalid option -- '${letter}'`);
    const name = spec.long ?? letter;
    if (spec.argument === undefined || spec.argument === 'none') {
      found.push({ name, value: undefined });
      continue;
    }
    const rest = word.slice(at + 1);
    if (rest !== '') {
      found.push({ name, value: rest });
      return 0;
    }
    if (spec.argument === 'optional') {
      found.push({ name, value: undefined });
      return 0;
    }
    if (next === undefined) throw new CommandLineError(`option requires an argument -- '${letter}'`);
    found.push({ name, value: next });
    return 1;
  }
  return 0;
}
