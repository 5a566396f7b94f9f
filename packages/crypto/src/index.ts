/**
 * Disk encryption: LUKS key management, fast sector ciphers and the secrets they are opened with.
 *
 * @packageDocumentation
 */
export { parseSecretObject, passphrase, secretBytes, SecretStore, type SecretOptions } from './secret.js';
export { CIPHER_SECTOR, MODE_NAMES, SectorCipher, type ModeName, type SectorCipherSpec } from './sector/sector-cipher.js';
export { IV_NAMES, type IvName, type IvSpec } from './sector/iv.js';
export { digest, HASH_NAMES, type HashName } from './primitives.js';
export { legacyAes } from './legacy-aes.js';
export { LUKS_HEADER_BYTES, parseLuksHeader, type KeySlot, type LuksHeader } from './luks/header.js';
export { chooseCipher, type CipherOptions, type CipherSpec } from './luks/cipher-spec.js';
export { LuksVolume, type HeaderStore, type Random } from './luks/volume.js';
export { createLuks, luksPayloadOffset, type KeyTools } from './luks/create.js';
export { amendLuks, type AmendEnvironment, type LuksAmendOptions } from './luks/amend.js';
export { luksInfo } from './luks/info.js';
export { headerStore, readSectors, writeSectors } from './cipher-io.js';
