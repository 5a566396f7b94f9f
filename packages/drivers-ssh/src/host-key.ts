/** The verdict on a server's public key. Apart from the options, which every program reads, since hashing takes loading. */
import { createHash } from 'node:crypto';
import type { BlockError } from '@blk/core-graph';
import { unknownServer } from './errors.js';
import type { HostKeyCheck } from './host-key-check.js';
import type { KnownKey } from './known-hosts.js';

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
