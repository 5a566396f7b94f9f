/** `--object`: secrets and TLS credentials. */
import { readFileSync } from 'node:fs';
import { errnoOf, strerror } from '@blk/core-graph';
import { parseKeyval } from '@blk/qapi-types';
import { parseJson, type JsonValue } from '@blk/qapi-types/json';
import { IDENTIFIER_TEXT, isIdentifier } from '../blockdev.js';
import { genericError } from '../errors.js';
import type { Objects, SecretObject, TlsObject } from '../objects.js';

/** Object types that QEMU has and this server does not. */
const OTHERS = [
  'authz-list', 'authz-list-file', 'authz-pam', 'authz-simple', 'cryptodev-backend', 'iothread', 'main-loop', 'secret_keyring',
  'throttle-group', 'tls-cipher-suites', 'tls-creds-anon',
];

type Members = Map<string, JsonValue>;

/** Adds the object that the option describes. */
export async function addObject(objects: Objects, text: string): Promise<void> {
  const members: Members = new Map(Object.entries(text.startsWith('{') ? parseObject(text) : parseKeyval(text, 'qom-type')));
  const type = takeText(members, 'qom-type');
  if (type === undefined) throw genericError("Parameter 'qom-type' is missing");
  if (OTHERS.includes(type)) throw genericError(`Objects of type '${type}' are not supported`);
  if (type !== 'secret' && type !== 'tls-creds-x509' && type !== 'tls-creds-psk') {
    throw genericError(`Parameter 'qom-type' does not accept value '${type}'`);
  }
  if (type === 'secret') {
    objects.add(await secret(objects, Object.fromEntries(members)));
    return;
  }
  const id = takeText(members, 'id');
  if (id === undefined) throw genericError("Parameter 'id' is missing");
  if (!isIdentifier(id)) throw genericError(IDENTIFIER_TEXT);
  objects.add(await tlsCredentials(type, id, members));
}

async function secret(objects: Objects, members: Record<string, JsonValue>): Promise<SecretObject> {
  const { parseSecretObject, secretBytes } = await import('@blk/crypto');
  const { id, options } = parseSecretObject(members);
  return { type: 'secret', id, data: await secretBytes(options, readSecret, (key) => objects.secret(key)) };
}

function readSecret(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw genericError(`Unable to read ${file}: Failed to open file “${file}”: ${strerror(errnoOf(error))}`, error);
  }
}

async function tlsCredentials(type: TlsObject['type'], id: string, members: Members): Promise<TlsObject> {
  const [dir, endpoint = 'client'] = ['dir', 'endpoint'].map((name) => takeText(members, name));
  const verifyPeer = takeBool(members, 'verify-peer', true);
  takeBool(members, 'sanity-check', true);
  for (const name of ['priority', 'passwordid', 'username']) {
    if (members.has(name)) throw genericError(`Parameter '${name}' is not supported`);
  }
  refuseOthers(members);
  if (endpoint !== 'server' && endpoint !== 'client') throw genericError(`Parameter 'endpoint' does not accept value '${endpoint}'`);
  if (dir === undefined) throw genericError("Missing 'dir' property value");
  if (endpoint === 'client') return { type, id, endpoint, credentials: undefined };
  const { loadPsk, loadX509 } = await import('@blk/nbd');
  const credentials = type === 'tls-creds-psk' ? await loadPsk(dir) : await loadX509(dir, { verifyPeer });
  return { type, id, endpoint, credentials };
}

function parseObject(text: string): { [name: string]: JsonValue } {
  return parseJson(text) as { [name: string]: JsonValue };
}

function takeText(members: Members, name: string): string | undefined {
  const value = members.get(name);
  members.delete(name);
  if (value !== undefined && typeof value !== 'string') throw genericError(`Invalid parameter type for '${name}', expected: string`);
  return value;
}

function takeBool(members: Members, name: string, otherwise: boolean): boolean {
  const value = members.get(name);
  members.delete(name);
  if (value === undefined) return otherwise;
  if (value === true || value === 'on' || value === 'yes' || value === 'true' || value === 'y') return true;
  if (value === false || value === 'off' || value === 'no' || value === 'false' || value === 'n') return false;
  throw genericError(`Parameter '${name}' expects 'on' or 'off'`);
}

function refuseOthers(members: Members): void {
  for (const name of members.keys()) throw genericError(`Parameter '${name}' is unexpected`);
}
