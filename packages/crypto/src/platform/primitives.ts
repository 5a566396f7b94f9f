/** The same for browsers: key derivation by WebCrypto where it has the hash, the rest in JavaScript. */
import { ecb } from '@noble/ciphers/aes.js';
import { md5, ripemd160, sha1 } from '@noble/hashes/legacy.js';
import { pbkdf2Async } from '@noble/hashes/pbkdf2.js';
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import type { BlockCipher, HashName } from '../primitives.js';

const HASHES = { md5, sha1, sha224, sha256, sha384, sha512, ripemd160 } as const satisfies Record<HashName, unknown>;
/** Hashes that WebCrypto knows, by its names for them. */
const NATIVE: Partial<Record<HashName, string>> = { sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' };

export function hasHash(name: HashName): boolean {
  return Object.hasOwn(HASHES, name);
}

export function digest(name: HashName, bytes: Uint8Array): Uint8Array {
  return HASHES[name](bytes);
}

export async function pbkdf2(hash: HashName, password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Promise<Uint8Array> {
  const name = NATIVE[hash];
  // Outside of secure contexts there is no `subtle`.
  const subtle = (globalThis.crypto as Partial<Crypto>).subtle;
  if (name === undefined || subtle === undefined) return pbkdf2Async(HASHES[hash], password, salt, { c: iterations, dkLen: length });
  const key = await subtle.importKey('raw', password.slice(), 'PBKDF2', false, ['deriveBits']);
  return new Uint8Array(await subtle.deriveBits({ name: 'PBKDF2', hash: name, salt: salt.slice(), iterations }, key, length * 8));
}

/** AES in ECB mode with a key of 16, 24 or 32 bytes. */
export function aes(key: Uint8Array): BlockCipher {
  const held = key.slice();
  return {
    encrypt: (bytes) => ecb(held, { disablePadding: true }).encrypt(bytes),
    decrypt: (bytes) => ecb(held, { disablePadding: true }).decrypt(bytes),
  };
}
