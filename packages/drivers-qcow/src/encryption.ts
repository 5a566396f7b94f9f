/** Encryption with AES: which options ask for it, and the cipher of an image. It is loaded only for images that are encrypted. */
import type { SectorCipher } from '@blk/cluster-map';
import { BlockError, type OpenContext, type SecretLookup } from '@blk/core-graph';
import { wishError } from './errors.js';
import { SECTOR } from './header.js';

/** The nested option `encrypt`, checked. */
export interface EncryptOptions {
  readonly format?: string;
  readonly 'key-secret'?: string;
}

export function parseEncryptOptions(value: unknown): EncryptOptions {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object') throw wishError("Block format 'qcow' does not support the option 'encrypt'");
  for (const [name, text] of Object.entries(value)) {
    if (name !== 'format' && name !== 'key-secret') throw wishError(`Parameter '${name}' is unexpected`);
    if (typeof text !== 'string') throw wishError(`Invalid parameter type for 'encrypt.${name}', expected: string`);
  }
  return value;
}

/** The cipher of an encrypted image. Nothing can tell whether the passphrase is the right one. */
export async function openCipher({ format, 'key-secret': secret }: EncryptOptions, { secret: lookup, noIo }: OpenContext): Promise<SectorCipher> {
  if (format !== undefined && format !== 'aes') throw wishError(`Header reported 'aes' encryption format but options specify '${format}'`);
  if (noIo && secret === undefined) return LOCKED;
  return cipherFor(secret, lookup);
}

/** Throws where there is no such secret. */
export async function cipherFor(secret: string | undefined, lookup: SecretLookup): Promise<SectorCipher> {
  if (secret === undefined) throw wishError("Parameter 'encrypt.key-secret' is required for cipher");
  const { legacyAes, passphrase } = await import('@blk/crypto');
  const cipher = legacyAes(await passphrase(lookup, secret));
  return {
    encrypt: (offset, buffer, start, length) => {
      cipher.encrypt(offset / SECTOR, buffer, start, buffer, start, length);
    },
    decrypt: (offset, buffer, start, length) => {
      cipher.decrypt(offset / SECTOR, buffer, start, buffer, start, length);
    },
  };
}

const refuse = (): never => {
  throw new BlockError('permission', 'The image is encrypted and was opened without a key', { driver: 'qcow', reason: 'qcow/locked' });
};
const LOCKED: SectorCipher = { encrypt: refuse, decrypt: refuse };
