/**
 * QAPI schema of the block layer as TypeScript types, run-time validators and introspection data.
 *
 * @packageDocumentation
 */
export { QmpError, type QmpErrorClass } from './errors.js';
export type * from './generated/types.js';
export { toSafeInteger, type EmptyObject, type Int64, type Uint64 } from './integers.js';
export { parseKeyval, parseOptions, type KeyvalTree } from './keyval.js';
export { introspection, type IntrospectionFilter } from './introspect.js';
export {
  coerceType,
  commandNames,
  enumValues,
  eventNames,
  validateCommandArguments,
  validateCommandReturn,
  validateEventData,
  validateType,
  type QapiTypeName,
  type QmpCommandName,
  type QmpEventName,
} from './validate.js';
