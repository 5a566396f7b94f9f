/** Validation against the schema of the block layer, typed by the generated maps. */
import { QmpError } from './errors.js';
import { table } from './generated/table.js';
import type { QapiTypeMap, QmpCommands, QmpEvents } from './generated/types.js';
import type { Path } from './path.js';
import { lookup, type DataEntry } from './table.js';
import { Visitor } from './visit.js';

/** Name of a type, a command, an event. */
export type QapiTypeName = keyof QapiTypeMap;
export type QmpCommandName = keyof QmpCommands;
export type QmpEventName = keyof QmpEvents;

const json = new Visitor(table, false);
const keyval = new Visitor(table, true);

/**
 * Checks a value that came over the wire, or from a caller who is not trusted.
 *
 * @param path how errors call the value; without it they name its members alone
 * @returns a fresh value with the members that the schema knows; only `any` members are the caller's own
 * @throws QmpError of class `GenericError`, worded as QEMU words it
 */
export function validateType<N extends QapiTypeName>(name: N, value: unknown, path?: string): QapiTypeMap[N] {
  return json.visit(name, value, rootOf(path)) as QapiTypeMap[N];
}

/**
 * Checks options from a command line: the tree that `parseKeyval` makes, where every scalar is a string. Strings become
 * what the schema wants: `on` and `off` booleans, numbers with `0x`, sizes with a suffix.
 *
 * @throws QmpError of class `GenericError`, worded as QEMU words it
 */
export function coerceType<N extends QapiTypeName>(name: N, value: unknown, path?: string): QapiTypeMap[N] {
  return keyval.visit(name, value, rootOf(path)) as QapiTypeMap[N];
}

/**
 * Checks the arguments of a command; left out means none.
 *
 * @throws QmpError `CommandNotFound` for a command that the schema does not have, else `GenericError`
 */
export function validateCommandArguments<N extends QmpCommandName>(name: N, args: unknown): QmpCommands[N]['arguments'];
export function validateCommandArguments(name: string, args: unknown): unknown;
export function validateCommandArguments(name: string, args: unknown): unknown {
  const command = lookup(table.commands, name);
  if (command === undefined) throw new QmpError('CommandNotFound', `The command ${name} has not been found`);
  if (args === null || (args !== undefined && typeof args !== 'object') || Array.isArray(args)) {
    throw new QmpError('GenericError', "QMP input member 'arguments' must be an object");
  }
  return visitData(command, args ?? {});
}

/** Checks what a command returned. Throws a `QmpError`. */
export function validateCommandReturn<N extends QmpCommandName>(name: N, value: unknown): QmpCommands[N]['returns'] {
  const { returns } = table.commands[name];
  const checked = returns === undefined ? json.visitMembers({}, value, rootOf('return')) : json.visit(returns, value, rootOf('return'));
  return checked;
}

/** Checks the data of an event; left out means none. Throws a `QmpError`. */
export function validateEventData<N extends QmpEventName>(name: N, data: unknown): QmpEvents[N] {
  return visitData(table.events[name], data ?? {}) as QmpEvents[N];
}

/** The commands of the schema, in its order. */
export function commandNames(): QmpCommandName[] {
  return Object.keys(table.commands) as QmpCommandName[];
}

/** The events of the schema, in its order. */
export function eventNames(): QmpEventName[] {
  return Object.keys(table.events) as QmpEventName[];
}

/** The values of an enumeration, in the order of the schema. Throws a `RangeError` if `name` is not one. */
export function enumValues<N extends QapiTypeName>(name: N): readonly QapiTypeMap[N][] {
  const values = lookup(table.types, name)?.enum;
  if (values === undefined) throw new RangeError(`no enumeration '${name}' in the schema`);
  return values as readonly QapiTypeMap[N][];
}

function visitData(entry: DataEntry, value: unknown): unknown {
  const { data = {} } = entry;
  return typeof data === 'string' ? json.visit(data, value, undefined) : json.visitMembers(data, value, undefined);
}

function rootOf(path: string | undefined): Path {
  return path === undefined ? undefined : { parent: undefined, step: path };
}
