/** Encrypted connections through a proxy: `CONNECT` (RFC 9110, section 9.3.6), and TLS with the server inside. */
import { request as plainRequest } from 'node:http';
import type { Agent, RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { httpError } from '../errors.js';
import type { ProxyServer, TransportOptions } from '../transport.js';

type Callback = (error: Error | null, socket: Duplex) => void;
/** As agents call it. */
type Options = RequestOptions & { readonly servername?: string };

/** The same agent, whose new connections go through the proxy. */
export function tunnelled(agent: Agent, proxy: ProxyServer, { timeout }: Pick<TransportOptions, 'timeout'>): Agent {
  const createConnection = (options: Options, created: Callback): void => {
    openTunnel(proxy, `${bracketed(options.host ?? '')}:${options.port ?? 443}`, timeout).then(
      (socket) => {
        const secure = process.getBuiltinModule('node:tls').connect({ ...(options as object), socket, servername: options.servername ?? '' });
        created(null, secure);
      },
      (error: unknown) => { created(error as Error, undefined as unknown as Duplex); },
    );
  };
  return Object.assign(agent, { createConnection });
}

function openTunnel({ url, authorization }: ProxyServer, target: string, timeout: number): Promise<Socket> {
  const request = url.protocol === 'https:' ? process.getBuiltinModule('node:https').request : plainRequest;
  return new Promise((resolve, reject) => {
    const connecting = request({
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
    connecting.once('error', reject);
    connecting.end();
  });
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
