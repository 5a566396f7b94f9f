/** `--tls-creds`: the TLS credentials among the objects of the command line, for a server and for a client. */
import { loadClientPsk, loadClientX509, loadPsk, loadX509, type ClientTls, type NbdTls } from '@blk/nbd';
import { parseKeyval } from '@blk/qapi-types';
import { CommandLineError } from '../getopt.js';
import type { NbdArguments } from './options.js';

/** Types of objects that are read here rather than as secrets. */
export const TLS_OBJECTS = ['tls-creds-psk', 'tls-creds-x509'] as const;

interface TlsObject {
  readonly type: (typeof TLS_OBJECTS)[number];
  readonly dir: string;
  readonly username: string | undefined;
  readonly verifyPeer: boolean;
}

/** What the server offers; undefined without `--tls-creds`. */
export async function serverTls(args: NbdArguments): Promise<NbdTls | undefined> {
  const object = findObject(args, 'server');
  if (object === undefined) return undefined;
  const { type, dir, verifyPeer } = object;
  return { credentials: type === 'tls-creds-psk' ? await loadPsk(dir) : await loadX509(dir, { verifyPeer }) };
}

/** What a client of another server shows, and whom it expects there. */
export async function clientTls(args: NbdArguments): Promise<ClientTls | undefined> {
  const object = findObject(args, 'client');
  if (object === undefined) return undefined;
  const { type, dir, username, verifyPeer } = object;
  const credentials = type === 'tls-creds-psk' ? await loadClientPsk(dir, username) : await loadClientX509(dir, { verifyPeer });
  return { credentials, ...(args.tlsHostname === undefined ? {} : { hostname: args.tlsHostname }) };
}

function findObject({ tlsCreds, objects }: NbdArguments, endpoint: 'server' | 'client'): TlsObject | undefined {
  if (tlsCreds === undefined) return undefined;
  for (const text of objects) {
    const { id, 'qom-type': name, dir, username, endpoint: given = 'client', 'verify-peer': verify } = parseKeyval(text, 'qom-type');
    if (id !== tlsCreds) continue;
    const type = TLS_OBJECTS.find((candidate) => candidate === name);
    if (type === undefined) throw failed(`Object with id '${tlsCreds}' is not TLS credentials`);
    if (given !== endpoint) throw failed(`Expected TLS credentials for a ${endpoint} endpoint`);
    return {
      type,
      dir: typeof dir === 'string' ? dir : '',
      username: typeof username === 'string' ? username : undefined,
      verifyPeer: verify !== 'off' && verify !== 'no' && verify !== 'false',
    };
  }
  throw failed(`No TLS credentials with id '${tlsCreds}'`);
}

function failed(message: string): CommandLineError {
  return new CommandLineError(`Failed to get TLS creds: ${message}`);
}
