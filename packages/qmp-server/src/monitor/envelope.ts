/** The envelope of a request: `{"execute": name, "arguments": {…}, "id": any}`, checked in QEMU's words. */
import { QmpError } from '@blk/qapi-types';
import type { JsonValue } from '@blk/qapi-types/json';

export interface Request {
  readonly command: string;
  /** An object, or undefined where there are none. */
  readonly args: JsonValue | undefined;
}

/** The `id` to be given back, of whatever was sent; undefined where it has none. */
export function idOf(message: JsonValue): JsonValue | undefined {
  return isObject(message) && Object.hasOwn(message, 'id') ? message.id : undefined;
}

/** Throws a `QmpError` for what is no request. */
export function parseRequest(message: JsonValue): Request {
  if (!isObject(message)) throw invalid('QMP input must be a JSON object');
  let command: string | undefined;
  let args: JsonValue | undefined;
  for (const [member, value] of Object.entries(message)) {
    switch (member) {
      case 'id':
        break;
      case 'execute':
        if (typeof value !== 'string') throw invalid("QMP input member 'execute' must be a string");
        command = value;
        break;
      case 'arguments':
        if (!isObject(value)) throw invalid("QMP input member 'arguments' must be an object");
        args = value;
        break;
      default:
        // `exec-oob` too: the greeting does not offer it.
        throw invalid(`QMP input member '${member}' is unexpected`);
    }
  }
  if (command === undefined) throw invalid("QMP input lacks member 'execute'");
  return { command, args };
}

function isObject(value: JsonValue): value is { [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(desc: string): QmpError {
  return new QmpError('GenericError', desc);
}
