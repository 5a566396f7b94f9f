/** Rules as options and files give them, checked: which event they wait for, in which state, and what they do. */
import { checkOption, DEBUG_EVENTS, type DebugEvent } from '@blk/core-graph';
import { blkdebugError } from './errors.js';

/** Kinds of requests, by bit; in the order of their names in the schema. */
export const IoType = { Read: 1, Write: 2, WriteZeroes: 4, Discard: 8, Flush: 16, BlockStatus: 32 } as const;

const IO_TYPES: Readonly<Record<string, number>> = {
  read: IoType.Read,
  write: IoType.Write,
  'write-zeroes': IoType.WriteZeroes,
  discard: IoType.Discard,
  flush: IoType.Flush,
  'block-status': IoType.BlockStatus,
};

/** What a rule is about that names no kind of request. */
const ALL_BUT_STATUS = IoType.Read | IoType.Write | IoType.WriteZeroes | IoType.Discard | IoType.Flush;

/** Events that the reference has had since; they are taken, and nothing here raises them. */
const LATER_EVENTS = ['l1_shrink_write_table', 'l1_shrink_free_l2_clusters', 'cluster_alloc_space'] as const;

export type KnownEvent = DebugEvent | (typeof LATER_EVENTS)[number];

/** `none` is not raised by anybody: such rules are in force from the beginning. */
export type RuleEvent = KnownEvent | 'none';

interface RuleBase {
  readonly event: RuleEvent;
  /** The state in which the rule counts; 0: any. */
  readonly state: number;
}

export interface InjectError extends RuleBase {
  readonly kind: 'inject-error';
  /** Linux number; nothing fails where it is not positive. */
  readonly errno: number;
  /** `IoType`s. */
  readonly ioTypes: number;
  /** Bytes; -1: requests of any place. */
  readonly offset: number;
  readonly once: boolean;
  readonly immediately: boolean;
}

export interface SetState extends RuleBase {
  readonly kind: 'set-state';
  readonly newState: number;
}

export type Rule = InjectError | SetState;

const MEMBERS = {
  'inject-error': ['event', 'state', 'iotype', 'errno', 'sector', 'once', 'immediately'],
  'set-state': ['event', 'state', 'new_state'],
} as const;

const SECTOR = 512;
const EIO = 5;

/** One rule from its members, which may be texts, or null: then they are as good as not there. Throws in QEMU's words. */
export function parseRule(kind: Rule['kind'], given: Readonly<Record<string, unknown>>, unknown: (name: string) => string): Rule {
  const values = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  for (const name of Object.keys(given)) if (!(MEMBERS[kind] as readonly string[]).includes(name)) throw rule(unknown(name));
  const event = eventOf(values['event']);
  const number = (name: string, otherwise: number): number => numberOf(name, values[name], otherwise);
  const state = number('state', 0);
  if (kind === 'set-state') return { kind, event, state, newState: number('new_state', 0) };
  const flag = (name: string): boolean => values[name] !== undefined && (checkOption(name, typeof values[name] === 'boolean' ? values[name] : textOf(values[name]), 'bool') as boolean);
  const sector = number('sector', -1);
  return {
    kind,
    event,
    state,
    errno: number('errno', EIO),
    ioTypes: ioTypesOf(values['iotype']),
    offset: sector === -1 ? -1 : sector * SECTOR,
    once: flag('once'),
    immediately: flag('immediately'),
  };
}

/** The event of this name, be it today's or that of the schema of 2.4 (`l1_grow.alloc_table`); undefined where there is none. */
export function parseEvent(name: string): KnownEvent | undefined {
  const today = name.replace('.', '_');
  return [...DEBUG_EVENTS, ...LATER_EVENTS].find((event) => event === today);
}

/** The option `inject-error` or `set-state`: a list, one rule, or a list whose members were numbered. What has no members is no option of QEMU's. */
export function parseRules(kind: Rule['kind'], value: unknown): Rule[] {
  if (value === undefined) return [];
  const members = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  if (members.length === 0) throw rule(`Block protocol 'blkdebug' doesn't support the option '${kind}'`);
  const numbered = !Array.isArray(value) && members.every((key) => /^\d+$/.test(key));
  if (numbered) checkNumbers(kind, value as Record<string, unknown>);
  const list: unknown[] = Array.isArray(value) || numbered ? Object.values(value as object) : [value];
  return list.map((item, index) => {
    if (!isRecord(item)) throw rule(`[${kind}] section (index ${index}) does not consist of keys`);
    return parseRule(kind, item, (name) => `[${kind}] section doesn't support the option '${name}'`);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The members of a list that was spelled out are numbered from 0. */
function checkNumbers(kind: Rule['kind'], list: Readonly<Record<string, unknown>>): void {
  const odd = Object.entries(list).find(([key], index) => key !== String(index));
  if (odd === undefined) return;
  const [key, item] = odd;
  const member = typeof item === 'object' && item !== null ? `.${Object.keys(item)[0]}` : '';
  throw rule(`Unused option '${key}${member}' for [${kind}]`);
}

function eventOf(value: unknown): RuleEvent {
  if (value === undefined) throw rule('Missing event name for rule');
  const event = value === 'none' ? value : parseEvent(textOf(value));
  if (event === undefined) throw rule(`invalid parameter value: ${textOf(value)}`);
  return event;
}

function ioTypesOf(value: unknown): number {
  if (value === undefined) return ALL_BUT_STATUS;
  const name = textOf(value);
  if (!Object.hasOwn(IO_TYPES, name)) throw rule(`invalid parameter value: ${name}`);
  return IO_TYPES[name];
}

/** Sign, and digits in one of the bases that C has. */
const NUMBER = /^\s*([+-]?)(?:(0[xX][\dA-Fa-f]+)|0([0-7]*)|([1-9]\d*))$/;
/** Bits of a number, and of those that are longer. */
const INT = 32;
const BITS: Readonly<Record<string, number>> = { sector: 64 };

/** A whole number, which QEMU takes in text as well; what is too long for its place is cut, as there. */
function numberOf(name: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  const text = textOf(value);
  const [, sign, hex, octal, decimal] = NUMBER.exec(text) ?? [];
  if (sign === undefined) throw rule(`Parameter '${name}' expects a number`);
  const number = BigInt(hex ?? decimal ?? (octal === '' ? '0' : `0o${octal}`));
  if (number >= 2n ** 64n) throw rule(`Value '${text}' is too large for parameter '${name}'`);
  return Number(BigInt.asIntN(BITS[name] ?? INT, sign === '-' ? -number : number));
}

function textOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'bigint') return String(value);
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? '';
}

function rule(text: string): Error {
  return blkdebugError({ what: 'rule', text });
}
