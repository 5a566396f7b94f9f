/** Sockets to servers and proxies: plain ones, encrypted ones, and those through a tunnel. */
import { connect, isIP, type Socket } from 'node:net';
import type * as Tls from 'node:tls';
import { tunnelled } from '#tunnel';
import type { ProxyServer } from '../transport.js';
import type { Connection } from './http1/connection.js';

export interface TlsSettings {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
}

/** Loaded when it is needed: most of what it takes is encryption. */
const tls = (): typeof Tls => process.getBuiltinModule('node:tls');

/** Connects, and lets `connection` read it. Throws the signal's reason where that fires, or what the system says. */
export async function plainSocket(url: URL, connection: Connection, signal: AbortSignal): Promise<void> {
  const socket = await connected(connect({ ...addressOf(url), noDelay: true, onread: connection.onread }), 'connect', signal);
  connection.use(socket, { events: false });
}

/** Sockets that encrypt, all to one server: they go on with what they agreed on before. */
export class SecureSockets {
  #session: Buffer | undefined;

  constructor(
    private readonly url: URL,
    private readonly settings: TlsSettings,
    /** The way there; undefined: directly. */
    private readonly tunnel: { readonly proxy: ProxyServer; readonly timeout: number } | undefined,
  ) {}

  async connect(connection: Connection, signal: AbortSignal): Promise<void> {
    const address = addressOf(this.url);
    const through = this.tunnel === undefined ? {} : { socket: await tunnelled(this.tunnel.proxy, address, { timeout: this.tunnel.timeout, tls: this.settings, signal }) };
    const session = this.#session === undefined ? {} : { session: this.#session };
    const secure = tls().connect({
      ...address,
      ...this.settings,
      ...session,
      ...through,
      // Addresses are no names that a server could be asked for by.
      servername: isIP(address.host) === 0 ? address.host : '',
      ALPNProtocols: ['http/1.1'],
    });
    const socket = await connected(secure, 'secureConnect', signal);
    secure.setNoDelay(true);
    secure.on('session', (next) => { this.#session = next; });
    connection.use(socket, { events: true });
  }
}

export function addressOf(url: URL): { readonly host: string; readonly port: number } {
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
}

function connected<T extends Socket>(socket: T, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason as Error);
    };
    const over = (): void => { signal.removeEventListener('abort', abort); };
    // Stays: what goes wrong later is told to whoever uses the socket, and must not end the program.
    socket.on('error', (error) => {
      over();
      reject(error);
    });
    socket.once('close', () => {
      over();
      reject(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
    });
    socket.once(event, () => {
      over();
      resolve(socket);
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
