/** Hashes, key derivation and raw block ciphers by node:crypto. */
import type * as Crypto from 'node:crypto';
import type { BlockCipher, HashName } from '../primitives.js';

/** Loaded when it is needed: most images are not encrypted. */
const crypto = (): typeof Crypto => process.getBuiltinModule('node:crypto');

export function hasHash(name: HashName): boolean {
  return crypto().getHashes().includes(name);
}

export function digest(name: HashName, bytes: Uint8Array): Uint8Array {
  return crypto().createHash(name).update(bytes).digest();
}

/** In another thread. */
export function pbkdf2(hash: HashName, password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    crypto().pbkdf2(password, salt, iterations, length, hash, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

/** AES in ECB mode with a key of 16, 24 or 32 bytes: two cipher objects that live as long as the key is used. */
export function aes(key: Uint8Array): BlockCipher {
  const name = `aes-${key.length * 8}-ecb`;
  let cipher: Crypto.Cipher | undefined;
  let decipher: Crypto.Decipher | undefined;
  return {
    encrypt: (bytes) => (cipher ??= crypto().createCipheriv(name, key, null).setAutoPadding(false)).update(bytes),
    decrypt: (bytes) => (decipher ??= crypto().createDecipheriv(name, key, null).setAutoPadding(false)).update(bytes),
  };
}
