/** `--object` of a command line: the secrets in it. */
import { BlockError, errnoOf, strerror, type SecretLookup } from '@blk/core-graph';
import { QmpError, parseKeyval } from '@blk/qapi-types';
import { parseJson } from '@blk/qapi-types/json';

/** Types of objects that the reference tools know besides. */
const OTHERS = [
  'authz-list', 'authz-list-file', 'authz-pam', 'authz-simple', 'iothread', 'main-loop', 'secret_keyring', 'tls-cipher-suites',
  'tls-creds-anon', 'tls-creds-psk', 'tls-creds-x509',
];

/**
 * Where a graph finds the secrets that the texts describe; undefined where there are none. `elsewhere`: types of objects that are not
 * secrets and that the program reads by itself, as all of them do groups that share limits. Throws a `BlockError` in the words of the reference tools.
 */
export async function readSecrets(texts: readonly string[], elsewhere: readonly string[] = []): Promise<SecretLookup | undefined> {
  if (texts.length === 0) return undefined;
  // Most command lines have none.
  const { parseSecretObject, secretBytes, SecretStore } = await import('@blk/crypto');
  const store = new SecretStore();
  for (const text of texts) {
    const { 'qom-type': type, ...members } = parseObject(text);
    if (type === undefined) throw new BlockError('invalid-argument', "Parameter 'qom-type' is missing");
    if (typeof type !== 'string') throw new BlockError('invalid-argument', "Invalid parameter type for 'qom-type', expected: string");
    if (type === 'throttle-group' || elsewhere.includes(type)) continue;
    if (OTHERS.includes(type)) throw new BlockError('unsupported', `Objects of type '${type}' are not supported`);
    if (type !== 'secret') throw new BlockError('invalid-argument', `Parameter 'qom-type' does not accept value '${type}'`);
    const { id, options } = parseSecretObject(members);
    store.add(id, await secretBytes(options, readSecret, store.lookup));
  }
  return store.lookup;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return text.startsWith('{') ? (parseJson(text) as Record<string, unknown>) : parseKeyval(text, 'qom-type');
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    throw new BlockError('invalid-argument', error.message);
  }
}

async function readSecret(file: string): Promise<Uint8Array> {
  try {
    // Loaded when there is a file of secrets, as there rarely is.
    const { readFile } = await import('node:fs/promises');
    return await readFile(file);
  } catch (error) {
    const reason = strerror(errnoOf(error));
    throw new BlockError('invalid-argument', `Unable to read ${file}: Failed to open file “${file}”: ${reason}`, { filename: file }, error);
  }
}
