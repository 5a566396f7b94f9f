/** One JSON text at once, as an option value or a `json:` file name holds it. */
import { QmpError } from '../errors.js';
import { JsonStream } from './stream.js';
import type { JsonLimits, JsonValue } from './value.js';

/**
 * Parses a text that holds one value. What the monitor's stream takes is taken here: single quotes, 64-bit integers.
 *
 * @throws QmpError worded as QEMU words it
 */
export function parseJson(text: string, limits?: JsonLimits): JsonValue {
  const found: (JsonValue | QmpError)[] = [];
  const stream = new JsonStream({ onValue: (value) => found.push(value), onError: (error) => found.push(error) }, limits);
  stream.push(new TextEncoder().encode(text));
  stream.end();
  const [first] = found;
  if (first === undefined) throw new QmpError('GenericError', 'Expecting a JSON value');
  if (first instanceof QmpError) throw first;
  if (found.length > 1) throw new QmpError('GenericError', 'Expecting at most one JSON value');
  return first;
}
