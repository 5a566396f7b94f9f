/** By what a version of a file is told from another one (RFC 9110, sections 8.8 and 13.1.5). */
import { printable } from '@blk/remote';
import { brokenAnswer, changedError } from './errors.js';
import type { HttpResponse } from './transport.js';

export interface Identity {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** The file was old enough when the server spoke: no second version can have the same date. */
  readonly dateIsSure: boolean;
  /** Bytes; undefined where the answer does not say. */
  readonly size: number | undefined;
}

/** Milliseconds between a file's date and the server's clock from which on the date is sure, whatever caches lie between. */
const SURELY_OLD = 60_000;

export function identityOf(response: HttpResponse, size: number | undefined): Identity {
  const lastModified = response.header('last-modified');
  const dateIsSure = Date.parse(response.header('date') ?? '') - Date.parse(lastModified ?? '') >= SURELY_OLD;
  return { etag: response.header('etag'), lastModified, dateIsSure, size };
}

/** Throws where the answer is about another version than `known`, or no longer says which one it is about. */
export function checkSame(known: Identity, found: Identity): void {
  if (found.size !== undefined && known.size !== undefined && found.size !== known.size) {
    throw changedError(`it has ${found.size} bytes where there were ${known.size}`);
  }
  if (known.etag !== undefined) {
    // Whoever sends it with a whole file has to send it with a part as well.
    if (found.etag === undefined) throw brokenAnswer('no-etag', 'The server no longer says which version of the file it sends (no ETag)');
    if (!isSameTag(known.etag, found.etag)) throw changedError(`its ETag is ${printable(found.etag)} instead of ${printable(known.etag)}`);
  }
  if (known.lastModified !== undefined && found.lastModified !== undefined && known.lastModified !== found.lastModified) {
    throw changedError(`it is of ${printable(found.lastModified)} instead of ${printable(known.lastModified)}`);
  }
}

/** What `If-Range` may hold: a strong tag, or, where there is no tag at all, a date that is sure. Servers take anything else for another version. */
export function ifRange({ etag, lastModified, dateIsSure }: Identity): string | undefined {
  if (etag !== undefined) return isWeak(etag) ? undefined : etag;
  return dateIsSure ? lastModified : undefined;
}

/** A tag is weak while a file is new, with some servers, and becomes strong by itself. */
function isSameTag(known: string, found: string): boolean {
  return known === found || (isWeak(known) && known.slice(WEAK.length) === found);
}

const WEAK = 'W/';

function isWeak(etag: string): boolean {
  return etag.startsWith(WEAK);
}
