/** What Node says about a connection and what came over it, as errors in words. */
import { messageOf, type BlockError } from '@blk/core-graph';
import { networkError } from '@blk/remote';
import { httpError } from '../errors.js';
import { Violation } from './http1/head.js';

export function connectionError(error: unknown, url: URL): BlockError {
  const { code } = error as { readonly code?: unknown };
  // Of a proxy that was asked for a tunnel by Node's own client.
  const isNone = error instanceof Violation || (typeof code === 'string' && code.startsWith('HPE_'));
  if (isNone) return httpError('io', 'parse', `The answer of ${url.host} is no HTTP: ${messageOf(error)}`, undefined, error);
  return networkError('http', error, url.hostname, Number(url.port) || (url.protocol === 'https:' ? 443 : 80));
}
