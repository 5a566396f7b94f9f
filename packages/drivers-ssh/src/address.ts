/** Which file is meant, and how its server proves who it is: from the options of a definition, and from `ssh:` names. */
import { unflatten } from '@blk/core-graph';
import { checkOfOption, checkOfText, type HostKeyCheck } from './host-key-check.js';
import { invalid } from './errors.js';

/** Options that say where, as `open` takes them. */
export interface AddressOptions {
  readonly server?: unknown;
  readonly path?: string;
  readonly user?: string;
  readonly 'host-key-check'?: unknown;
  /** The older ways to say the same. */
  readonly host?: string;
  readonly port?: string | number;
  readonly host_key_check?: string;
}

/** A file on a server. */
export interface SshAddress {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Undefined: whoever runs this program. */
  readonly user: string | undefined;
  readonly check: HostKeyCheck;
  /** `check` as the older option said it; names of images show it. */
  readonly checkText: string | undefined;
}

/** The file that options mean. Throws in the words of QEMU. */
export function addressOf(options: AddressOptions): SshAddress {
  const { path, user, host_key_check: checkText } = options;
  const server = options.host === undefined ? serverOf(options) : { host: options.host, port: portOf('port', options.port ?? SSH_PORT) };
  if (path === undefined) throw invalid("Parameter 'path' is missing");
  const check = checkText === undefined ? checkOfOption(options['host-key-check']) : checkOfText(checkText);
  return { ...server, path, user, check, checkText };
}

/** Options for a file name: `ssh://[user@]host[:port]/path[?host_key_check=x]`. */
export function parseSshName(filename: string): AddressOptions & Record<string, unknown> {
  const match = /^ssh:(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?$/.exec(filename);
  if (match === null || /[\s<>"]/.test(filename)) throw invalid(NO_URI);
  const [, authority = '', path = '', query = ''] = match;
  if (authority === '') throw invalid('missing hostname in URI');
  // A password there is not used: what stands in a name can be read by everybody.
  const place = /^(?:([^@:]*)(?::[^@]*)?@)?(?:\[([^\]]+)\]|([^:@[\]]+))(?::(\d*))?$/.exec(authority);
  if (place === null) throw invalid(authority.replace(/^.*@/, '') === '' ? 'missing hostname in URI' : NO_URI);
  if (path === '') throw invalid('missing remote path in URI');
  const [, user = '', address, host = '', port = ''] = place;
  const check = new URLSearchParams(query).get('host_key_check');
  return {
    server: { host: address ?? decoded(host), port: port === '' ? String(SSH_PORT) : String(portOf('port', port)) },
    path: decoded(path),
    ...(user === '' ? {} : { user: decoded(user) }),
    ...(check === null ? {} : { host_key_check: check }),
  };
}

/** The name of a file; undefined where there is none, because its path begins in the user's home. */
export function sshUri({ host, port, path, checkText }: SshAddress, user: string): string | undefined {
  if (!path.startsWith('/')) return undefined;
  const check = checkText === undefined ? '' : `?host_key_check=${checkText}`;
  return `ssh://${user}@${host.includes(':') ? `[${host}]` : host}:${port}${path}${check}`;
}

const SSH_PORT = 22;

const NO_URI = 'No valid URL specified';

function serverOf({ server, port }: AddressOptions): { host: string; port: number } {
  if (port !== undefined) throw invalid('port may not be used without host');
  if (server === undefined) throw invalid("Parameter 'server' is missing");
  if (typeof server !== 'object' || server === null || Array.isArray(server)) throw invalid("Invalid parameter type for 'server', expected: object");
  const members = unflatten(server as Record<string, unknown>);
  return { host: text(members, 'host'), port: portOf('server.port', text(members, 'port')) };
}

function text(members: Record<string, unknown>, name: string): string {
  const value = members[name];
  if (value === undefined) throw invalid(`Parameter 'server.${name}' is missing`);
  if (typeof value !== 'string' && typeof value !== 'number') throw invalid(`Invalid parameter type for 'server.${name}', expected: string`);
  return String(value);
}

function portOf(name: string, port: unknown): number {
  if (!/^\d+$/.test(String(port))) throw invalid(`Parameter '${name}' expects a number`);
  const number = Number(port);
  if (number < 1 || number > 65_535) throw invalid(`Parameter '${name}' expects a number between 1 and 65535`);
  return number;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(NO_URI);
  }
}
