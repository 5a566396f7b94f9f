/** Definitions of nodes: dotted keys folded into objects, and the options that every node has told from the driver's own. */
import { BlockError } from '../errors.js';
import { checkOptions, type OptionTable } from '../options/spec.js';

export type Definition = Readonly<Record<string, unknown>>;

const DETECT_ZEROES = ['off', 'on', 'unmap'] as const;

/** Options of every node, whatever its driver. */
const COMMON: OptionTable = {
  driver: { type: 'string' },
  'node-name': { type: 'string' },
  'read-only': { type: 'bool' },
  'auto-read-only': { type: 'bool' },
  'force-share': { type: 'bool' },
  discard: { type: ['ignore', 'unmap', 'off', 'on'] },
  'detect-zeroes': { type: DETECT_ZEROES },
  'copy-on-read': { type: 'bool' },
  aio: { type: ['threads', 'native', 'io_uring'] },
  cache: { type: 'any' },
};

const CACHE: OptionTable = {
  'cache.writeback': { type: 'bool' },
  'cache.direct': { type: 'bool' },
  'cache.no-flush': { type: 'bool' },
};

/** The checked common options; undefined where not given, so that defaults and inheritance can apply. */
export interface CommonOptions {
  readonly driver?: string;
  readonly 'node-name'?: string;
  readonly 'read-only'?: boolean;
  readonly 'auto-read-only'?: boolean;
  readonly 'force-share'?: boolean;
  readonly discard?: 'ignore' | 'unmap' | 'off' | 'on';
  readonly 'detect-zeroes'?: (typeof DETECT_ZEROES)[number];
  readonly 'copy-on-read'?: boolean;
  readonly aio?: string;
  readonly cache?: { readonly writeback?: boolean; readonly direct?: boolean; readonly 'no-flush'?: boolean };
}

/** Folds `{ 'file.filename': x }` into `{ file: { filename: x } }`. Numbered keys make lists. */
export function unflatten(flat: Definition): Definition {
  if (!Object.keys(flat).some((key) => key.includes('.'))) return flat;
  const nested: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(flat)) {
    const path = key.split('.');
    if (path.length > 32) throw new BlockError('invalid-argument', `Option '${key.slice(0, 40)}…' is nested too deeply`);
    let at = nested;
    path.slice(0, -1).forEach((part, depth) => {
      const next = Object.hasOwn(at, part) ? at[part] : undefined;
      if (next !== undefined && (typeof next !== 'object' || next === null)) {
        throw new BlockError('invalid-argument', `Parameter '${path.slice(0, depth + 1).join('.')}' is used inconsistently`);
      }
      // Copied, not shared: the caller's objects stay as they are.
      const copy = { ...(next as Record<string, unknown> | undefined) };
      define(at, part, copy);
      at = copy;
    });
    const last = path[path.length - 1];
    define(at, last, Object.hasOwn(at, last) ? joined(at[last], value) : value);
  }
  return nested;
}

/** Members of one object may come under dotted keys and as an object; of two values for one member the later counts. */
function joined(before: unknown, value: unknown): unknown {
  if (!isPlain(before) || !isPlain(value)) return value;
  const both: Record<string, unknown> = {};
  for (const [key, item] of [...Object.entries(before), ...Object.entries(value)]) define(both, key, Object.hasOwn(both, key) ? joined(both[key], item) : item);
  return both;
}

/** A node is no bundle of options. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Splits a definition into the checked common options and what is the driver's. */
export function splitCommon(definition: Definition): { common: CommonOptions; own: Record<string, unknown> } {
  const common: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(definition)) define(Object.hasOwn(COMMON, key) ? common : own, key, value);
  const checked = checkOptions(common, COMMON, unexpected);
  if (checked.cache !== undefined) {
    if (typeof checked.cache !== 'object') {
      throw new BlockError('invalid-argument', "Invalid parameter type for 'cache', expected: object");
    }
    checked.cache = checkCache(checked.cache as Record<string, unknown>);
  }
  return { common: checked, own };
}

/** Checked under their full names, which messages show. */
function checkCache(cache: Record<string, unknown>): Record<string, unknown> {
  const named = Object.fromEntries(Object.entries(cache).map(([name, value]) => [`cache.${name}`, value]));
  const checked = checkOptions(named, CACHE, unexpected);
  return Object.fromEntries(Object.entries(checked).map(([name, value]) => [name.slice('cache.'.length), value]));
}

/** Own property whatever the key: `__proto__` out of JSON must not reach the prototype. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

function unexpected(option: string): string {
  return `Parameter '${option}' is unexpected`;
}
