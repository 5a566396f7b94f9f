/** Encrypted connections through a proxy: `CONNECT` (RFC 9110, section 9.3.6), and TLS with the server inside. */
import type { RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import { httpError } from '../errors.js';
import type { ProxyServer } from '../transport.js';
import { connectionError } from './connection-error-node.js';

export interface TunnelOptions {
  /** Milliseconds until the way counts as closed; 0: never. */
  readonly timeout: number;
  /** Whose certificates are believed, of a proxy that encrypts as of servers. */
  readonly tls: Pick<RequestOptions, 'rejectUnauthorized' | 'ca'>;
  /** Ends those that are being opened. */
  readonly signal: AbortSignal;
}

/** Of proxies that know who asks, and do not like it; some say 401 to a wrong password. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 407]);

/** A connection through the proxy to a server, which nothing has been said on yet. */
export function tunnelled({ url, authorization }: ProxyServer, server: { readonly host: string; readonly port: number }, options: TunnelOptions): Promise<Socket> {
  const { timeout, tls, signal } = options;
  const target = `${bracketed(server.host)}:${server.port}`;
  const refused = (status: number): Error => httpError(REFUSALS.has(status) ? 'permission' : 'io', 'proxy', `The proxy ${url.host} opens no way to ${target} (error: ${status})`);
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  return new Promise((resolve, reject) => {
    const connecting = request({
      ...tls,
      signal,
      method: 'CONNECT',
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      path: target,
      headers: { host: target, ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }) },
      agent: false,
      timeout,
    });
    connecting.once('connect', ({ statusCode = 0 }, socket: Socket) => {
      socket.setTimeout(0);
      if (statusCode >= 200 && statusCode < 300) return resolve(socket);
      socket.destroy();
      reject(refused(statusCode));
    });
    // A proxy that answers as a server would.
    connecting.once('response', (response) => {
      response.destroy();
      reject(refused(response.statusCode ?? 0));
    });
    connecting.once('timeout', () => { connecting.destroy(httpError('timeout', 'proxy', `The proxy ${url.host} does not answer within ${timeout / 1000} s`)); });
    // Stays: a proxy may fail once more after it has refused.
    connecting.on('error', (error) => { reject(connectionError(error, url)); });
    connecting.end();
  });
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
