/** `--tls-creds`: the TLS credentials among the objects of the command line, for a server and for a client. */
import type { ClientTls, NbdTls } from '@blk/nbd';
import { messageOf } from '@blk/core-graph';
import { CommandLineError } from '../getopt.js';
import type { ToolObjects } from '../objects.js';
import type { NbdArguments } from './options.js';

/** What the server offers; undefined without `--tls-creds`. */
export function serverTls({ tlsCreds }: NbdArguments, objects: ToolObjects): NbdTls | undefined {
  return tlsCreds === undefined ? undefined : found(() => ({ credentials: objects.credentials(tlsCreds, 'server') }));
}

/** What a client of another server shows, and whom it expects there. */
export function clientTls({ tlsCreds, tlsHostname }: NbdArguments, objects: ToolObjects): ClientTls | undefined {
  if (tlsCreds === undefined) return undefined;
  return found(() => ({ credentials: objects.credentials(tlsCreds, 'client'), ...(tlsHostname === undefined ? {} : { hostname: tlsHostname }) }));
}

function found<T>(find: () => T): T {
  try {
    return find();
  } catch (error) {
    throw new CommandLineError(`Failed to get TLS creds: ${messageOf(error)}`);
  }
}
