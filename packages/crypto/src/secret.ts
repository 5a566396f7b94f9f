/**
 * Secrets: the passphrases and keys that options name by id. What `--object secret,…` means, and a place to keep them.
 * No message ever has a part of one in it.
 */
import { BlockError, type SecretLookup } from '@blk/core-graph';
import { argumentError } from './errors.js';
import { aes, BLOCK } from './primitives.js';

/** Members of a `secret` object, as command lines and monitors give them. */
export interface SecretOptions {
  readonly data?: string | undefined;
  readonly file?: string | undefined;
  /** `raw` (default) or `base64`: how `data` or the file's content is written. */
  readonly format?: string | undefined;
  /** The secret that this one is encrypted with (AES-256-CBC), and the initialisation vector, as base64. */
  readonly keyid?: string | undefined;
  readonly iv?: string | undefined;
}

/** Secrets by id. `lookup` is what a graph takes as `secrets`. */
export class SecretStore {
  readonly #secrets = new Map<string, Uint8Array>();

  /** Throws where there is one of this id already. */
  add(id: string, bytes: Uint8Array): void {
    if (this.#secrets.has(id)) throw argumentError(`attempt to add duplicate property '${id}' to object (type 'container')`, 'exists');
    this.#secrets.set(id, bytes);
  }

  readonly lookup = (id: string): Uint8Array => {
    const bytes = this.#secrets.get(id);
    if (bytes === undefined) throw new BlockError('not-found', `No secret with id '${id}'`);
    return bytes;
  };
}

/**
 * The id and the options of a `secret` object, from its members besides `qom-type`. Throws where one is missing, unknown or not text;
 * the words are QEMU's.
 */
export function parseSecretObject(members: Readonly<Record<string, unknown>>): { readonly id: string; readonly options: SecretOptions } {
  const { id, ...rest } = members;
  for (const [name, value] of Object.entries(members)) {
    if (name !== 'id' && !MEMBERS.has(name)) throw argumentError(`Parameter '${name}' is unexpected`);
    if (typeof value !== 'string') throw argumentError(`Invalid parameter type for '${name}', expected: string`);
  }
  if (typeof id !== 'string') throw argumentError("Parameter 'id' is missing");
  if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(id)) {
    throw argumentError("Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
  return { id, options: rest };
}

const MEMBERS: ReadonlySet<string> = new Set(['data', 'file', 'format', 'keyid', 'iv'] satisfies (keyof SecretOptions)[]);

/** The bytes that the options come to. `read` reads a file; `lookup` finds the secret behind `keyid`. */
export async function secretBytes(
  options: SecretOptions,
  read: (file: string) => Uint8Array | Promise<Uint8Array>,
  lookup: SecretLookup,
): Promise<Uint8Array> {
  const { data, file, format = 'raw', keyid, iv } = options;
  if (format !== 'raw' && format !== 'base64') throw argumentError(`Parameter 'format' does not accept value '${format}'`);
  if (data !== undefined && file !== undefined) throw argumentError("'file' and 'data' are mutually exclusive");
  if (data === undefined && file === undefined) throw argumentError("Either 'file' or 'data' must be provided");
  const given = data === undefined ? await read(file as string) : new TextEncoder().encode(data);
  if (keyid === undefined) return format === 'base64' ? fromBase64(given) : given;
  const key = await lookup(keyid);
  if (key.length !== 32) throw argumentError('Key should be 32 bytes in length');
  if (iv === undefined) throw argumentError('IV is required to decrypt secret');
  const vector = fromBase64(new TextEncoder().encode(iv));
  if (vector.length !== BLOCK) throw argumentError(`IV should be 16 bytes in length not ${vector.length}`);
  return decrypted(format === 'base64' ? fromBase64(given) : given, key, vector);
}

/** The bytes of a secret as a passphrase, which is text. */
export async function passphrase(lookup: SecretLookup, id: string): Promise<Uint8Array> {
  const bytes = await lookup(id);
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw argumentError(`Data from secret ${id} is not valid UTF-8`);
  }
  return bytes;
}

/** AES-256-CBC with the padding of PKCS #7. */
function decrypted(bytes: Uint8Array, key: Uint8Array, iv: Uint8Array): Uint8Array {
  if (bytes.length % BLOCK !== 0) throw argumentError(`Length ${bytes.length} must be a multiple of block size ${BLOCK}`);
  if (bytes.length === 0) return bytes;
  const plain = aes(key).decrypt(bytes).slice();
  for (let at = 0; at < plain.length; at++) plain[at] ^= at < BLOCK ? iv[at] : bytes[at - BLOCK];
  const padding = plain[plain.length - 1];
  if (padding === 0 || padding > BLOCK || !plain.subarray(-padding).every((byte) => byte === padding)) {
    throw argumentError('Wrong padding found on decrypted data: the key or the IV of the secret is not the right one');
  }
  return plain.subarray(0, plain.length - padding);
}

function fromBase64(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder('latin1').decode(bytes).replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/=]*$/.test(text)) throw argumentError('Base64 data contains invalid characters');
  if (text.length % 4 !== 0 || !/^[^=]*={0,2}$/.test(text)) throw argumentError('Base64 data is not valid');
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
