/**
 * Property lists in XML, as far as disk images use them: a strict reader of untrusted text. No entity is expanded but the five of XML, and what a
 * document type says is not looked at.
 */
import type { BlockError } from '@blk/core-graph';
import { dmgError } from './errors.js';

/** Dictionaries are maps; numbers, dates and truth values are the text that they are written as. */
export type PlistValue = string | PlistData | PlistArray | PlistDict;
export type PlistArray = readonly PlistValue[];
export type PlistDict = ReadonlyMap<string, PlistValue>;

/** Base64 that nobody has looked at yet. */
export class PlistData {
  constructor(private readonly text: string) {}

  bytes(): Uint8Array {
    let decoded: string;
    try {
      decoded = atob(this.text);
    } catch {
      throw failed('has data that is not base64');
    }
    return Uint8Array.from(decoded, (letter) => letter.charCodeAt(0));
  }
}

const MAX_DEPTH = 32;
const SCALARS = new Set(['string', 'integer', 'real', 'date', 'true', 'false']);
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The value in a property list. Throws a `BlockError` and nothing else. */
export function parsePlist(text: string): PlistValue {
  const reader = new Reader(text);
  reader.open('plist');
  const value = reader.value(0);
  reader.close('plist');
  return value;
}

interface Tag {
  readonly name: string;
  /** `</name>`. */
  readonly closing: boolean;
  /** `<name/>`. */
  readonly empty: boolean;
}

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  open(name: string): void {
    const tag = this.#tag();
    if (tag.name !== name || tag.closing || tag.empty) throw failed(`has ${shown(tag)} where <${name}> was expected`);
  }

  close(name: string): void {
    const tag = this.#tag();
    if (tag.name !== name || !tag.closing) throw failed(`does not end <${name}>`);
  }

  value(depth: number, tag = this.#tag()): PlistValue {
    if (depth > MAX_DEPTH) throw failed('is nested too deeply');
    if (tag.closing) throw failed(`has ${shown(tag)} where a value was expected`);
    if (tag.name === 'dict') return tag.empty ? new Map<string, PlistValue>() : this.#dict(depth);
    if (tag.name === 'array') return tag.empty ? [] : this.#array(depth);
    if (tag.name === 'data') return new PlistData(tag.empty ? '' : this.#content('data'));
    if (SCALARS.has(tag.name)) return tag.empty ? '' : unescaped(this.#content(tag.name));
    throw failed(`has a value of the unknown kind ${shown(tag)}`);
  }

  #dict(depth: number): PlistDict {
    const entries = new Map<string, PlistValue>();
    for (;;) {
      const tag = this.#tag();
      if (tag.closing && tag.name === 'dict') return entries;
      if (tag.name !== 'key' || tag.closing) throw failed(`has ${shown(tag)} where <key> was expected`);
      const key = tag.empty ? '' : unescaped(this.#content('key'));
      entries.set(key, this.value(depth + 1));
    }
  }

  #array(depth: number): PlistArray {
    const values: PlistValue[] = [];
    for (;;) {
      const tag = this.#tag();
      if (tag.closing && tag.name === 'array') return values;
      values.push(this.value(depth + 1, tag));
    }
  }

  /** The text up to the end of the element `name`. */
  #content(name: string): string {
    const end = this.text.indexOf('<', this.#at);
    if (end < 0) throw failed(`does not end <${name}>`);
    const content = this.text.slice(this.#at, end);
    this.#at = end;
    this.close(name);
    return content;
  }

  /** The next tag; only white space may come before it, and what is no element. */
  #tag(): Tag {
    for (;;) {
      const start = this.text.indexOf('<', this.#at);
      if (start < 0) throw failed('ends early');
      if (this.text.slice(this.#at, start).trim() !== '') throw failed('has text where a tag was expected');
      const comment = this.text.startsWith('<!--', start);
      const end = this.text.indexOf(comment ? '-->' : '>', start);
      if (end < 0) throw failed('ends early');
      this.#at = end + (comment ? 3 : 1);
      const body = this.text.slice(start + 1, end);
      if (comment || body.startsWith('?')) continue;
      if (!body.startsWith('!')) return tagOf(body);
      if (!/^!DOCTYPE [^[]*$/.test(body)) throw failed('has declarations of its own');
    }
  }
}

function tagOf(body: string): Tag {
  const closing = body.startsWith('/');
  const empty = body.endsWith('/');
  const [name] = body.slice(closing ? 1 : 0, empty ? -1 : undefined).split(/\s/, 1);
  return { name, closing, empty };
}

function shown({ name, closing }: Tag): string {
  return `<${closing ? '/' : ''}${name.slice(0, 40)}>`;
}

function unescaped(text: string): string {
  return text.replaceAll(/&([^;]{0,8});?/g, (whole, name: string) => {
    if (Object.hasOwn(ENTITIES, name)) return ENTITIES[name];
    // A character by its number: in names only, which nobody compares.
    if (/^#(x[0-9a-fA-F]+|[0-9]+)$/.test(name)) return '\ufffd';
    throw failed(`refers to the unknown entity ${whole}`);
  });
}

function failed(why: string): BlockError {
  return dmgError({ what: 'plist', why });
}
