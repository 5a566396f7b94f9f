/** What the system, OpenSSL and Node's parser say about a connection, as errors in words. */
import { BlockError, messageOf, strerror } from '@blk/core-graph';
import { httpError } from '../errors.js';

export function connectionError(error: unknown, url: URL): BlockError {
  if (error instanceof BlockError) return error;
  // Several addresses were tried: the first one speaks for all.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code = '', syscall } = first as { readonly code?: string; readonly syscall?: string };
  const host = url.hostname;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_NODATA') return httpError('io', 'name', `Could not resolve host: ${host}`, 'ENXIO', error);
  if (CERTIFICATE.test(code)) return httpError('permission', 'certificate', `SSL certificate problem: ${messageOf(first)}`, undefined, error);
  if (syscall === 'connect') {
    const port = url.port || (url.protocol === 'https:' ? 443 : 80);
    return httpError('io', 'connect', `Failed to connect to ${host} port ${port}: ${strerror(code)}`, code, error);
  }
  if (code.startsWith('HPE_')) return httpError('io', 'parse', `The answer of ${url.host} is no HTTP: ${messageOf(first)}`, undefined, error);
  const said = strerror(code) === code ? messageOf(first) : strerror(code);
  return httpError('io', 'connection', `The connection to ${url.host} broke: ${said}`, undefined, error);
}

/** Codes with which Node and OpenSSL refuse a certificate; trying again does not make it a better one. */
const CERTIFICATE = /^ERR_TLS_CERT|CERT|^UNABLE_TO_|SELF_SIGNED|^INVALID_(CA|PURPOSE)$|^HOSTNAME_MISMATCH$|_CRL_?/;
