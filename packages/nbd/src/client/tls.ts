/** TLS of a client: credentials from files laid out as QEMU's, and the upgrade of a connection. */
import { readFile } from 'node:fs/promises';
import { isIP, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { BlockError, systemError } from '@blk/core-graph';
import { tlsReason } from '@blk/remote';
import { ANONYMOUS_CIPHERS, checkUsable, loadPsk, type X509Options } from '../server/tls.js';

export type ClientCredentials =
  | {
      readonly kind: 'x509';
      /** Who signed the server's certificate, as PEM; undefined: whom the system trusts. */
      readonly authority: string | undefined;
      readonly certificate: string | undefined;
      readonly key: string | undefined;
      readonly revoked: string | undefined;
      readonly verifyPeer: boolean;
      /** What `key` is encrypted with. */
      readonly passphrase?: string | undefined;
    }
  | { readonly kind: 'psk'; readonly username: string; readonly key: Uint8Array }
  /** Whoever is there is taken for the server. */
  | { readonly kind: 'anonymous' };

export interface ClientTls {
  readonly credentials: ClientCredentials;
  /** The name that the server's certificate has to be for; the host that was connected to unless given. */
  readonly hostname?: string;
}

/** `ca-cert.pem` and, if there, `client-cert.pem`, `client-key.pem`, `ca-crl.pem` of a folder. Throws where they are no good. */
export async function loadClientX509(folder: string, options: X509Options = {}): Promise<ClientCredentials> {
  const { verifyPeer = true, passphrase } = options;
  const loaded: ClientCredentials = {
    kind: 'x509',
    ...(passphrase === undefined ? {} : { passphrase }),
    authority: await load(folder, 'ca-cert.pem', true),
    certificate: await load(folder, 'client-cert.pem', false),
    key: await load(folder, 'client-key.pem', false),
    revoked: await load(folder, 'ca-crl.pem', false),
    verifyPeer,
  };
  checkUsable(folder, 'client', optionsOf({ ...loaded, verifyPeer: false }, ''));
  return loaded;
}

/** The key of `username` (QEMU's default: `qemu`) in `keys.psk` of a folder. */
export async function loadClientPsk(folder: string, username = 'qemu'): Promise<ClientCredentials> {
  const key = (await loadPsk(folder)).keys.get(username);
  if (key === undefined) throw new BlockError('not-found', `Username ${username} not found in PSK file ${join(folder, 'keys.psk')}`);
  return { kind: 'psk', username, key };
}

/** Runs the TLS handshake over a connected socket whose bytes are nobody else's from here on. Rejects where it fails. */
export function secure(socket: Socket, { credentials, hostname }: ClientTls, host: string): Promise<TLSSocket> {
  const name = hostname ?? host;
  const shared: ConnectionOptions = { socket, minVersion: 'TLSv1.2', ...(isIP(name) === 0 && name !== '' ? { servername: name } : {}) };
  return new Promise((resolve, reject) => {
    const secured = connect({ ...shared, ...optionsOf(credentials, name) });
    const fail = (error: Error): void => {
      secured.destroy();
      reject(new BlockError('io', failureText(error, name), {}, error));
    };
    secured.once('secureConnect', () => {
      secured.off('error', fail);
      resolve(secured);
    });
    secured.once('error', fail);
    secured.once('close', () => { fail(new Error('the server ended the connection')); });
  });
}

/** Certificates that are for somebody else are told in QEMU's words. */
function failureText(error: Error, name: string): string {
  if ('code' in error && error.code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `Certificate does not match the hostname ${name}`;
  return `TLS handshake failed: ${tlsReason(error)}`;
}

function optionsOf(credentials: ClientCredentials, name: string): ConnectionOptions {
  if (credentials.kind === 'psk') {
    const { username, key } = credentials;
    return { ciphers: 'PSK', maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined, pskCallback: () => ({ identity: username, psk: key }) };
  }
  if (credentials.kind === 'anonymous') {
    return { ciphers: ANONYMOUS_CIPHERS, maxVersion: 'TLSv1.2', rejectUnauthorized: false, checkServerIdentity: () => undefined };
  }
  const { authority, certificate, key, revoked, verifyPeer, passphrase } = credentials;
  // Without a name to check (a unix socket), a certificate proves nothing about whom it belongs to.
  if (verifyPeer && name === '') {
    throw new BlockError('invalid-argument', 'No hostname for certificate validation');
  }
  return {
    rejectUnauthorized: verifyPeer,
    ...(authority === undefined ? {} : { ca: authority }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(revoked === undefined ? {} : { crl: revoked }),
    // Node checks against the name that it connected to, which here is a socket.
    host: name,
  };
}

async function load(folder: string, name: string, required: boolean): Promise<string | undefined> {
  const path = join(folder, name);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const failure = systemError(`Unable to access credentials ${path}`, error, { filename: path });
    if (!required && failure.kind === 'not-found') return undefined;
    throw failure;
  }
}
