/** Where an export is found: from the options of a definition, and from the file names that mean one. */
import { BlockError, unflatten } from '@blk/core-graph';
import type { NbdAddress } from '@blk/nbd';

/** Options that say where, as `open` takes them; the checked rest is the driver's. */
export interface AddressOptions {
  readonly server?: unknown;
  readonly export?: string;
  /** The older ways to say where. */
  readonly path?: string;
  readonly host?: string;
  readonly port?: string | number;
}

/** The address that options mean. Throws in the words of QEMU. */
export function addressOf(options: AddressOptions): NbdAddress {
  const exportName = options.export ?? '';
  if (new TextEncoder().encode(exportName).length > MAX_NAME) throw invalid('export name too long to send to server');
  if (options.server !== undefined) return { ...serverAddress(options.server), exportName };
  const { path, host, port } = options;
  if (path !== undefined && host !== undefined) throw invalid('path and host may not be used at the same time');
  if (path !== undefined) return { path, exportName };
  if (host === undefined) throw invalid('NBD server address missing');
  return { host, port: port === undefined ? NBD_PORT : portOf(host, port), exportName };
}

/** Options for a file name: `nbd:host:port[:exportname=x]`, `nbd:unix:path[:exportname=x]`, and URIs. */
export function parseNbdName(filename: string): Record<string, unknown> {
  return filename.includes('://') ? parseUri(filename) : parseOldName(filename.slice('nbd:'.length));
}

/** The protocol's own; not imported, so that names can be read without loading the protocol. */
const NBD_PORT = 10809;

/** Longest name of an export, in bytes. */
const MAX_NAME = 4096;

/** `SocketAddress` of the schema, and its older form with the members in `data`. */
function serverAddress(server: unknown): NbdAddress {
  if (typeof server !== 'object' || server === null || Array.isArray(server)) throw invalid("Invalid parameter type for 'server', expected: object");
  const { type, ...given } = unflatten(server as Record<string, unknown>);
  if (type === undefined) throw invalid("Parameter 'server.type' is missing");
  if (typeof type !== 'string') throw invalid("Invalid parameter type for 'server.type', expected: string");
  const members = { ...given, ...(given['data'] as Record<string, unknown> | undefined) };
  switch (type) {
    case 'unix':
      return { path: text(members, 'path') };
    case 'inet': {
      const host = text(members, 'host');
      return { host, port: portOf(host, text(members, 'port')) };
    }
    case 'fd':
    case 'vsock':
      throw new BlockError('unsupported', `Servers of type '${type}' are not supported`, { driver: 'nbd' });
    default:
      throw invalid(`Parameter 'server.type' does not accept value '${type}'`);
  }
}

function text(members: Record<string, unknown>, name: string): string {
  const value = members[name];
  if (value === undefined) throw invalid(`Parameter 'server.${name}' is missing`);
  if (typeof value !== 'string' && typeof value !== 'number') throw invalid(`Invalid parameter type for 'server.${name}', expected: string`);
  return String(value);
}

function portOf(host: string, port: string | number): number {
  const number = /^\d{1,5}$/.test(String(port)) ? Number(port) : NaN;
  if (!(number <= 65535)) throw invalid(`address resolution failed for ${host}:${port}: Servname not supported for ai_socktype`);
  return number;
}

function parseOldName(rest: string): Record<string, unknown> {
  const at = rest.indexOf(EXPORT_NAME);
  const where = at < 0 ? rest : rest.slice(0, at);
  const name = at < 0 ? '' : rest.slice(at + EXPORT_NAME.length);
  // Asked for, but not said.
  if (where === '' || (at >= 0 && name === '')) throw invalid('NBD server address missing');
  const exported = name === '' ? {} : { export: name };
  if (where.startsWith('unix:')) return { server: { type: 'unix', path: where.slice('unix:'.length) }, ...exported };
  // An IPv6 address stands in brackets.
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(.+)$/.exec(where);
  if (match === null) throw invalid(`error parsing address '${where}'`);
  return { server: { type: 'inet', host: match[1] ?? match[2], port: match[3] }, ...exported };
}

/** The name that an export is shown by: as the reference has it, the port always, and no slash without a name behind it. */
export function shownUri({ path, host = 'localhost', port = NBD_PORT, exportName = '', tls = false }: NbdAddress): string {
  const scheme = tls ? 'nbds' : 'nbd';
  const name = exportName === '' ? '' : `/${encoded(exportName)}`;
  if (path !== undefined) return `${scheme}+unix://${name}?socket=${encoded(path)}`;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${name}`;
}

/** Slashes are left: they say nothing in these places. */
function encoded(part: string): string {
  return encodeURIComponent(part).replaceAll('%2F', '/');
}

const EXPORT_NAME = ':exportname=';

function parseUri(uri: string): Record<string, unknown> {
  const match = /^(nbds?)(?:\+(tcp|unix))?:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(uri);
  if (match === null) throw invalid(NO_URI);
  const [, scheme, transport = 'tcp', authority = '', name = '', query = ''] = match;
  const options = { ...(name === '' ? {} : { export: decoded(name) }), ...(scheme === 'nbds' ? { tls: true } : {}) };
  if (transport === 'unix') {
    const socket = /^socket=([^&]+)$/.exec(query)?.[1];
    if (socket === undefined || authority !== '') throw invalid(NO_URI);
    return { server: { type: 'unix', path: decoded(socket) }, ...options };
  }
  const place = /^(?:[^@]*@)?(?:\[([^\]]+)\]|([^:]+))(?::(\d*))?$/.exec(authority);
  if (place === null || query !== '') throw invalid(NO_URI);
  const [, address, host, port = ''] = place;
  return { server: { type: 'inet', host: address ?? decoded(host), port: port === '' ? String(NBD_PORT) : port }, ...options };
}

const NO_URI = 'No valid URL specified';

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(NO_URI);
  }
}

function invalid(message: string): BlockError {
  return new BlockError('invalid-argument', message, { driver: 'nbd' });
}
