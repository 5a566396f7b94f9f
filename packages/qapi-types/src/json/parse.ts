/** One JSON text at once, as an option value or a `json:` file name holds it. */
import { QmpError } from '../errors.js';
import { JsonStream } from './stream.js';
import { parseError } from './parse-value.js';
import type { JsonLimits, JsonValue } from './value.js';

/**
 * Parses a text that holds one value. What the monitor's stream takes is taken here: single quotes, 64-bit integers.
 *
 * @throws QmpError worded as QEMU words it
 */
export function parseJson(text: string, limits?: JsonLimits): JsonValue {
  const values: JsonValue[] = [];
  const errors: QmpError[] = [];
  const stream = new JsonStream({ onValue: (value) => values.push(value), onError: (error) => errors.push(error) }, limits);
  stream.push(new TextEncoder().encode(text));
  stream.end();
  if (errors.length > 0) throw errors[0];
  if (values.length === 0) throw parseError('premature EOI');
  if (values.length > 1) throw new QmpError('GenericError', 'Expecting at most one JSON value');
  return values[0]!;
}
