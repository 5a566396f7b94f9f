/** The envelope of a request: `{"execute": name, "arguments": {…}, "id": any}`, checked in QEMU's words. */
import { QmpError } from '@blk/qapi-types';
import type { JsonValue } from '@blk/qapi-types/json';

export interface Request {
  readonly command: string;
  /** An object, or undefined where there are none. */
  readonly args: JsonValue | undefined;
  /** Asked for out of band: before those that wait. */
  readonly oob: boolean;
}

/** Whether the message asks for a command out of band, be it a request or not. */
export function isOutOfBand(message: JsonValue): boolean {
  return isObject(message) && Object.hasOwn(message, 'exec-oob');
}

/** The `id` to be given back, of whatever was sent; undefined where it has none. */
export function idOf(message: JsonValue): JsonValue | undefined {
  return isObject(message) && Object.hasOwn(message, 'id') ? message.id : undefined;
}

/** Throws a `QmpError` for what is no request. `oob`: the client may ask out of band. */
export function parseRequest(message: JsonValue, oob = false): Request {
  if (!isObject(message)) throw invalid('QMP input must be a JSON object');
  let command: string | undefined;
  let by: string | undefined;
  let args: JsonValue | undefined;
  for (const [member, value] of Object.entries(message)) {
    switch (member) {
      case 'id':
        break;
      case 'arguments':
        if (!isObject(value)) throw invalid("QMP input member 'arguments' must be an object");
        args = value;
        break;
      default:
        if (member === 'execute' || (member === 'exec-oob' && oob)) {
          if (by !== undefined) throw invalid(`QMP input member '${member}' clashes with '${by}'`);
          if (typeof value !== 'string') throw invalid(`QMP input member '${member}' must be a string`);
          command = value;
          by = member;
          break;
        }
        throw invalid(`QMP input member '${member}' is unexpected`);
    }
  }
  if (command === undefined) throw invalid("QMP input lacks member 'execute'");
  return { command, args, oob: by === 'exec-oob' };
}

function isObject(value: JsonValue): value is { [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(desc: string): QmpError {
  return new QmpError('GenericError', desc);
}
