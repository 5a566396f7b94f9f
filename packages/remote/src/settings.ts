/** The options that all these drivers have, and the words in which opening fails. */
import { BlockError, errnoOf, messageOf, type OpenContext, type OptionTable } from '@blk/core-graph';
import { DEFAULT_CAP } from '#spool-store';
import { withoutPassword } from './words.js';

/** As a definition has them. */
export interface RemoteOptions {
  readonly url?: string;
  /** An older name for the same. */
  readonly filename?: string;
  readonly readahead?: number;
  readonly timeout?: number;
  readonly spool?: number;
}

/** The same, checked. */
export interface RemoteSettings {
  /** Bytes that are fetched around a short read, and the least that is fetched ahead; 0: nothing but what is asked for. */
  readonly readahead: number;
  /** Milliseconds without progress until a transfer counts as dead; 0: it may take as long as it likes. */
  readonly timeout: number;
  /** Most bytes of a file that has to be fetched as a whole. */
  readonly spool: number;
}

/** For the option table of a driver. */
export const SETTINGS: OptionTable = {
  url: { type: 'string' },
  filename: { type: 'string' },
  readahead: { type: 'size' },
  timeout: { type: 'uint' },
  spool: { type: 'size' },
};

const DEFAULT_READAHEAD = 256 * 1024;
const MAX_READAHEAD = 64 * 1024 * 1024;
/** Seconds. */
const DEFAULT_TIMEOUT = 5;
const MAX_TIMEOUT = 10_000;

/** Throws kind `invalid-argument`, in the words of QEMU. */
export function checkSettings(driver: string, options: RemoteOptions): RemoteSettings {
  const { readahead = DEFAULT_READAHEAD, timeout = DEFAULT_TIMEOUT, spool = DEFAULT_CAP } = options;
  const invalid = (message: string): BlockError => new BlockError('invalid-argument', message, { driver });
  if (readahead % 512 !== 0) throw invalid(`HTTP_READAHEAD_SIZE ${readahead} is not a multiple of 512`);
  if (readahead > MAX_READAHEAD) throw invalid(`readahead=${readahead}: at most ${MAX_READAHEAD} bytes are possible`);
  if (timeout > MAX_TIMEOUT) throw invalid('timeout parameter is too large or negative');
  return { readahead, timeout: timeout * 1000, spool };
}

/** The URL that options name. Throws where they name none, or one of another protocol than `driver`; in the words of QEMU. */
export function checkUrl(driver: string, { url, filename }: RemoteOptions): string {
  const text = url ?? filename;
  if (text === undefined) throw new BlockError('invalid-argument', "curl block driver requires an 'url' option", { driver });
  if (url !== undefined && filename !== undefined) throw new BlockError('invalid-argument', 'url and filename may not be used at the same time', { driver });
  if (text.startsWith(`${driver}://`)) return text;
  throw new BlockError('invalid-argument', `${driver} curl driver cannot handle the URL '${withoutPassword(text)}' (does not start with '${driver}://')`, { driver });
}

/** A part of a URL in the clear; as it stands where it says nothing of the kind, such as a lone `%`. */
export function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The bytes that a part of a parsed URL stands for, each as one character: names on servers are in any encoding. */
export function decodedBytes(part: string): string {
  return part.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
}

/** Throws where the image is to be written: none of these protocols is used for that. */
export function checkReadable(driver: string, context: Pick<OpenContext, 'readOnly'>): void {
  if (!context.readOnly) throw new BlockError('read-only', 'curl driver does not support writes', { driver, code: 'EACCES' });
}

/** What `open` throws for `error`: the words with which QEMU begins, and what went wrong. */
export function openingError(driver: string, error: unknown): BlockError {
  if (error instanceof BlockError) return new BlockError(error.kind, `CURL: Error opening file: ${error.message}`, error.context, error);
  return new BlockError('io', `CURL: Error opening file: ${messageOf(error)}`, { driver, code: errnoOf(error) }, error);
}
