/** The grammar of qemu-io's command lines: words at blanks, then single-letter options as getopt takes them. */
import { ArgumentError } from './sizes.js';

/** A command line cut at blanks. There is no quoting. */
export function splitWords(line: string): string[] {
  return line.split(/[ \t\n]+/).filter((word) => word !== '');
}

export interface ParsedWords {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/**
 * An option that does not exist, or lacks its value. `message` goes to standard error, a usage line follows; it alone where the
 * message is empty.
 */
export class UsageError extends Error {}

/**
 * Parses options by a getopt string such as `CqvP:s:l:`; operands may stand between options. Of an option that is given twice
 * the last value counts; those of letters in `lists` are joined by commas.
 */
export function parseWords(name: string, words: readonly string[], letters: string, lists = ''): ParsedWords {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const operands: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '--') {
      operands.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    for (let at = 1; at < word.length; at++) {
      const letter = word[at];
      const place = letter === ':' ? -1 : letters.indexOf(letter);
      if (place < 0) throw new UsageError(`${name}: invalid option -- '${letter}'`);
      if (letters[place + 1] !== ':') {
        flags.add(letter);
        continue;
      }
      const rest = word.slice(at + 1);
      const value = rest === '' ? words[++i] : rest;
      if (value === undefined) throw new UsageError(`${name}: option requires an argument -- '${letter}'`);
      const before = lists.includes(letter) ? values.get(letter) : undefined;
      values.set(letter, before === undefined ? value : `${before},${value}`);
      break;
    }
  }
  return { flags, values, operands };
}

/** A pattern byte: a number from 0 to 255 in any notation of C. */
export function parsePattern(text: string): number {
  const digits = /^\+?(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.exec(text)?.[1] ?? '';
  const value = digits === '' ? NaN : /^0[0-7]/.test(digits) ? parseInt(digits, 8) : Number(digits);
  if (!(value >= 0 && value <= 255)) throw new ArgumentError(`${text} is not a valid pattern byte`);
  return value;
}
