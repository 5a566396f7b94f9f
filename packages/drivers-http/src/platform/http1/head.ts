/**
 * The head of an answer (RFC 9112, sections 4 to 6): its status, its fields, and where its body ends. What does not keep to the protocol is
 * refused, above all where two readers could see two different bodies in it.
 */

/** An answer that does not keep to the protocol; the message says in which way. */
export class Violation extends Error {}

export interface Head {
  readonly status: number;
  /** By their names in lower case; several of one name are joined by commas, but for those of which there is one at most. */
  readonly fields: ReadonlyMap<string, string>;
  /** Bytes of the body, or by what it ends. */
  readonly body: number | 'chunks' | 'connection';
  /** The connection may be used for another request afterwards. */
  readonly persistent: boolean;
}

/** Where a reader takes the first of several, as Node does. */
const SINGLE: ReadonlySet<string> = new Set(['content-type', 'etag', 'last-modified', 'location', 'retry-after', 'server']);
/** Statuses whose answers have no body, whatever they say. */
const BODILESS: ReadonlySet<number> = new Set([204, 304]);

/** Takes the lines of a head one by one. */
export class HeadReader {
  #status = 0;
  #minor = 1;
  #last: string | undefined;
  readonly #fields = new Map<string, string>();

  /** The first line. */
  begin(line: string): void {
    const [, minor, status] = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(line) ?? [];
    if (status === undefined) throw new Violation('it does not begin with a status');
    this.#minor = Number(minor);
    this.#status = Number(status);
  }

  /** A line that is not empty. */
  add(line: string): void {
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(line)) throw new Violation('its head has control characters');
    if (line.startsWith(' ') || line.startsWith('\t')) {
      this.#continue(trimmed(line));
      return;
    }
    const name = /^[!#$%&'*+\-.^_`|~\w]+(?=:)/.exec(line)?.[0].toLowerCase();
    if (name === undefined) throw new Violation('its head has a line without a name');
    const value = trimmed(line.slice(name.length + 1));
    const before = this.#fields.get(name);
    this.#last = name;
    if (before === undefined) this.#fields.set(name, value);
    else if (name === 'content-length') throw new Violation('it tells its length more than once');
    else if (!SINGLE.has(name)) this.#fields.set(name, `${before}, ${value}`);
    else this.#last = '';
  }

  end(): Head {
    const status = this.#status;
    const fields = this.#fields;
    const options = (fields.get('connection') ?? '').toLowerCase().split(',').map((word) => word.trim());
    const kept = this.#minor === 1 ? !options.includes('close') : options.includes('keep-alive');
    const body = status < 200 || BODILESS.has(status) ? 0 : bodyOf(fields);
    // Chunks are nothing that HTTP/1.0 knows: who sends them there may mean anything by what follows.
    return { status, fields, body, persistent: kept && body !== 'connection' && !(this.#minor === 0 && body === 'chunks') };
  }

  /** A value that goes on in the next line, as long ago (RFC 9112, section 5.2). */
  #continue(more: string): void {
    if (this.#last === undefined) throw new Violation('its head goes on before it has begun');
    const before = this.#fields.get(this.#last);
    if (before !== undefined) this.#fields.set(this.#last, `${before} ${more}`);
  }
}

function bodyOf(fields: ReadonlyMap<string, string>): Head['body'] {
  const coding = fields.get('transfer-encoding')?.toLowerCase();
  const length = fields.get('content-length');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new Violation('its length is none');
  if (coding === undefined) return length === undefined ? 'connection' : Number(length);
  if (length !== undefined) throw new Violation('it has both a length and a transfer coding');
  if (coding === 'chunked') return 'chunks';
  if (coding === 'identity') return 'connection';
  throw new Violation('it has a transfer coding that was not asked for');
}

/** Without spaces and tabs around it; a pattern would take quadratic time for many of them. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
