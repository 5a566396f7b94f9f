/**
 * JSON as monitors speak it: a stream of values in, text in QEMU's style out, 64-bit integers exact.
 *
 * @packageDocumentation
 */
export { parseJson } from './json/parse.js';
export { JsonStream, type JsonStreamHandlers } from './json/stream.js';
export { stringify, type StringifyOptions } from './json/stringify.js';
export type { JsonLimits, JsonObject, JsonValue } from './json/value.js';
