/**
 * QAPI schema compiler: text of schema files to TypeScript types and to the table that drives validation.
 *
 * @packageDocumentation
 */
import { checkSchema } from './check.js';
import { emitTable } from './emit-table.js';
import { emitTypes } from './emit-types.js';
import { loadSchema, type SourceReader } from './load.js';

export { checkSchema } from './check.js';
export { parseDoc, type Doc } from './doc.js';
export { emitTable } from './emit-table.js';
export { emitTypes } from './emit-types.js';
export { loadSchema, type SourceReader } from './load.js';
export type { Schema, TypeDef, TypeRef, Member } from './model.js';
export { parseSchemaText, SchemaError, type Expression, type QapiObject, type QapiValue } from './parse.js';

/** Names of the generated files and their text. Throws a `SchemaError`. */
export function generate(path: string, reader: SourceReader): Map<string, string> {
  const schema = checkSchema(loadSchema(path, reader));
  const header = `// Generated from ${path} by "npm run generate"; edit the schema instead.\n`;
  return new Map([
    ['types.ts', emitTypes(schema, header)],
    ['table.ts', emitTable(schema, header)],
  ]);
}
