/** Names of VFAT: which ones there can be, when two of them are the same, and the short names that go with long ones. */

/** Longest name, in UTF-16 code units. */
export const MAX_NAME = 255;

/** Why a directory of FAT cannot hold this name; undefined: it can. */
export function nameDefect(name: string): string | undefined {
  if (PLAIN.test(name)) return undefined;
  if (name === '' || name === '.' || name === '..') return 'it is no name';
  if (name.length > MAX_NAME) return `it is longer than ${MAX_NAME} characters`;
  let ascii = true;
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code > 127) ascii = false;
    else if (code < 32 || code === 127) return 'it holds a control character';
    else if (FORBIDDEN.has(code)) return `it holds ${name.charAt(at)}`;
  }
  if (!ascii && /\p{Surrogate}/u.test(name)) return 'it is no valid Unicode';
  if (name.endsWith('.') || name.endsWith(' ')) return `it ends with a ${name.endsWith('.') ? 'dot' : 'space'}`;
  return undefined;
}

/** Most names; what else there may be takes longer to tell. */
const PLAIN = /^[\w !#$%&'()+,\-.;=@[\]^`{}~]{0,254}[\w!#$%&'()+,\-;=@[\]^`{}~]$/;

/** As codes. */
const FORBIDDEN: ReadonlySet<number> = new Set([...'"*/:<>?\\|'].map((char) => char.charCodeAt(0)));

/** Two names of one directory are the same where this is the same: case does not count. */
export function foldName(name: string): string {
  // Lengthening mappings, such as that of ß, are none to file systems.
  const upper = name.toUpperCase();
  if (upper.length === name.length) return upper;
  let folded = '';
  for (const char of name) folded += char.toUpperCase().length === char.length ? char.toUpperCase() : char;
  return folded;
}

/** Whether a short name says it all: upper case, 8.3, nothing but ASCII. */
export function isShort(name: string): boolean {
  return SHORT.test(name);
}

const SHORT = /^[A-Z0-9!#$%&'()\-@^_`{}~]{1,8}(?:\.[A-Z0-9!#$%&'()\-@^_`{}~]{1,3})?$/;

/** Hands out the short names of one directory. */
export class ShortNames {
  readonly #taken = new Set<string>();
  /** Next number to try behind `~`, by the name in front of it. */
  readonly #next = new Map<string, number>();

  /** Takes the name if it is a short one but for its case: to be called for all names before `alias` is, since these keep their names. */
  reserve(name: string): void {
    const upper = name.toUpperCase();
    if (isShort(upper)) this.#taken.add(upper);
  }

  /** The short name of a file: its own where that is one, else a name that no other file here has. */
  alias(name: string): string {
    const upper = name.toUpperCase();
    if (isShort(upper) && isAscii(name)) return upper;
    const [base, extension] = basis(upper);
    const key = `${base.slice(0, 6)}.${extension}`;
    for (let number = this.#next.get(key) ?? 1; ; number++) {
      const tail = `~${number}`;
      const candidate = `${base.slice(0, 8 - tail.length)}${tail}${extension === '' ? '' : `.${extension}`}`;
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      this.#next.set(key, number + 1);
      return candidate;
    }
  }
}

/** Writes a short name as its 11 bytes. */
export function putShort(name: string, bytes: Uint8Array, at: number): void {
  bytes.fill(0x20, at, at + 11);
  const dot = name === '..' ? -1 : name.indexOf('.', 1);
  const end = dot < 0 ? name.length : dot;
  for (let index = 0; index < end; index++) bytes[at + index] = name.charCodeAt(index);
  for (let index = end + 1; index < name.length; index++) bytes[at + 7 + index - end] = name.charCodeAt(index);
}

/** The sum over the short name that ties entries of the long name to it. */
export function shortSum(bytes: Uint8Array, start = 0): number {
  let sum = 0;
  for (let at = start; at < start + 11; at++) sum = (((sum & 1) << 7) + (sum >> 1) + bytes[at]) & 0xff;
  return sum;
}

/** What a short name is made from: without dots and spaces, `_` for what it cannot hold. */
function basis(upper: string): [base: string, extension: string] {
  let start = 0;
  while (upper.charAt(start) === '.' || upper.charAt(start) === ' ') start++;
  const dot = upper.lastIndexOf('.');
  const base = shortPart(upper, start, dot < start ? upper.length : dot, 8);
  return [base === '' ? '_' : base, dot < start ? '' : shortPart(upper, dot + 1, upper.length, 3)];
}

/** The first characters of what a short name can hold of a part of a name. */
function shortPart(upper: string, start: number, end: number, most: number): string {
  let part = '';
  for (let at = start; at < end && part.length < most; at++) {
    const code = upper.charCodeAt(at);
    if (code === DOT || code === SPACE) continue;
    part += IN_SHORT[code] === 1 ? upper.charAt(at) : '_';
    // One character of two units.
    if (code >= 0xd800 && code < 0xdc00) at++;
  }
  return part;
}

const [DOT, SPACE] = [0x2e, 0x20];
/** By code: 1 for what a short name can hold. */
const IN_SHORT = Uint8Array.from({ length: 128 }, (_, code) => Number(/[A-Z0-9!#$%&'()\-@^_`{}~]/.test(String.fromCharCode(code))));

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false;
  return true;
}
