/** The command line: which options there are, told apart from their values, in the order given. */
import { genericError } from '../errors.js';

/** Options and whether they take a value. `drive`, `qmp` and `qtest` are those of QEMU itself. */
const OPTIONS = {
  blockdev: true,
  chardev: true,
  daemonize: false,
  drive: true,
  export: true,
  help: false,
  monitor: true,
  'nbd-server': true,
  object: true,
  pidfile: true,
  qmp: true,
  qtest: true,
  trace: true,
  version: false,
} as const;

export type OptionName = keyof typeof OPTIONS;

export interface Argument {
  readonly name: OptionName;
  /** Empty where the option takes none. */
  readonly value: string;
}

const SHORT: Readonly<Record<string, OptionName>> = { '-h': 'help', '-V': 'version', '-T': 'trace' };

/**
 * Options of a command line. Long ones may be cut as long as they stay unique, may begin with one dash, and take their
 * value as the next word or behind `=`. Throws a `QmpError` in the words of getopt.
 */
export function parseArguments(argv: readonly string[]): Argument[] {
  const found: Argument[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at];
    if (!word.startsWith('-') || word === '-') throw genericError(`${word}: Unexpected argument`);
    if (word === '--') {
      const rest = argv[at + 1];
      if (rest !== undefined) throw genericError(`${rest}: Unexpected argument`);
      break;
    }
    const short = SHORT[word.slice(0, 2)];
    if (!word.startsWith('--') && short !== undefined && (word.length === 2 || OPTIONS[short]) && !isLong(word.slice(1))) {
      const attached = word.slice(2);
      found.push({ name: short, value: !OPTIONS[short] ? '' : attached === '' ? valueOf(argv, ++at, word) : attached });
      if (isLast(short)) break;
      continue;
    }
    const equals = word.indexOf('=');
    const dashed = equals < 0 ? word : word.slice(0, equals);
    const name = longOption(dashed);
    if (!OPTIONS[name]) {
      if (equals >= 0) throw genericError(`option '--${name}' doesn't allow an argument`);
      found.push({ name, value: '' });
      if (isLast(name)) break;
    } else {
      found.push({ name, value: equals < 0 ? valueOf(argv, ++at, `--${name}`) : word.slice(equals + 1) });
    }
  }
  return found;
}

/** Options that print something and end the program: what comes behind is not looked at. */
function isLast(name: OptionName): boolean {
  return name === 'help' || name === 'version';
}

function isLong(text: string): boolean {
  return Object.keys(OPTIONS).some((name) => name === text.split('=', 1)[0]);
}

function longOption(dashed: string): OptionName {
  const text = dashed.replace(/^--?/, '');
  const names = Object.keys(OPTIONS) as OptionName[];
  if (text === '') throw genericError(`unrecognized option '${dashed}'`);
  const exact = names.find((name) => name === text);
  if (exact !== undefined) return exact;
  const matches = names.filter((name) => name.startsWith(text));
  if (matches.length === 0) throw genericError(`unrecognized option '${dashed}'`);
  if (matches.length > 1) {
    throw genericError(`option '${dashed}' is ambiguous; possibilities: ${matches.map((name) => `'--${name}'`).join(' ')}`);
  }
  return matches[0];
}

function valueOf(argv: readonly string[], at: number, option: string): string {
  const value = argv[at] as string | undefined;
  if (value === undefined) throw genericError(`option '${option}' requires an argument`);
  return value;
}
