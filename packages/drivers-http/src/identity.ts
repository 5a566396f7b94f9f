/** By what a version of a file is told from another one (RFC 9110, sections 8.8 and 13.1.5). */
import { printable } from '@blk/remote';
import { brokenAnswer, changedError } from './errors.js';
import type { HttpResponse } from './transport.js';

export interface Identity {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** Bytes; undefined where the answer does not say. */
  readonly size: number | undefined;
}

export function identityOf(response: HttpResponse, size: number | undefined): Identity {
  return { etag: response.header('etag'), lastModified: response.header('last-modified'), size };
}

/** Throws where the answer is about another version than `known`, or no longer says which one it is about. */
export function checkSame(known: Identity, found: Identity): void {
  if (found.size !== undefined && known.size !== undefined && found.size !== known.size) {
    throw changedError(`it has ${found.size} bytes where there were ${known.size}`);
  }
  if (known.etag !== undefined) {
    // Whoever sends it with a whole file has to send it with a part as well.
    if (found.etag === undefined) throw brokenAnswer('no-etag', 'The server no longer says which version of the file it sends (no ETag)');
    if (found.etag !== known.etag) throw changedError(`its ETag is ${printable(found.etag)} instead of ${printable(known.etag)}`);
  }
  if (known.lastModified !== undefined && found.lastModified !== undefined && known.lastModified !== found.lastModified) {
    throw changedError(`it is of ${printable(found.lastModified)} instead of ${printable(known.lastModified)}`);
  }
}

/** What `If-Range` may hold: a strong tag, or else a date. */
export function ifRange({ etag, lastModified }: Identity): string | undefined {
  return etag?.startsWith('"') === true ? etag : lastModified;
}
