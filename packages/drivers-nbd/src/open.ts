/** Opening an export: where it is, how it is encrypted, and what a read-only one means. */
import { BlockError, type CredentialLookup, type DriverNode, type OpenContext } from '@blk/core-graph';
import { NbdClient, TransmissionFlag, type ClientCredentials, type ClientTls, type NbdAddress } from '@blk/nbd';
import { addressOf, shownUri } from './address.js';
import type { NbdDriverOptions, NbdOptions } from './driver.js';
import { ALLOCATION, NbdNode } from './node.js';
import { Session } from './session.js';

/** Most connections to one export. */
const MAX_CONNECTIONS = 16;
/** Milliseconds for one attempt to connect, handshake and all, unless an option says so. */
const CONNECT_TIMEOUT = 30_000;
/** Milliseconds that timers can count, 24 days: nobody waits longer. */
const LONGEST = 2 ** 31 - 1;

export async function openNbd(options: NbdOptions, context: OpenContext, credentials: NbdDriverOptions['credentials']): Promise<DriverNode> {
  const tls = await tlsOf(options, credentials ?? context.credentials);
  // A name can say that it is encrypted, but not with which credentials: as in the reference, it then says nothing of it.
  const address: NbdAddress = { ...addressOf(options), tls: options.tls === true };
  const session = await openSession(address, tls, options, context);
  if (!context.readOnly && (session.negotiated.flags & TransmissionFlag.ReadOnly) !== 0) {
    session.close();
    throw new BlockError('permission', 'Could not open image: Permission denied', { driver: 'nbd', code: 'EACCES' });
  }
  return new NbdNode(session, shownUri(address), context.readOnly);
}

function openSession(address: NbdAddress, tls: ClientTls | undefined, options: NbdOptions, context: OpenContext): Promise<Session> {
  const { connections = 1 } = options;
  if (connections < 1 || connections > MAX_CONNECTIONS) {
    throw new BlockError('invalid-argument', `connections=${connections}: 1 to ${MAX_CONNECTIONS} are possible`, { driver: 'nbd' });
  }
  const { host } = context;
  const stallTimeout = milliseconds(options.timeout);
  const how = { contexts: [ALLOCATION], stallTimeout, clock: host, ...(tls === undefined ? {} : { tls }) };
  return Session.open(
    {
      connect: (signal, timeout) => NbdClient.connect(address, { ...how, signal, timeout }),
      reconnectDelay: milliseconds(options['reconnect-delay']),
      openTimeout: milliseconds(options['open-timeout']),
      connectTimeout: stallTimeout === 0 ? CONNECT_TIMEOUT : stallTimeout,
      connections,
      host,
    },
    context.signal,
  );
}

function milliseconds(seconds = 0): number {
  return Math.min(seconds * 1000, LONGEST);
}

async function tlsOf(options: NbdOptions, credentials: CredentialLookup | undefined): Promise<ClientTls | undefined> {
  const id = options['tls-creds'];
  const hostname = options['tls-hostname'];
  const named = hostname === undefined ? {} : { hostname };
  if (id !== undefined) {
    if (credentials === undefined) throw new BlockError('not-found', `No TLS credentials with id '${id}'`, { driver: 'nbd' });
    return { credentials: checked(id, await credentials(id)), ...named };
  }
  if (options.tls !== true) {
    if (hostname !== undefined) throw new BlockError('invalid-argument', 'tls-hostname is not permitted without tls-creds', { driver: 'nbd' });
    return undefined;
  }
  const trusted: ClientCredentials = { kind: 'x509', authority: undefined, certificate: undefined, key: undefined, revoked: undefined, verifyPeer: true };
  return { credentials: trusted, ...named };
}

function checked(id: string, found: object): ClientCredentials {
  if ('kind' in found && (found.kind === 'x509' || found.kind === 'psk' || found.kind === 'anonymous')) return found as ClientCredentials;
  throw new BlockError('invalid-argument', `Object with id '${id}' is not TLS credentials`, { driver: 'nbd' });
}
