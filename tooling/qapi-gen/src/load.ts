/** Reads a schema file and, once each, the files that it includes, in the order of first mention. */
import { parseSchemaText, SchemaError, type Expression } from './parse.js';

/** How the loader gets at files; paths are handed over as `resolve` made them. */
export interface SourceReader {
  /** Text of a file. Throws if there is none. */
  read(path: string): string;
  /** The path of `included` as written in the file `from`. */
  resolve(from: string, included: string): string;
}

/** All expressions of a schema, includes in place. Throws a {@link SchemaError}. */
export function loadSchema(path: string, reader: SourceReader): Expression[] {
  const done = new Set<string>();
  const open: string[] = [];
  const found: Expression[] = [];

  const load = (file: string, from: { file: string; line: number } | undefined): void => {
    if (open.includes(file)) {
      throw new SchemaError(from!.file, from!.line, `inclusion loop: ${[...open, file].join(' -> ')}`);
    }
    if (done.has(file)) return;
    open.push(file);
    for (const expression of parseSchemaText(readFile(reader, file, from), file)) {
      const included = expression.value.get('include');
      if (included === undefined) {
        found.push(expression);
        continue;
      }
      if (typeof included !== 'string' || expression.value.size !== 1) {
        throw new SchemaError(file, expression.line, "'include' takes one file name and nothing beside it");
      }
      load(reader.resolve(file, included), expression);
    }
    open.pop();
    done.add(file);
  };

  load(path, undefined);
  return found;
}

function readFile(reader: SourceReader, file: string, from: { file: string; line: number } | undefined): string {
  try {
    return reader.read(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SchemaError(from?.file ?? file, from?.line ?? 1, `cannot read '${file}': ${why}`);
  }
}
