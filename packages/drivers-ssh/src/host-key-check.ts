/** How a server proves who it is: what the options can ask for, and the verdict on a key. */
import { createHash } from 'node:crypto';
import type { BlockError } from '@blk/core-graph';
import { invalid, unknownServer } from './errors.js';
import type { KnownKey } from './known-hosts.js';

const HASHES = ['md5', 'sha1', 'sha256'] as const;

/** What is asked of a server's key. */
export type HostKeyCheck =
  | { readonly mode: 'none' }
  | { readonly mode: 'known_hosts' }
  | { readonly mode: 'hash'; readonly type: (typeof HASHES)[number]; readonly hash: string };

/** The option `host-key-check`; left out: `known_hosts`. */
export function checkOfOption(option: unknown): HostKeyCheck {
  if (option === undefined) return { mode: 'known_hosts' };
  if (typeof option !== 'object' || option === null) throw invalid("Invalid parameter type for 'host-key-check', expected: object");
  const { mode, type, hash } = option as { readonly mode?: string; readonly type?: string; readonly hash?: unknown };
  if (mode === undefined) throw invalid("Parameter 'host-key-check.mode' is missing");
  if (mode === 'none' || mode === 'known_hosts') return { mode };
  if (mode !== 'hash') throw invalid(`Parameter 'mode' does not accept value '${mode}'`);
  if (type === undefined) throw invalid("Parameter 'host-key-check.type' is missing");
  if (hash === undefined) throw invalid("Parameter 'host-key-check.hash' is missing");
  const known = HASHES.find((name) => name === type);
  if (known === undefined) throw invalid(`Parameter 'type' does not accept value '${type}'`);
  if (typeof hash !== 'string') throw invalid("Invalid parameter type for 'host-key-check.hash', expected: string");
  return { mode, type: known, hash };
}

/** The older option `host_key_check`: `yes`, `no`, or a fingerprint behind the name of its hash. */
export function checkOfText(text: string): HostKeyCheck {
  if (text === 'yes') return { mode: 'known_hosts' };
  if (text === 'no') return { mode: 'none' };
  const at = text.indexOf(':');
  const type = HASHES.find((name) => name === text.slice(0, at));
  if (type === undefined) throw invalid(`unknown host_key_check setting (${text})`);
  return { mode: 'hash', type, hash: text.slice(at + 1) };
}

/**
 * Why a server with this public key is not believed; undefined: it is the right one.
 * @param key - as it stands on the wire (RFC 4253, section 6.6)
 * @param known - what `known_hosts` says about the server
 */
export function refusalOf(key: Uint8Array, check: HostKeyCheck, known: readonly KnownKey[], place: string): BlockError | undefined {
  if (check.mode === 'none') return undefined;
  const type = keyType(key);
  if (check.mode === 'hash') {
    const found = createHash(check.type).update(key).digest('hex');
    if (found === check.hash.replaceAll(':', '').toLowerCase()) return undefined;
    return unknownServer(
      `remote host ${type} key fingerprint '${check.type}:${found}' does not match host_key_check '${check.type}:${check.hash}'`, place,
    );
  }
  const own = Buffer.from(key).toString('base64');
  if (known.some((entry) => entry.revoked && entry.key === own)) {
    return unknownServer(`host key (${described(type, key)}) of ${place} is marked as revoked in known_hosts`, place);
  }
  const valid = known.filter((entry) => !entry.revoked);
  if (valid.some((entry) => entry.key === own)) return undefined;
  if (valid.some((entry) => entry.type === type)) {
    return unknownServer(
      `host key (${described(type, key)}) does not match the one in known_hosts; this may be a possible attack on the connection to ${place}`, place,
    );
  }
  if (valid.length > 0) return unknownServer('host key for this server not found, another type exists', place);
  return unknownServer('no host key was found in known_hosts', place);
}

/** The type that a public key names at its beginning; a hostile one may name anything. */
export function keyType(key: Uint8Array): string {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  const length = bytes.length < 4 ? 0 : bytes.readUInt32BE(0);
  return bytes.subarray(4, 4 + Math.min(length, 64)).toString('latin1').replace(/[^\x21-\x7e]/g, '?');
}

function described(type: string, key: Uint8Array): string {
  const fingerprint = createHash('sha256').update(key).digest('base64').replace(/=+$/, '');
  return `${type} key with fingerprint SHA256:${fingerprint}`;
}
