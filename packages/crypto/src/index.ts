/**
 * Disk encryption: LUKS key management, fast sector ciphers and the secrets they are opened with.
 *
 * @packageDocumentation
 */
export { parseSecretObject, passphrase, secretBytes, SecretStore, type SecretOptions } from './secret.js';
