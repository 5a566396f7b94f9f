/** What the system and OpenSSL say about a connection, as errors in words. */
import { BlockError, messageOf, strerror, type BlockErrorKind } from '@blk/core-graph';

/** For an error of a socket of Node's; `host` and `port` are those that it was to lead to. A `BlockError` is given back as it is. */
export function networkError(driver: string, error: unknown, host: string, port: number): BlockError {
  if (error instanceof BlockError) return error;
  // Several addresses were tried: the first one speaks for all.
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const { code = '', syscall } = first as { readonly code?: string; readonly syscall?: string };
  const failed = (kind: BlockErrorKind, reason: string, message: string, errno?: string): BlockError =>
    new BlockError(kind, message, { driver, reason: `${driver}/${reason}`, ...(errno === undefined ? {} : { code: errno }) }, error);
  if (syscall === 'getaddrinfo') return failed('io', 'name', `Could not resolve host: ${host}`, 'ENXIO');
  if (CERTIFICATE.test(code)) return failed('permission', 'certificate', `SSL certificate problem: ${messageOf(first)}`);
  if (syscall === 'connect') return failed('io', 'connect', `Failed to connect to ${host} port ${port}: ${strerror(code)}`, code);
  if (hasReason(first)) return failed('io', 'tls', `The TLS connection to ${host} failed: ${first.reason}`);
  return failed('io', 'connection', `The connection to ${host} broke: ${strerror(code) === code ? messageOf(first) : strerror(code)}`);
}

/** Why OpenSSL fails, in a few words: its messages name its source files. What is no error of its is told as it is. */
export function tlsReason(error: unknown): string {
  return hasReason(error) ? error.reason : messageOf(error).trimEnd();
}

function hasReason(error: unknown): error is Error & { readonly reason: string } {
  return error instanceof Error && 'reason' in error && typeof error.reason === 'string';
}

/** Codes with which Node and OpenSSL refuse a certificate; trying again does not make it a better one. */
const CERTIFICATE = /^ERR_TLS_CERT|CERT|^UNABLE_TO_|SELF_SIGNED|^INVALID_(CA|PURPOSE)$|^HOSTNAME_MISMATCH$|_CRL_?/;
