/** Requests over connections of our own: each server and proxy has a few, which are used again. */
import { plainSocket, SecureSockets } from '#sockets';
import { connectionError } from './connection-error-node.js';
import type { Connection } from './http1/connection.js';
import { Pool, type PoolOptions } from './http1/pool.js';
import { requestText } from './http1/request.js';
import type { HttpRequest, HttpResponse, ProxyServer, Transport, TransportOptions } from '../transport.js';

/** Where a request goes, and what it says because of that. */
interface Way {
  readonly pool: Pool;
  /** What failures of the connection are told of. */
  readonly end: URL;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function openTransport(options: TransportOptions): Transport {
  const { proxyFor, connections, verify, authorities, timeout } = options;
  const settings = { rejectUnauthorized: verify, ...(authorities === undefined ? {} : { ca: authorities }) };
  const pools = new Map<string, Pool>();
  const poolFor = (name: string, connect: () => PoolOptions['connect']): Pool => {
    const pool = pools.get(name) ?? new Pool({ most: connections, connect: connect() });
    pools.set(name, pool);
    return pool;
  };
  const poolTo = (url: URL, tunnel?: ProxyServer): Pool =>
    poolFor(`${url.origin} ${tunnel?.url.href ?? ''}`, () => {
      if (url.protocol === 'http:') return (connection, signal) => plainSocket(url, connection, signal);
      const sockets = new SecureSockets(url, settings, tunnel === undefined ? undefined : { proxy: tunnel, timeout });
      return (connection, signal) => sockets.connect(connection, signal);
    });
  const wayTo = (url: URL): Way => {
    const proxy = proxyFor(url);
    const path = url.pathname + url.search;
    if (proxy === undefined || url.protocol === 'https:') return { pool: poolTo(url, proxy), end: url, target: path, headers: {} };
    const headers: Record<string, string> = proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization };
    return { pool: poolTo(proxy.url), end: proxy.url, target: url.origin + path, headers };
  };
  const send = async ({ url, headers, signal }: HttpRequest): Promise<HttpResponse> => {
    const { pool, end, target, headers: more } = wayTo(url);
    const text = requestText(target, { host: url.host, connection: 'keep-alive', ...headers, ...more, 'accept-encoding': 'identity', 'user-agent': 'blk' });
    const explain = (error: unknown): Error => (signal.aborted ? (signal.reason as Error) : connectionError(error, end));
    for (;;) {
      let connection: Connection | undefined;
      try {
        connection = await pool.take(signal);
        return await connection.ask(text, signal, explain);
      } catch (error) {
        // Nothing to count as a failure (RFC 9112, section 9.3.1). Each costs a connection that had been good for an answer, so this ends.
        if (signal.aborted || connection?.outlived !== true) throw explain(error);
      }
    }
  };
  return {
    browser: false,
    send,
    hashes: ['MD5', 'SHA-256'],
    hash: async (name, text) => process.getBuiltinModule('node:crypto').createHash(name.replace('-', '').toLowerCase()).update(text).digest('hex'),
    close: () => {
      for (const pool of pools.values()) pool.close();
    },
  };
}
