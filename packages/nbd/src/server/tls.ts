/** TLS of a server: credentials from files laid out as QEMU's, and the upgrade of a connection. */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket, type TlsOptions } from 'node:tls';
import { BlockError, systemError } from '@blk/core-graph';
import { tlsReason } from '@blk/remote';

/** Certificates, as PEM. */
export interface X509Credentials {
  readonly kind: 'x509';
  readonly certificate: string;
  readonly key: string;
  /** Who may have signed the certificates of clients. */
  readonly authority: string | undefined;
  readonly revoked: string | undefined;
  /** Clients must show a certificate that `authority` signed. */
  readonly verifyPeer: boolean;
  /** What `key` is encrypted with. */
  readonly passphrase?: string | undefined;
}

/** Keys known to both sides, by user name. */
export interface PskCredentials {
  readonly kind: 'psk';
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

/** Nobody proves who they are: only against those who merely listen. */
export interface AnonymousCredentials {
  readonly kind: 'anonymous';
  /** Parameters for the exchange of keys, as PEM; undefined: well-known ones. */
  readonly parameters: string | undefined;
}

export type TlsCredentials = X509Credentials | PskCredentials | AnonymousCredentials;

/** Ciphers without certificates. No library takes them for safe enough without being told. */
export const ANONYMOUS_CIPHERS = 'ADH:AECDH:@SECLEVEL=0';

export interface NbdTls {
  readonly credentials: TlsCredentials;
  /** Default true: nothing but TLS is served. False: clients may ask for TLS. */
  readonly required?: boolean;
}

/** How certificates are loaded. */
export interface X509Options {
  /** Default true. */
  readonly verifyPeer?: boolean;
  /** What the key is encrypted with. */
  readonly passphrase?: string | undefined;
}

/** `server-cert.pem`, `server-key.pem`, `ca-cert.pem` and, if there, `ca-crl.pem` of a folder. Throws where they are no good. */
export async function loadX509(folder: string, options: X509Options = {}): Promise<X509Credentials> {
  const { verifyPeer = true, passphrase } = options;
  const loaded: X509Credentials = {
    kind: 'x509',
    ...(passphrase === undefined ? {} : { passphrase }),
    authority: verifyPeer ? await load(folder, 'ca-cert.pem') : await loadIfThere(folder, 'ca-cert.pem'),
    certificate: await load(folder, 'server-cert.pem'),
    key: await load(folder, 'server-key.pem'),
    revoked: await loadIfThere(folder, 'ca-crl.pem'),
    verifyPeer,
  };
  checkUsable(folder, 'server', optionsOf(loaded));
  return loaded;
}

/** `dh-params.pem` of a folder, if there. */
export async function loadAnonymous(folder: string | undefined): Promise<AnonymousCredentials> {
  return { kind: 'anonymous', parameters: folder === undefined ? undefined : await loadIfThere(folder, 'dh-params.pem') };
}

/** `keys.psk` of a folder: lines of `user:key`, the key in hexadecimal. */
export async function loadPsk(folder: string): Promise<PskCredentials> {
  const keys = new Map<string, Uint8Array>();
  for (const [index, line] of (await load(folder, 'keys.psk')).split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = /^([^:]+):((?:[0-9a-f]{2})+)$/i.exec(line.trim());
    if (!match) throw new BlockError('invalid-argument', `Line ${index + 1} of '${join(folder, 'keys.psk')}' is not USER:HEXKEY`);
    keys.set(match[1], Buffer.from(match[2], 'hex'));
  }
  return { kind: 'psk', keys };
}

/** Throws where the library can't make use of what the folder holds; it says why. */
export function checkUsable(folder: string, side: 'client' | 'server', options: SecureContextOptions): void {
  const { ca, crl, ...own } = options;
  if (typeof ca === 'string' && !ca.includes('-----BEGIN ')) {
    throw new BlockError('invalid-argument', `Unable to import CA certificate list ${join(folder, 'ca-cert.pem')}`, { filename: folder });
  }
  const pair = `certificate '${join(folder, `${side}-cert.pem`)}' & key '${join(folder, `${side}-key.pem`)}'`;
  tryOut(pair, own);
  tryOut(`certificates in '${folder}'`, { ...(ca === undefined ? {} : { ca }), ...(crl === undefined ? {} : { crl }) });

  function tryOut(what: string, some: SecureContextOptions): void {
    try {
      createSecureContext(some);
    } catch (error) {
      throw new BlockError('invalid-argument', `Cannot load ${what}: ${tlsReason(error)}`, { filename: folder }, error);
    }
  }
}

/** The connection under TLS, once what was written before is out. Rejects where it can't be; see `upgrade`. */
export async function secured(plain: Socket, tls: NbdTls | undefined): Promise<TLSSocket> {
  plain.pause();
  if (tls === undefined) throw new BlockError('unsupported', 'TLS not configured');
  if (plain.writableLength > 0) await new Promise<void>((resolve) => plain.write('', () => { resolve(); }));
  return upgrade(plain, tls.credentials);
}

/**
 * Runs the TLS handshake on a connection whose bytes are nobody else's from here on.
 * Rejects where it fails or the connection ends; the socket is destroyed then.
 */
export function upgrade(socket: Socket, credentials: TlsCredentials): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // A server of its own for each connection: its events then belong to this connection, all of it documented interface.
    const server = createServer(optionsOf(credentials));
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    server.once('secureConnection', resolve);
    server.once('tlsClientError', fail);
    socket.once('close', () => {
      fail(new BlockError('io', 'Connection ended during the TLS handshake'));
    });
    if (socket.destroyed) fail(new BlockError('io', 'Connection ended before the TLS handshake'));
    else server.emit('connection', socket);
  });
}

function optionsOf(credentials: TlsCredentials): TlsOptions {
  if (credentials.kind === 'psk') {
    return { ciphers: 'PSK', minVersion: 'TLSv1.2', pskCallback: (_socket, identity) => credentials.keys.get(identity) ?? null };
  }
  if (credentials.kind === 'anonymous') {
    return { ciphers: ANONYMOUS_CIPHERS, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', dhparam: credentials.parameters ?? 'auto' };
  }
  const { certificate, key, authority, revoked, verifyPeer, passphrase } = credentials;
  return {
    cert: certificate,
    key,
    ...(passphrase === undefined ? {} : { passphrase }),
    minVersion: 'TLSv1.2',
    requestCert: verifyPeer,
    rejectUnauthorized: verifyPeer,
    ...(authority === undefined ? {} : { ca: authority }),
    ...(revoked === undefined ? {} : { crl: revoked }),
  };
}

async function load(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw systemError(`Unable to access credentials ${path}`, error, { filename: path });
  }
}

async function loadIfThere(folder: string, name: string): Promise<string | undefined> {
  try {
    return await load(folder, name);
  } catch (error) {
    if (error instanceof BlockError && error.kind === 'not-found') return undefined;
    throw error;
  }
}
