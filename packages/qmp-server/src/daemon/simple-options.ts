/** The older form of option values, which `--chardev`, `-drive` and `-qmp` take: `first,key=value,flag,noflag`. */
import { genericError } from '../errors.js';

export type SimpleOptions = Map<string, string>;

/** Parses. A comma in a value is written twice; a word alone is a flag (`wait` is `wait=on`, `nowait` is `wait=off`). */
export function parseSimpleOptions(text: string, firstKey: string): SimpleOptions {
  const options: SimpleOptions = new Map();
  split(text).forEach((word, index) => {
    const equals = word.indexOf('=');
    if (equals >= 0) options.set(word.slice(0, equals), word.slice(equals + 1));
    else if (index === 0) options.set(firstKey, word);
    else if (word.startsWith('no') && word !== 'nodelay') options.set(word.slice(2), 'off');
    else if (word !== '') options.set(word, 'on');
  });
  return options;
}

/** Takes a flag out of the options. */
export function takeFlag(options: SimpleOptions, name: string, otherwise: boolean): boolean {
  const value = take(options, name);
  if (value === undefined) return otherwise;
  if (['on', 'yes', 'true', 'y'].includes(value)) return true;
  if (['off', 'no', 'false', 'n'].includes(value)) return false;
  throw genericError(`Parameter '${name}' expects 'on' or 'off'`);
}

/** Takes a whole number from 0 out of the options. */
export function takeNumber(options: SimpleOptions, name: string): number | undefined {
  const value = take(options, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw genericError(`Parameter '${name}' expects a number`);
  return Number(value);
}

/** Takes a text out of the options. */
export function take(options: SimpleOptions, name: string): string | undefined {
  const value = options.get(name);
  options.delete(name);
  return value;
}

/** Throws where something is left. */
export function refuseOthers(options: SimpleOptions): void {
  for (const name of options.keys()) throw genericError(`Invalid parameter '${name}'`);
}

function split(text: string): string[] {
  const words: string[] = [];
  let word = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== ',') word += text[at];
    else if (text[at + 1] === ',') {
      word += ',';
      at++;
    } else {
      words.push(word);
      word = '';
    }
  }
  words.push(word);
  return words;
}
