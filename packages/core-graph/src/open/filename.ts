/** File names as QEMU reads them: `json:{…}`, `protocol:…`, plain paths; and relative ones inside images. */
import { parseJson } from '@blk/qapi-types/json';
import { BlockError } from '../errors.js';

/** The protocol prefix of a name (`nbd` of `nbd:…`), if it has one: a colon before any slash. */
export function protocolOf(filename: string): string | undefined {
  // A single letter before a slash is a drive on Windows.
  return /^[A-Za-z]:[\\/]/.test(filename) ? undefined : /^([^/:\\]+):/.exec(filename)?.[1];
}

export function isAbsolute(filename: string): boolean {
  return filename.startsWith('/') || /^[A-Za-z]:[\\/]/.test(filename);
}

/**
 * Resolves a name that an image refers to, against the image's own name: protocol names and absolute paths stand for
 * themselves, others lie beside the image.
 */
export function resolveReference(base: string, reference: string): string {
  if (protocolOf(reference) !== undefined || isAbsolute(reference)) return reference;
  if (base.startsWith('json:')) {
    throw new BlockError('invalid-argument', `Cannot use relative backing file names for '${base}'`);
  }
  const prefix = /^[^/:\\]{2,}:\/\/[^/]*\//.exec(base)?.[0] ?? (protocolOf(base) === undefined ? '' : `${protocolOf(base)}:`);
  // What a URL says behind its path is about that file, and may have slashes of its own; of SSH it is about the server.
  const query = prefix.endsWith('/') ? base.indexOf('?') : -1;
  const slash = base.lastIndexOf('/', query < 0 ? Infinity : query);
  const about = query >= 0 && prefix.startsWith('ssh:') ? base.slice(query) : '';
  return (slash >= prefix.length ? base.slice(0, slash + 1) : prefix) + reference + about;
}

/** A path with `.`, `..` and doubled slashes taken out, to see whether two names mean the same file. */
export function normalisePath(filename: string): string {
  if (protocolOf(filename) !== undefined) return filename;
  const parts: string[] = [];
  for (const part of filename.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts[parts.length - 1] !== '..') parts.pop();
    else parts.push(part);
  }
  return (filename.startsWith('/') ? '/' : '') + parts.join('/');
}

/** Parses the object of a `json:{…}` name; as in QEMU, single quotes will do. */
export function parseJsonName(filename: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(filename.slice('json:'.length));
  } catch (error) {
    throw new BlockError('invalid-argument', `Could not parse the JSON options: ${(error as Error).message}`, {}, error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BlockError('invalid-argument', 'Invalid JSON object given');
  }
  return value as Record<string, unknown>;
}
