/** Opening an export: where it is, how it is encrypted, and what a read-only one means. */
import { BlockError, type CredentialLookup, type DriverNode, type OpenContext } from '@blk/core-graph';
import { NbdClient, TransmissionFlag, type ClientCredentials, type ClientTls, type NbdAddress } from '@blk/nbd';
import { addressOf, shownUri } from './address.js';
import type { NbdDriverOptions, NbdOptions } from './driver.js';
import { ALLOCATION, NbdNode } from './node.js';
import { Session } from './session.js';

/** Most connections to one export. */
const MAX_CONNECTIONS = 16;

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
  return Session.open(
    {
      connect: (signal) => NbdClient.connect(address, { contexts: [ALLOCATION], signal, ...(tls === undefined ? {} : { tls }) }),
      reconnectDelay: (options['reconnect-delay'] ?? 0) * 1000,
      openTimeout: (options['open-timeout'] ?? 0) * 1000,
      connections,
      host: context.host,
    },
    context.signal,
  );
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
