/** Opening a file on a server. */
import type { DriverNode, OpenContext } from '@blk/core-graph';
import { addressOf, sshUri } from './address.js';
import { Connection, CONNECT_TIMEOUT } from './connection.js';
import type { SshDriverOptions, SshOptions } from './driver.js';
import { SshNode } from './node.js';
import { Session } from './session.js';
import { Surroundings } from './surroundings.js';

/** Milliseconds that timers can count, 24 days: nobody waits longer. */
const LONGEST = 2 ** 31 - 1;

export async function openSsh(options: SshOptions, context: OpenContext, own: SshDriverOptions): Promise<DriverNode> {
  const address = addressOf(options);
  const surroundings = new Surroundings(own);
  const { readOnly, host } = context;
  const stallTimeout = Math.min((options.timeout ?? 0) * 1000, LONGEST);
  const openTimeout = stallTimeout === 0 ? CONNECT_TIMEOUT : stallTimeout;
  const session = await Session.open(
    {
      connect: (signal) => Connection.open(address, surroundings, signal, { timeout: openTimeout, stallTimeout, clock: host }),
      openTimeout,
      path: address.path,
      how: readOnly ? 'r' : 'r+',
      reconnectDelay: (options['reconnect-delay'] ?? 0) * 1000,
      host,
    },
    context.signal,
  );
  const warnNoSync = (): void => { context.warn(`warning: ssh server ${address.host} does not support fsync`); };
  return new SshNode(session, sshUri(address, address.user ?? surroundings.user), { readOnly, warnNoSync });
}
