/** Encryption of new images: the options that ask for it, and the room that its header takes. */
import { WriteFlag, type CreateContext, type Edge, type SecretLookup } from '@blk/core-graph';
import type { CipherOptions } from '@blk/crypto';
import { noSecret, type Encryption, type EncryptionHeader, type EncryptionMethod } from './encryption.js';
import { argumentError } from './errors.js';
import { ExtensionType, type Extension } from './extensions.js';
import { putU64, viewOf } from './format.js';

/** Options of creation about encryption, by the names that they have on command lines. */
export interface EncryptionWishes {
  readonly encryption?: boolean;
  readonly 'encrypt.format'?: string;
  readonly 'encrypt.key-secret'?: string;
  readonly 'encrypt.cipher-alg'?: string;
  readonly 'encrypt.cipher-mode'?: string;
  readonly 'encrypt.ivgen-alg'?: string;
  readonly 'encrypt.ivgen-hash-alg'?: string;
  readonly 'encrypt.hash-alg'?: string;
  readonly 'encrypt.iter-time'?: number;
}

/** Encryption as it was asked for. */
export interface EncryptionPlan {
  readonly method: EncryptionMethod;
  readonly secret: string | undefined;
  readonly cipher: CipherOptions;
  /** Bytes of the header; 0 where there is none. */
  readonly headerBytes: number;
}

export const NO_ENCRYPTION: EncryptionPlan = { method: 'none', secret: undefined, cipher: {}, headerBytes: 0 };

const CIPHER_OPTIONS = ['cipher-alg', 'cipher-mode', 'ivgen-alg', 'ivgen-hash-alg', 'hash-alg', 'iter-time'] as const;

/** Throws where the options do not fit, or the passphrase is not there. */
export async function planEncryption(options: EncryptionWishes, context: CreateContext): Promise<EncryptionPlan> {
  const { encryption, 'encrypt.format': format, 'encrypt.key-secret': secret } = options;
  const cipher = cipherOptions(options);
  if (encryption === true && format !== undefined) {
    throw argumentError("'encrypt.format' and its alias 'encryption' can't be used at the same time");
  }
  const method = format ?? (encryption === true ? 'aes' : 'none');
  if (format === undefined && method === 'none') {
    if (secret === undefined && Object.keys(cipher).length === 0) return NO_ENCRYPTION;
    throw argumentError("Parameter 'encrypt.format' is missing");
  }
  if (method !== 'aes' && method !== 'luks') throw argumentError(`Parameter 'format' does not accept value '${method}'`);
  const { luksPayloadOffset, passphrase } = await import('@blk/crypto');
  if (method === 'aes') {
    for (const name of Object.keys(cipher)) throw argumentError(`Parameter 'encrypt.${name}' is unexpected`);
  }
  const headerBytes = method === 'luks' ? luksPayloadOffset(cipher) : 0;
  if (secret === undefined) throw noSecret();
  await passphrase(context.secret, secret);
  return { method, secret, cipher, headerBytes };
}

/** Bytes of the header that a new image gets. Throws where the options do not fit, or the passphrase is not there. */
export async function measureEncryption(options: EncryptionWishes, lookup: SecretLookup): Promise<number> {
  if (options['encrypt.format'] !== 'luks') return 0;
  const { luksPayloadOffset, passphrase } = await import('@blk/crypto');
  const secret = options['encrypt.key-secret'];
  const bytes = luksPayloadOffset(cipherOptions(options));
  if (secret === undefined) throw noSecret();
  await passphrase(lookup, secret);
  return bytes;
}

function cipherOptions(options: EncryptionWishes): CipherOptions {
  return Object.fromEntries(
    CIPHER_OPTIONS.flatMap((name) => (options[`encrypt.${name}`] === undefined ? [] : [[name, options[`encrypt.${name}`]]])),
  );
}

/** The header extension that names the place. */
export function encryptionExtension({ offset, length }: EncryptionHeader): Extension {
  const data = new Uint8Array(16);
  putU64(viewOf(data), 0, offset);
  putU64(viewOf(data), 8, length);
  return { type: ExtensionType.Encryption, data };
}

/** Writes the header, whole clusters of which are `bytes` long, and gives the encryption for what is written next. */
export async function writeEncryption(
  file: Edge,
  { method, secret, cipher }: EncryptionPlan,
  place: EncryptionHeader | undefined,
  bytes: number,
  context: CreateContext,
): Promise<Encryption | undefined> {
  if (method === 'none') return undefined;
  const { makeAes, makeLuks } = await import('./open-encryption.js');
  if (place === undefined) return makeAes(secret, context);
  await file.writeZeroes(place.offset, bytes, WriteFlag.MayUnmap);
  return makeLuks(file, place, cipher, secret, context);
}
