/** The NBD server and its exports. */
import type { InetSocketAddress, SocketAddress, SocketAddressLegacy } from '@blk/qapi-types';
import type { ListenTarget } from '@blk/nbd';
import type { CommandGroup } from '../dispatch.js';
import { deviceNotFound, genericError } from '../errors.js';
import { exportBitmaps } from '../exports/export-bitmaps.js';
import type { BlkServer } from '../server.js';

export const nbd: CommandGroup = {
  'nbd-server-start': async (args, { server }) => {
    await startNbd(server, flatAddress(args.addr), {
      tlsCreds: args['tls-creds'],
      tlsAuthz: args['tls-authz'],
      maxConnections: args['max-connections'],
    });
  },

  'nbd-server-add': ({ device, name = device, writable = false, bitmap, description }, { server }) => {
    const backend = server.graph.backends.get(device);
    const node = backend === undefined ? server.graph.findNode(device) : undefined;
    if (server.exports.nbd === undefined) throw genericError('NBD server not running');
    if (backend === undefined && node === undefined) throw deviceNotFound(device);
    server.exports.add({
      id: name,
      name,
      source: backend ?? { node: device },
      // A read-only image is given out read-only, whatever was asked for.
      writable: writable && !(backend ?? node)?.readOnly,
      ...(description === undefined ? {} : { description }),
      ...(bitmap === undefined ? {} : { bitmaps: exportBitmaps(server.graph, backend?.root ?? server.graph.node(device), [bitmap]) }),
    });
  },

  'nbd-server-remove': async ({ name, mode }, { server }) => {
    await server.exports.remove(name, mode);
  },

  'nbd-server-stop': async (_args, { server }) => {
    await server.exports.stop();
  },
};

/** What an NBD server is started with besides its address; unset members as in the schema. */
export interface NbdSettings {
  readonly tlsCreds?: string | undefined;
  readonly tlsAuthz?: string | undefined;
  readonly maxConnections?: number | undefined;
}

/** Starts the NBD server as `nbd-server-start` and `--nbd-server` do. */
export async function startNbd(server: BlkServer, address: SocketAddress, settings: NbdSettings): Promise<void> {
  const { tlsCreds, tlsAuthz, maxConnections = 0 } = settings;
  if (tlsAuthz !== undefined) throw genericError(`Authorization objects such as '${tlsAuthz}' are not supported`);
  const tls = tlsCreds === undefined ? undefined : { credentials: await server.objects.serverCredentials(tlsCreds) };
  await server.exports.start(listenTarget(address), { maxConnections, ...(tls === undefined ? {} : { tls }) });
}

function flatAddress(address: SocketAddressLegacy): SocketAddress {
  return { type: address.type, ...address.data } as SocketAddress;
}

function listenTarget(address: SocketAddress): ListenTarget {
  switch (address.type) {
    case 'unix':
      if (address.abstract === true) throw genericError("Parameter 'abstract' is not supported");
      return { path: address.path };
    case 'fd':
      return { fd: descriptor(address.str) };
    case 'inet':
      return inetTarget(address);
  }
}

function inetTarget({ host, port, to }: InetSocketAddress): ListenTarget {
  if (to !== undefined) throw genericError("Parameter 'to' is not supported: name one port, or 0 for any");
  return { ...(host === '' ? { host: '0.0.0.0' } : { host }), port: portNumber(port) };
}

/** A port as text. Throws for what is no number up to 65535. */
export function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65535)) throw genericError(`Port '${text}' is not a number between 0 and 65535`);
  return port;
}

/** A descriptor as text. */
export function descriptor(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw genericError(`Unable to parse FD number ${text}`);
  return Number(text);
}
