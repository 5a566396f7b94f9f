/** The command line of `blk nbd`: qemu-nbd's options, checked, in the words of qemu-nbd. */
import { CommandLineError, getopt, type OptionSpec } from '../getopt.js';

const SPECS: readonly OptionSpec[] = [
  { long: 'help', short: 'h' },
  { long: 'version', short: 'V' },
  { long: 'port', short: 'p', argument: 'required' },
  { long: 'bind', short: 'b', argument: 'required' },
  { long: 'socket', short: 'k', argument: 'required' },
  { long: 'shared', short: 'e', argument: 'required' },
  { long: 'persistent', short: 't' },
  { long: 'verbose', short: 'v' },
  { long: 'export-name', short: 'x', argument: 'required' },
  { long: 'description', short: 'D', argument: 'required' },
  { long: 'offset', short: 'o', argument: 'required' },
  { long: 'allocation-depth', short: 'A' },
  { long: 'bitmap', short: 'B', argument: 'required' },
  { long: 'list', short: 'L' },
  { long: 'object', argument: 'required' },
  { long: 'tls-creds', argument: 'required' },
  { long: 'tls-authz', argument: 'required' },
  { long: 'tls-hostname', argument: 'required' },
  { long: 'trace', short: 'T', argument: 'required' },
  { long: 'fork' },
  { long: 'pid-file', argument: 'required' },
  { long: 'selinux-label', argument: 'required' },
  { long: 'connect', short: 'c', argument: 'required' },
  { long: 'disconnect', short: 'd' },
  { long: 'format', short: 'f', argument: 'required' },
  { long: 'read-only', short: 'r' },
  { long: 'snapshot', short: 's' },
  { long: 'load-snapshot', short: 'l', argument: 'required' },
  { long: 'nocache', short: 'n' },
  { long: 'cache', argument: 'required' },
  { long: 'aio', argument: 'required' },
  { long: 'discard', argument: 'required' },
  { long: 'detect-zeroes', argument: 'required' },
  { long: 'image-opts' },
  { long: 'untrusted' },
];

export type CacheName = 'none' | 'writeback' | 'writethrough' | 'directsync' | 'unsafe';
const CACHES: readonly string[] = ['none', 'writeback', 'writethrough', 'directsync', 'unsafe', 'off'];

/** What was asked for, checked. */
export interface NbdArguments {
  readonly help: boolean;
  readonly version: boolean;
  /** Show what another server exports, rather than serve. */
  readonly list: boolean;
  /** Long names of all options that were given. */
  readonly given: ReadonlySet<string>;
  readonly file: string;
  readonly imageOptions: boolean;
  readonly format?: string;
  readonly socket?: string;
  readonly port: number;
  readonly bind: string;
  /** Clients at a time; 0: any number. */
  readonly shared: number;
  readonly persistent: boolean;
  readonly exportName: string;
  readonly description?: string;
  readonly offset: number;
  readonly allocationDepth: boolean;
  /** Dirty bitmaps to offer. */
  readonly bitmaps: readonly string[];
  readonly objects: readonly string[];
  readonly tlsCreds?: string;
  readonly tlsHostname?: string;
  readonly fork: boolean;
  readonly pidFile?: string;
  readonly readOnly: boolean;
  /** What is written goes to a temporary overlay. */
  readonly snapshot: boolean;
  /** The snapshot inside the image that is served. */
  readonly loadSnapshot?: string;
  readonly cache: CacheName;
  readonly aio?: 'threads' | 'native' | 'io_uring';
  readonly discard?: boolean;
  readonly detectZeroes: 'off' | 'on' | 'unmap';
  /** Tracing was asked for, which there is not. */
  readonly trace: readonly string[];
  readonly untrusted: boolean;
}

/** Options that this program knows by name but cannot serve, and why. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  connect: 'the kernel client is not supported',
  disconnect: 'the kernel client is not supported',
  'selinux-label': 'labels of sockets are not supported',
};

const ONCE: readonly string[] = ['aio', 'discard'];

/** Options about one image, which a list has no use for. */
const PER_DEVICE: readonly string[] = [
  'export-name', 'description', 'offset', 'allocation-depth', 'bitmap', 'format', 'load-snapshot', 'cache', 'nocache', 'aio', 'discard',
];

/** Throws a `CommandLineError` whose message goes behind the program's name. */
export function parseNbdArguments(words: readonly string[]): NbdArguments {
  const { options, operands } = getopt(words, SPECS);
  const values = new Map<string, string>();
  const objects: string[] = [];
  const trace: string[] = [];
  const bitmaps: string[] = [];
  for (const { name, value } of options) {
    if (ONCE.includes(name) && values.has(name)) throw new CommandLineError(`--${name} can only be specified once`);
    if (name === 'object') objects.push(value ?? '');
    else if (name === 'trace') trace.push(value ?? '');
    else if (name === 'bitmap') bitmaps.push(value ?? '');
    else if ((name === 'cache' || name === 'nocache') && (values.has('cache') || values.has('nocache'))) {
      throw new CommandLineError('-n and --cache can only be specified once');
    } else values.set(name, value ?? '');
  }
  const asked = values.has('help') || values.has('version');
  const list = values.has('list');
  const given = new Set(options.map(({ name }) => name));
  if (list) checkList(given, operands);
  else if (!asked && operands.length !== 1) throw new CommandLineError(INVALID_COUNT);
  for (const name of given) {
    const refusal = UNSUPPORTED[name];
    if (refusal !== undefined) throw new CommandLineError(`--${name}: ${refusal}`);
  }
  checkTls(given, list);
  const socket = values.get('socket');
  if (socket !== undefined && !socket.startsWith('/')) throw new CommandLineError('socket path must be absolute');
  const format = values.get('format');
  if (values.has('image-opts') && format !== undefined) {
    throw new CommandLineError('--image-opts and -f are mutually exclusive');
  }
  const exportName = values.get('export-name') ?? '';
  if (Buffer.byteLength(exportName) > MAX_STRING) throw new CommandLineError(`export name '${exportName}' too long`);
  const description = values.get('description');
  if (description !== undefined && Buffer.byteLength(description) > MAX_STRING) {
    throw new CommandLineError(`export description '${description}' too long`);
  }
  const tlsCreds = values.get('tls-creds');
  const tlsHostname = values.get('tls-hostname');
  const loadSnapshot = values.get('load-snapshot');
  const pidFile = values.get('pid-file');
  const aio = oneOf(values.get('aio'), ['threads', 'native', 'io_uring'] as const, (text) => `Invalid aio mode '${text}'`);
  const discard = oneOf(values.get('discard'), ['ignore', 'off', 'unmap', 'on'] as const, (text) => `Invalid discard mode \`${text}'`);
  return {
    help: values.has('help'),
    version: values.has('version'),
    list,
    given,
    file: operands[0] ?? '',
    imageOptions: values.has('image-opts'),
    ...(format === undefined ? {} : { format }),
    ...(socket === undefined ? {} : { socket }),
    port: port(values.get('port'), values.get('bind') ?? '0.0.0.0'),
    bind: values.get('bind') ?? '0.0.0.0',
    shared: shared(values.get('shared')),
    persistent: values.has('persistent'),
    exportName,
    ...(description === undefined ? {} : { description }),
    offset: offset(values.get('offset')),
    allocationDepth: values.has('allocation-depth'),
    bitmaps,
    objects,
    ...(tlsCreds === undefined ? {} : { tlsCreds }),
    ...(tlsHostname === undefined ? {} : { tlsHostname }),
    fork: values.has('fork'),
    ...(pidFile === undefined ? {} : { pidFile }),
    readOnly: values.has('read-only'),
    snapshot: values.has('snapshot'),
    ...(loadSnapshot === undefined ? {} : { loadSnapshot }),
    cache: values.has('nocache') ? 'none' : cache(values.get('cache')),
    ...(aio === undefined ? {} : { aio }),
    ...(discard === undefined ? {} : { discard: discard === 'unmap' || discard === 'on' }),
    detectZeroes:
      oneOf(values.get('detect-zeroes'), ['off', 'on', 'unmap'] as const, (text) => `Failed to parse detect_zeroes mode: invalid parameter value: ${text}`) ?? 'off',
    trace,
    untrusted: values.has('untrusted'),
  };
}

function checkList(given: ReadonlySet<string>, operands: readonly string[]): void {
  if (operands.length > 0) throw new CommandLineError('List mode is incompatible with a file name');
  if (PER_DEVICE.some((name) => given.has(name))) {
    throw new CommandLineError('List mode is incompatible with per-device settings');
  }
  if (given.has('fork')) throw new CommandLineError('List mode is incompatible with forking');
}

function checkTls(given: ReadonlySet<string>, list: boolean): void {
  const withCreds = given.has('tls-creds');
  if (given.has('tls-authz')) throw new CommandLineError(withCreds ? '--tls-authz: authorization objects are not supported' : '--tls-authz is not permitted without --tls-creds');
  if (!given.has('tls-hostname')) return;
  if (!withCreds) throw new CommandLineError('--tls-hostname is not permitted without --tls-creds');
  if (!list) throw new CommandLineError('TLS hostname is only supported with export list');
}

export const INVALID_COUNT = 'Invalid number of arguments';
const MAX_STRING = 4096;

function oneOf<T extends string>(value: string | undefined, allowed: readonly T[], message: (text: string) => string): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new CommandLineError(message(value));
  return found;
}

function cache(value: string | undefined): CacheName {
  const mode = oneOf(value, CACHES, (text) => `Invalid cache mode \`${text}'`) ?? 'writeback';
  return mode === 'off' ? 'none' : (mode as CacheName);
}

function shared(value: string | undefined): number {
  if (value === undefined) return 1;
  if (!/^\d{1,9}$/.test(value)) throw new CommandLineError(`Invalid shared device number '${value}'`);
  return Number(value);
}

function offset(value: string | undefined): number {
  if (value === undefined) return 0;
  // Less than nothing is left for the image to refuse, as the original does.
  const number = /^(-?\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number)) throw new CommandLineError(`Invalid offset '${value}'`);
  return number;
}

function port(value: string | undefined, host: string): number {
  if (value === undefined) return 10809;
  if (!/^\d+$/.test(value)) throw new CommandLineError(`address resolution failed for ${host}:${value}: Servname not supported for ai_socktype`);
  if (Number(value) > 65535) throw new CommandLineError(`Invalid port '${value}', allowed: 0 to 65535`);
  return Number(value);
}
