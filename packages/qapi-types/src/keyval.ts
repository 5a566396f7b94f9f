/**
 * The text of options such as `--blockdev` takes: `driver=qcow2,file.driver=file,file.filename=a,,b.img`.
 *
 * Keys are fragments joined by dots; a fragment of digits alone is an index of a list. A comma in a value is written
 * twice. The last of several equal keys counts.
 */
import { QmpError } from './errors.js';
import { parseJson } from './json/parse.js';
import type { QapiTypeMap } from './generated/types.js';
import { coerceType, validateType, type QapiTypeName } from './validate.js';

/** What dotted keys make: strings in objects and lists. */
export type KeyvalTree = string | KeyvalTree[] | { [key: string]: KeyvalTree };

/**
 * Parses `key=value` pairs into a tree, for `coerceType` to give it types.
 *
 * @param impliedKey the key of a first value that stands without one
 * @throws QmpError worded as QEMU words it
 */
export function parseKeyval(text: string, impliedKey?: string): { [key: string]: KeyvalTree } {
  const root: Branch = new Map();
  let at = 0;
  let first = true;
  while (at < text.length) {
    const { key, value, next } = nextPair(text, at, first ? impliedKey : undefined);
    put(root, key, value);
    at = next;
    first = false;
  }
  return toObject(root, '');
}

/**
 * Options as a tool takes them: JSON if the text starts with a brace, else `key=value` pairs.
 *
 * @throws QmpError worded as QEMU words it
 */
export function parseOptions<N extends QapiTypeName>(type: N, text: string, impliedKey?: string): QapiTypeMap[N] {
  if (text.startsWith('{')) return validateType(type, parseJson(text));
  return coerceType(type, parseKeyval(text, impliedKey));
}

/** Longest fragment of a key. */
const MAX_FRAGMENT = 127;

/** Keys with more fragments than this are refused; no option is nested so deeply. */
const MAX_FRAGMENTS = 1024;

type Branch = Map<string, string | Branch>;

interface Pair {
  readonly key: readonly string[];
  readonly value: string;
  /** Where the next pair starts. */
  readonly next: number;
}

function nextPair(text: string, at: number, impliedKey: string | undefined): Pair {
  const end = /[=,]/g;
  end.lastIndex = at;
  const stop = end.exec(text)?.index ?? text.length;
  if (text[stop] === '=') return { key: parseKey(text.slice(at, stop)), ...valueAt(text, stop + 1) };
  const word = text.slice(at, stop);
  if (impliedKey !== undefined && word !== '') {
    const found = valueAt(text, at);
    return { key: parseKey(impliedKey), ...found };
  }
  if (word === 'help' || word === '?') throw new QmpError('GenericError', 'Help is not available for this option');
  parseKey(word);
  throw new QmpError('GenericError', `Expected '=' after parameter '${word}'`);
}

/** A value up to a comma that is not doubled. */
function valueAt(text: string, start: number): { value: string; next: number } {
  const parts: string[] = [];
  let from = start;
  for (;;) {
    const comma = text.indexOf(',', from);
    if (comma < 0) return { value: parts.join('') + text.slice(from), next: text.length };
    if (text[comma + 1] !== ',') return { value: parts.join('') + text.slice(from, comma), next: comma + 1 };
    parts.push(text.slice(from, comma + 1));
    from = comma + 2;
  }
}

/** A key to its fragments. The first cannot be an index. A name behind `__` may hold a domain and so dots. */
function parseKey(key: string): string[] {
  const fragments: string[] = [];
  const fragment = /(__[A-Za-z0-9.-]+_[A-Za-z][A-Za-z0-9_-]*|[A-Za-z][A-Za-z0-9_-]*|[0-9]+)(\.|$)/y;
  while (fragment.lastIndex < key.length || fragments.length === 0) {
    const match = fragment.exec(key);
    const isBad = match === null || (fragments.length === 0 && /^[0-9]/.test(match[1])) || match[0].length === 0;
    const isCut = match?.[2] === '.' && fragment.lastIndex === key.length;
    if (isBad || isCut || fragments.length === MAX_FRAGMENTS) throw new QmpError('GenericError', `Invalid parameter '${key}'`);
    if (match[1].length > MAX_FRAGMENT) {
      const what = match[1].length === key.length ? 'Parameter' : 'Parameter fragment';
      throw new QmpError('GenericError', `${what} '${match[1]}' is too long`);
    }
    fragments.push(match[1]);
  }
  return fragments;
}

function put(root: Branch, key: readonly string[], value: string): void {
  let branch = root;
  for (const [index, fragment] of key.entries()) {
    const isLast = index === key.length - 1;
    const old = branch.get(fragment);
    if (old !== undefined && (typeof old === 'string') !== isLast) {
      throw inconsistent(key.slice(0, index + 1).join('.'));
    }
    if (isLast) {
      branch.set(fragment, value);
      return;
    }
    const inner: Branch = (old as Branch | undefined) ?? new Map<string, string | Branch>();
    branch.set(fragment, inner);
    branch = inner;
  }
}

function inconsistent(key: string): QmpError {
  return new QmpError('GenericError', `Parameters '${key}.*' used inconsistently`);
}

function toObject(branch: Branch, path: string): { [key: string]: KeyvalTree } {
  const object: { [key: string]: KeyvalTree } = {};
  for (const [name, value] of branch) object[name] = toTree(value, path === '' ? name : `${path}.${name}`);
  return object;
}

/** A branch whose keys are all indices is a list, and has every index from 0 on. */
function toTree(value: string | Branch, path: string): KeyvalTree {
  if (typeof value === 'string') return value;
  const indices = [...value.keys()].filter((key) => /^[0-9]/.test(key)).length;
  if (indices === 0) return toObject(value, path);
  if (indices < value.size) throw inconsistent(path);
  const byIndex = new Map([...value].map(([key, item]) => [Number(key), item] as const));
  return Array.from({ length: byIndex.size }, (_, index) => {
    const item = byIndex.get(index);
    if (item === undefined) throw new QmpError('GenericError', `Parameter '${path}.${index}' missing`);
    return toTree(item, `${path}.${index}`);
  });
}
