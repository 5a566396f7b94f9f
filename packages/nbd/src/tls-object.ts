/** Objects with credentials for TLS, as command lines and monitors describe them. */
import { BlockError, type SecretLookup } from '@blk/core-graph';
import { loadClientPsk, loadClientX509, type ClientCredentials } from './client/tls.js';
import { loadAnonymous, loadPsk, loadX509, type TlsCredentials } from './server/tls.js';

/** The members of a `tls-creds-…` object. */
export interface TlsObjectOptions {
  readonly 'qom-type': 'tls-creds-anon' | 'tls-creds-psk' | 'tls-creds-x509';
  readonly dir?: string;
  /** Default `client`. */
  readonly endpoint?: 'client' | 'server';
  readonly 'verify-peer'?: boolean;
  /** Ciphers in the notation of GnuTLS: refused. */
  readonly priority?: string;
  /** PSK, of a client: whose key it shows. */
  readonly username?: string;
  /** X.509: id of the secret that the key is encrypted with. */
  readonly passwordid?: string;
}

export type TlsObjectCredentials =
  | { readonly endpoint: 'server'; readonly credentials: TlsCredentials }
  | { readonly endpoint: 'client'; readonly credentials: ClientCredentials };

/** Loads what the options name, so that nothing has to be read later. Throws in QEMU's words where it can't be had. */
export async function loadTlsObject(options: TlsObjectOptions, secret: SecretLookup): Promise<TlsObjectCredentials> {
  const { 'qom-type': type, dir, endpoint = 'client', 'verify-peer': verifyPeer = true, priority, username, passwordid } = options;
  if (priority !== undefined) throw new BlockError('unsupported', "Parameter 'priority' is not supported");
  if (type === 'tls-creds-anon') {
    return endpoint === 'client' ? { endpoint, credentials: { kind: 'anonymous' } } : { endpoint, credentials: await loadAnonymous(dir) };
  }
  if (dir === undefined) throw new BlockError('invalid-argument', "Missing 'dir' property value");
  if (type === 'tls-creds-psk') {
    if (endpoint === 'client') return { endpoint, credentials: await loadClientPsk(dir, username) };
    if (username !== undefined) throw new BlockError('invalid-argument', 'username should not be set when endpoint=server');
    return { endpoint, credentials: await loadPsk(dir) };
  }
  const passphrase = passwordid === undefined ? undefined : new TextDecoder().decode(await secret(passwordid));
  const settings = { verifyPeer, passphrase };
  return endpoint === 'client' ? { endpoint, credentials: await loadClientX509(dir, settings) } : { endpoint, credentials: await loadX509(dir, settings) };
}
