/** What the platform supplies; both platforms' modules have these shapes. */
export { aes, digest, hasHash, pbkdf2 } from '#primitives';

/** Hashes by the names that LUKS headers and options give them. */
export const HASH_NAMES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'ripemd160'] as const;
export type HashName = (typeof HASH_NAMES)[number];

/** A cipher on blocks that know nothing of each other (ECB); whole blocks in, as many new bytes out. */
export interface BlockCipher {
  encrypt(bytes: Uint8Array): Uint8Array;
  decrypt(bytes: Uint8Array): Uint8Array;
}

/** Bytes of one AES block. */
export const BLOCK = 16;
