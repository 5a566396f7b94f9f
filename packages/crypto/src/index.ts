/**
 * Disk encryption: LUKS key management, fast sector ciphers and the secrets they are opened with.
 *
 * @packageDocumentation
 */
export { parseSecretObject, passphrase, secretBytes, SecretStore, type SecretOptions } from './secret.js';
export { CIPHER_SECTOR, MODE_NAMES, SectorCipher, type ModeName, type SectorCipherSpec } from './sector/sector-cipher.js';
export { IV_NAMES, type IvName, type IvSpec } from './sector/iv.js';
export { HASH_NAMES, type HashName } from './primitives.js';
