/**
 * Text of one QAPI schema file to a list of expressions.
 *
 * QAPI is JSON with single-quoted strings and `#` comments; a `##` … `##` block before an expression documents it.
 */
import { parseDoc, type Doc } from './doc.js';

/** A value as QAPI writes it. There are no numbers. */
export type QapiValue = string | boolean | QapiValue[] | QapiObject;

/** Members in the order of the source. */
export type QapiObject = Map<string, QapiValue>;

/** One top-level expression with where it stands and what its doc comment says. */
export interface Expression {
  readonly value: QapiObject;
  readonly file: string;
  readonly line: number;
  readonly doc: Doc | undefined;
}

/** A schema that cannot be used; the message starts with `file:line:`. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  constructor(file: string, line: number, what: string) {
    super(`${file}:${line}: ${what}`);
  }
}

interface Token {
  readonly kind: 'punctuation' | 'string' | 'boolean' | 'end';
  readonly text: string;
  readonly line: number;
}

/** Parses one file. Throws a {@link SchemaError}. */
export function parseSchemaText(text: string, file: string): Expression[] {
  return new Parser(text, file).expressions();
}

const MAX_DEPTH = 32;

class Parser {
  #at = 0;
  #line = 1;
  #token: Token;
  #doc: { readonly text: string; readonly line: number } | undefined;

  constructor(
    private readonly text: string,
    private readonly file: string,
  ) {
    this.#token = this.#next();
  }

  expressions(): Expression[] {
    const found: Expression[] = [];
    while (this.#token.kind !== 'end') {
      const { line } = this.#token;
      const pending = this.#doc;
      this.#doc = undefined;
      const value = this.#value(0);
      if (!(value instanceof Map)) this.#fail(line, 'a top-level expression must be an object');
      const doc = pending === undefined ? undefined : parseDoc(pending.text);
      found.push({ value, file: this.file, line, doc });
    }
    return found;
  }

  #fail(line: number, what: string): never {
    throw new SchemaError(this.file, line, what);
  }

  #value(depth: number): QapiValue {
    const token = this.#token;
    if (depth > MAX_DEPTH) this.#fail(token.line, 'nested too deeply');
    if (token.kind === 'string') return this.#take().text;
    if (token.kind === 'boolean') return this.#take().text === 'true';
    if (token.text === '{') return this.#object(depth);
    if (token.text === '[') return this.#list(depth);
    return this.#fail(token.line, `expected a value, found ${name(token)}`);
  }

  #object(depth: number): QapiObject {
    const members: QapiObject = new Map();
    this.#take();
    while (this.#token.text !== '}' || this.#token.kind !== 'punctuation') {
      if (members.size > 0) this.#expect(',');
      const key = this.#token;
      if (key.kind !== 'string') this.#fail(key.line, `expected a quoted member name, found ${name(key)}`);
      this.#take();
      this.#expect(':');
      if (members.has(key.text)) this.#fail(key.line, `duplicate key '${key.text}'`);
      members.set(key.text, this.#value(depth + 1));
    }
    this.#take();
    return members;
  }

  #list(depth: number): QapiValue[] {
    const items: QapiValue[] = [];
    this.#take();
    while (this.#token.text !== ']' || this.#token.kind !== 'punctuation') {
      if (items.length > 0) this.#expect(',');
      items.push(this.#value(depth + 1));
    }
    this.#take();
    return items;
  }

  #expect(text: string): void {
    const token = this.#token;
    if (token.kind !== 'punctuation' || token.text !== text) {
      this.#fail(token.line, `expected '${text}', found ${name(token)}`);
    }
    this.#take();
  }

  #take(): Token {
    const token = this.#token;
    this.#token = this.#next();
    return token;
  }

  #next(): Token {
    this.#skipBlank();
    const line = this.#line;
    const char = this.text[this.#at];
    if (char === undefined) return { kind: 'end', text: '', line };
    if ('{}[]:,'.includes(char)) {
      this.#at += 1;
      return { kind: 'punctuation', text: char, line };
    }
    if (char === "'" || char === '"') return { kind: 'string', text: this.#string(char), line };
    for (const word of ['true', 'false']) {
      if (this.text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return { kind: 'boolean', text: word, line };
      }
    }
    return this.#fail(line, `stray '${char}'`);
  }

  #string(quote: string): string {
    const end = this.text.indexOf(quote, this.#at + 1);
    const newline = this.text.indexOf('\n', this.#at);
    if (end < 0 || (newline >= 0 && newline < end)) this.#fail(this.#line, 'unterminated string');
    const body = this.text.slice(this.#at + 1, end);
    if (body.includes('\\')) this.#fail(this.#line, 'escapes are not allowed in schema strings');
    this.#at = end + 1;
    return body;
  }

  /** Blanks and comments; a doc block found on the way is kept for the next expression. */
  #skipBlank(): void {
    for (;;) {
      const char = this.text[this.#at];
      if (char === '\n') {
        this.#line += 1;
        this.#at += 1;
      } else if (char === ' ' || char === '\t' || char === '\r') {
        this.#at += 1;
      } else if (char === '#') {
        if (this.#restOfLine() === '##') this.#docBlock();
        else this.#skipLine();
      } else {
        return;
      }
    }
  }

  #docBlock(): void {
    const line = this.#line;
    const lines: string[] = [];
    this.#skipLine();
    for (;;) {
      const text = this.#restOfLine();
      if (!text.startsWith('#')) this.#fail(line, "documentation block is not closed by '##'");
      this.#skipLine();
      if (text === '##') break;
      lines.push(text.slice(1).replace(/^ /, ''));
    }
    this.#doc = { text: lines.join('\n'), line };
  }

  #restOfLine(): string {
    const end = this.text.indexOf('\n', this.#at);
    return this.text.slice(this.#at, end < 0 ? this.text.length : end).trim();
  }

  /** Moves to the first character of the next line (the line count included). */
  #skipLine(): void {
    const end = this.text.indexOf('\n', this.#at);
    if (end < 0) {
      this.#at = this.text.length;
      return;
    }
    this.#at = end + 1;
    this.#line += 1;
    while (this.text[this.#at] === ' ' || this.text[this.#at] === '\t') this.#at += 1;
  }
}

function name(token: Token): string {
  return token.kind === 'end' ? 'the end of the file' : `'${token.text}'`;
}
