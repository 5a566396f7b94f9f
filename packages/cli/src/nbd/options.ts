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
  { long: 'trace', short: 'T', argument: 'optional' },
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
  readonly objects: readonly string[];
  readonly tlsCreds?: string;
  readonly fork: boolean;
  readonly pidFile?: string;
  readonly readOnly: boolean;
  readonly cache: CacheName;
  readonly aio?: 'threads' | 'native' | 'io_uring';
  readonly discard?: boolean;
  readonly detectZeroes: 'off' | 'on' | 'unmap';
  readonly verbose: boolean;
  readonly untrusted: boolean;
}

/** Options that this program knows by name but cannot serve, and why. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  connect: 'the kernel client is not supported',
  disconnect: 'the kernel client is not supported',
  list: 'listing the exports of another server is not supported yet',
  bitmap: 'exporting a bitmap is not supported yet',
  snapshot: 'temporary snapshots are not supported yet',
  'load-snapshot': 'internal snapshots are not supported yet',
  'tls-authz': 'authorization objects are not supported',
  'selinux-label': 'labels are not supported',
};

/** Throws a `CommandLineError` whose message goes behind the program's name. */
export function parseNbdArguments(words: readonly string[]): NbdArguments {
  const { options, operands } = getopt(words, SPECS);
  const values = new Map<string, string>();
  const objects: string[] = [];
  for (const { name, value } of options) {
    const refusal = UNSUPPORTED[name];
    if (refusal !== undefined) throw new CommandLineError(`--${name}: ${refusal}`);
    if (name === 'object') objects.push(value ?? '');
    else if ((name === 'cache' || name === 'nocache') && (values.has('cache') || values.has('nocache'))) {
      throw new CommandLineError('-n and --cache can only be specified once');
    } else values.set(name, value ?? '');
  }
  const asked = values.has('help') || values.has('version');
  if (!asked && operands.length !== 1) throw new CommandLineError(INVALID_COUNT);
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
  const pidFile = values.get('pid-file');
  const aio = oneOf(values.get('aio'), ['threads', 'native', 'io_uring'] as const, (text) => `Invalid aio mode '${text}'`);
  const discard = oneOf(values.get('discard'), ['ignore', 'off', 'unmap', 'on'] as const, (text) => `Invalid discard mode \`${text}'`);
  return {
    help: values.has('help'),
    version: values.has('version'),
    file: operands[0] ?? '',
    imageOptions: values.has('image-opts'),
    ...(format === undefined ? {} : { format }),
    ...(socket === undefined ? {} : { socket }),
    port: port(values.get('port')),
    bind: values.get('bind') ?? '0.0.0.0',
    shared: shared(values.get('shared')),
    persistent: values.has('persistent'),
    exportName,
    ...(description === undefined ? {} : { description }),
    offset: offset(values.get('offset')),
    allocationDepth: values.has('allocation-depth'),
    objects,
    ...(tlsCreds === undefined ? {} : { tlsCreds }),
    fork: values.has('fork'),
    ...(pidFile === undefined ? {} : { pidFile }),
    readOnly: values.has('read-only'),
    cache: values.has('nocache') ? 'none' : cache(values.get('cache')),
    ...(aio === undefined ? {} : { aio }),
    ...(discard === undefined ? {} : { discard: discard === 'unmap' || discard === 'on' }),
    detectZeroes:
      oneOf(values.get('detect-zeroes'), ['off', 'on', 'unmap'] as const, (text) => `Failed to parse detect_zeroes mode: invalid parameter value: ${text}`) ?? 'off',
    verbose: values.has('verbose'),
    untrusted: values.has('untrusted'),
  };
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
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number)) throw new CommandLineError(`Invalid offset '${value}'`);
  return number;
}

function port(value: string | undefined): number {
  if (value === undefined) return 10809;
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65535) throw new CommandLineError(`Invalid port '${value}', allowed: 0 to 65535`);
  return Number(value);
}
