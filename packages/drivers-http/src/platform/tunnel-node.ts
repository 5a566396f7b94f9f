/** Encrypted connections through a proxy: `CONNECT` (RFC 9110, section 9.3.6), and TLS with the server inside. */
import { request as plainRequest } from 'node:http';
import type { Agent, RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { httpError } from '../errors.js';
import type { ProxyServer } from '../transport.js';
import { connectionError } from './connection-error-node.js';

type Callback = (error: Error | null, socket: Duplex) => void;
/** As agents call it. */
type Options = RequestOptions & { readonly servername?: string };

export interface TunnelOptions {
  /** Milliseconds until the way counts as closed; 0: never. */
  readonly timeout: number;
  /** Whose certificates are believed, of a proxy that encrypts as of servers. */
  readonly tls: Pick<RequestOptions, 'rejectUnauthorized' | 'ca'>;
  /** Ends those that are being opened. */
  readonly signal: AbortSignal;
}

/** The same agent, whose new connections go through the proxy. */
export function tunnelled(agent: Agent, proxy: ProxyServer, options: TunnelOptions): Agent {
  const createConnection = (target: Options, created: Callback): void => {
    openTunnel(proxy, `${bracketed(target.host ?? '')}:${target.port ?? 443}`, options).then(
      (socket) => {
        const secure = process.getBuiltinModule('node:tls').connect({ ...(target as object), socket, servername: target.servername ?? '' });
        created(null, secure);
      },
      (error: unknown) => { created(error as Error, undefined as unknown as Duplex); },
    );
  };
  return Object.assign(agent, { createConnection });
}

function openTunnel({ url, authorization }: ProxyServer, target: string, { timeout, tls, signal }: TunnelOptions): Promise<Socket> {
  const request = url.protocol === 'https:' ? process.getBuiltinModule('node:https').request : plainRequest;
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
      const kind = statusCode === 407 || statusCode === 403 ? 'permission' : 'io';
      reject(httpError(kind, 'proxy', `The proxy ${url.host} opens no way to ${target} (error: ${statusCode})`));
    });
    // A proxy that answers as a server would.
    connecting.once('response', (response) => {
      response.destroy();
      reject(httpError('io', 'proxy', `The proxy ${url.host} opens no way to ${target} (error: ${response.statusCode ?? 0})`));
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
