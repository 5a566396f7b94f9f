/** The name that an image is shown by: a plain file name where that says it all, else `json:{…}` with what matters. */
import { parseJsonName, protocolOf, type BlockNode, type Definition } from '@blk/core-graph';
import { definitionOf, type AnySource } from './open.js';

/** Options that change what the image holds, by driver. All others are left out of the name. */
const MATTERS: Readonly<Record<string, readonly string[]>> = {
  raw: ['offset', 'size'],
  'null-co': ['read-zeroes', 'size'],
  'null-aio': ['read-zeroes', 'size'],
  qcow2: ['backing', 'data-file', 'encrypt'],
  luks: ['key-secret'],
  throttle: ['throttle-group'],
  vvfat: ['dir', 'fat-type', 'floppy', 'label', 'rw'],
  quorum: ['vote-threshold', 'blkverify', 'rewrite-corrupted', 'read-pattern'],
};

/** Protocols whose names come in several spellings, of which one is shown. */
const NAMED_BY_ADDRESS = ['nbd', 'nbds'];

/** What lies over something of the same kind has no file of its own to be named by. */
const FILTERS: ReadonlySet<string> = new Set(['throttle', 'copy-on-read']);

/** What says who asks, and whom to believe: of drivers whose files have URLs. */
const ABOUT_SERVERS = ['sslverify', 'username', 'password-secret', 'proxy-username', 'proxy-password-secret', 'cookie', 'cookie-secret'];
const BY_URL: ReadonlySet<string> = new Set(['http', 'https', 'ftp', 'ftps', 'tftp']);

type Options = Readonly<Record<string, unknown>>;

/** How the open image is called in what is said about it. */
export function shownName(source: AnySource, node: BlockNode): string {
  const definition = definitionOf(source);
  if (typeof definition === 'string') {
    if (definition.startsWith('file:')) return plain(definition.slice('file:'.length));
    if (NAMED_BY_ADDRESS.includes(protocolOf(definition)?.split('+')[0] ?? '')) return node.filename;
    if (!definition.startsWith('json:')) return definition;
    return nameFrom(parseJsonName(definition), node);
  }
  return nameFrom(definition, node);
}

function nameFrom(definition: Definition, node: BlockNode): string {
  // Who serves an image over a network has a name for it.
  const served = protocolOf(node.filename) === undefined ? undefined : node.filename;
  const { name, json } = describe(nest(definition), node.driverName, served);
  return name ?? `json:${inOneLine(json)}`;
}

interface Described {
  readonly name?: string;
  readonly json: Options;
}

function describe(options: Options, assumed: string, served: string | undefined): Described {
  const driver = typeof options['driver'] === 'string' ? options['driver'] : assumed;
  if (BY_URL.has(driver)) return describeUrl(options, driver);
  const given = (MATTERS[driver] ?? []).filter((name) => options[name] !== undefined);
  const kept = Object.fromEntries(given.flatMap((name) => (name === 'encrypt' ? flat(name, options[name]) : [[name, options[name]]])));
  const bare = Object.keys(kept).length === 0;
  const { filename, file, children } = options;
  if (driver === 'quorum' && typeof children === 'object' && children !== null) {
    return { json: { driver, ...kept, children: Object.values(children).map((child) => describe(child as Options, 'file', undefined).json) } };
  }
  if (typeof file === 'object' && file !== null) {
    const child = describe(file as Options, 'file', served);
    const json = { driver, ...kept, file: child.json };
    // Only what lies in a file itself is that file; opened by its name, another layer would not come along.
    const direct = !FILTERS.has(driver) && child.json['file'] === undefined;
    return bare && direct && child.name !== undefined ? { name: child.name, json } : { json };
  }
  if (typeof filename === 'string') return { name: plain(filename), json: { driver, filename } };
  if (driver.startsWith('null-')) return bare ? { name: `${driver}://`, json: { driver } } : { json: { driver, ...kept } };
  return { ...(bare && file === undefined && served !== undefined ? { name: served } : {}), json: { driver, ...kept, ...(file === undefined ? {} : { file }) } };
}

function describeUrl({ url, filename, ...options }: Options, driver: string): Described {
  const place = url ?? filename;
  const kept = ABOUT_SERVERS.filter((name) => options[name] !== undefined && !(name === 'sslverify' && isOn(options[name])));
  const json = { driver, url: place, ...Object.fromEntries(kept.map((name) => [name, options[name]])) };
  return kept.length === 0 && typeof place === 'string' ? { name: place, json } : { json };
}

/** As it is unless it is said otherwise. */
function isOn(value: unknown): boolean {
  return value === true || value === 'on' || value === 'yes' || value === 'true' || value === 'y';
}

/** Members of an object as options with dots in their names, which is how the reference keeps all but nodes. */
function flat(name: string, value: unknown): [string, unknown][] {
  return typeof value !== 'object' || value === null ? [[name, value]] : Object.entries(value).flatMap(([key, item]) => flat(`${name}.${key}`, item));
}

/** A path that looks like a protocol's name is told from one by where it begins. */
function plain(filename: string): string {
  return protocolOf(filename) === undefined ? filename : `./${filename}`;
}

/** Options with dots in their names as objects in objects. */
function nest(definition: Definition): Options {
  const nested: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(definition)) {
    const dot = key.indexOf('.');
    if (dot < 0) nested[key] = typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...(nested[key] as object | undefined), ...nest(value as Definition) } : value;
    else nested[key.slice(0, dot)] = nest({ ...(nested[key.slice(0, dot)] as object | undefined), [key.slice(dot + 1)]: value });
  }
  return nested;
}

/** JSON on one line with blanks behind colons and commas, members in the order of the reference tools. */
function inOneLine(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inOneLine).join(', ')}]`;
  const members = Object.entries(value).sort(([a], [b]) => place(a) - place(b));
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}: ${inOneLine(item)}`).join(', ')}}`;
}

/** They keep members in a table of 512 places by a hash of the name, which is that of gdbm; so that is the order they come out in. */
function place(name: string): number {
  const bytes = new TextEncoder().encode(name);
  let value = Math.imul(0x238f13af, bytes.length);
  bytes.forEach((byte, i) => {
    value = (value + (byte << ((i * 5) % 24))) | 0;
  });
  return (Math.imul(1103515243, value) + 12345) & 511;
}
