/** Taking the words of a command line of the human monitor, as its commands declare them. */
import { parseSize } from '@blk/core-graph';

/** What a word is: a text, a file name, a device's name, a size, a whole number; the rest of the line is not looked into. */
export type WordKind = 'string' | 'filename' | 'device' | 'size' | 'integer';

/** One argument: a letter that switches something on, or a word. */
export type ArgumentSpec =
  | { readonly flag: string }
  | { readonly name: string; readonly kind: WordKind; readonly optional?: boolean };

export type HumanArguments = Readonly<Record<string, string>> & { readonly flags: ReadonlySet<string> };

/** The reason why a command line is none; said with a hint at the command's help. */
export class LineError extends Error {}

const EXPECTED: Readonly<Record<Exclude<WordKind, 'size' | 'integer'>, string>> = {
  string: 'string',
  filename: 'filename',
  device: 'block device name',
};

/** Takes the arguments of `command` from the rest of its line. Throws a `LineError`. */
export function takeArguments(command: string, text: string, specs: readonly ArgumentSpec[]): HumanArguments {
  const flags = new Set<string>();
  const words: Record<string, string> = {};
  let rest = text;
  for (const spec of specs) {
    rest = rest.trimStart();
    if ('flag' in spec) {
      const match = /^-(\S)\S*/.exec(rest);
      if (match === null) continue;
      if (match[1] !== spec.flag) {
        // It may be a later one's.
        if (specs.some((other) => 'flag' in other && other.flag === match[1])) continue;
        throw new LineError(`${command}: unsupported option -${match[1]}`);
      }
      flags.add(spec.flag);
      rest = rest.slice(match[0].length);
      continue;
    }
    if (rest === '') {
      if (spec.optional === true) continue;
      throw missing(command, spec.kind);
    }
    const [word, after] = takeWord(rest);
    words[spec.name] = checked(command, spec.kind, word);
    rest = after;
  }
  if (rest.trim() !== '') throw new LineError(`${command}: extraneous characters at the end of line`);
  return Object.assign(words, { flags });
}

function missing(command: string, kind: WordKind): LineError {
  if (kind === 'size') return new LineError('invalid size');
  if (kind === 'integer') return new LineError('integer expected');
  return new LineError(`${command}: ${EXPECTED[kind]} expected`);
}

function checked(command: string, kind: WordKind, word: string): string {
  if (kind === 'size') {
    try {
      return String(parseSize(command, word));
    } catch {
      throw new LineError('invalid size');
    }
  }
  if (kind === 'integer' && !/^-?\d+$/.test(word)) throw new LineError('invalid number');
  return word;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', '\\': '\\', "'": "'", '"': '"' };

/** The next word, which may stand in quotes, and what follows it. */
export function takeWord(text: string): readonly [word: string, rest: string] {
  if (!text.startsWith('"')) {
    const end = text.search(/\s|$/);
    return [text.slice(0, end), text.slice(end)];
  }
  let word = '';
  for (let at = 1; at < text.length; at++) {
    const letter = text[at];
    if (letter === '"') return [word, text.slice(at + 1)];
    if (letter !== '\\') word += letter;
    else {
      const escaped = ESCAPES[text[++at] ?? ''];
      if (escaped === undefined) throw new LineError(`unsupported escape code: '\\${text[at] ?? ''}'`);
      word += escaped;
    }
  }
  throw new LineError('unterminated string');
}
