/** The file `known_hosts`, as sshd(8) describes it under "SSH_KNOWN_HOSTS FILE FORMAT": names in the clear, patterns, hashed names, markers. */
import { createHmac } from 'node:crypto';

/** A key that the file gives for a host. */
export interface KnownKey {
  /** Such as `ssh-ed25519`. */
  readonly type: string;
  /** Base64 of the key as on the wire. */
  readonly key: string;
  /** It was this host's, and must not be believed any more. */
  readonly revoked: boolean;
}

/** Keys that the text of such a file gives for a host; lines that make no sense are passed over, as `ssh` does. */
export function knownKeys(text: string, host: string, port: number): KnownKey[] {
  const name = knownName(host, port);
  const keys: KnownKey[] = [];
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#') === true) continue;
    const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined;
    const [names, type, key] = words;
    // Certificates are not asked for, so who may sign them does not matter.
    if (names === undefined || type === undefined || key === undefined || (marker !== undefined && marker !== '@revoked')) continue;
    if (matches(names, name)) keys.push({ type, key, revoked: marker === '@revoked' });
  }
  return keys;
}

/** How a server is called there. */
function knownName(host: string, port: number): string {
  const lower = host.toLowerCase();
  return port === 22 ? lower : `[${lower}]:${port}`;
}

/** Whether a list of names, patterns and their negations means `name`. */
function matches(names: string, name: string): boolean {
  if (names.startsWith('|')) return isHashOf(names, name);
  let found = false;
  for (const part of names.split(',')) {
    const negated = part.startsWith('!');
    if (!matchesPattern((negated ? part.slice(1) : part).toLowerCase(), name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/** `|1|salt|hash`: the name's HMAC-SHA1 under the salt. */
function isHashOf(hashed: string, name: string): boolean {
  const [, scheme, salt, hash] = hashed.split('|');
  if (scheme !== '1' || salt === undefined || hash === undefined) return false;
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

/** `*` stands for any characters, `?` for one. In linear steps, whatever the pattern. */
function matchesPattern(pattern: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let position = 0;
  while (position < name.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = position;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[position])) {
      at++;
      position++;
    } else if (star >= 0) {
      at = star + 1;
      position = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
