/** From an address to a socket that is open. */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { QmpConnectionError } from './errors.js';

/** Where a monitor listens. */
export type QmpAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; /** Encrypts, by these options of `node:tls`. */ readonly tls?: ConnectionOptions };

/** Resolves with an open socket, which belongs to the caller. Rejects with failure `connect`, or with the signal's reason. */
export function openSocket(address: QmpAddress, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted();
  const encrypted = 'host' in address && address.tls !== undefined;
  const socket = encrypted
    ? connectTls({ servername: address.host, ...address.tls, host: address.host, port: address.port })
    : connectPlain('path' in address ? { path: address.path } : { host: address.host, port: address.port });
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      signal?.removeEventListener('abort', abort);
      socket.removeListener('error', failed);
      act();
    };
    const failed = (error: Error): void => {
      settle(() => {
        reject(new QmpConnectionError('connect', `Failed to connect to '${nameOf(address)}': ${error.message}`, { cause: error }));
      });
    };
    const abort = (): void => {
      settle(() => {
        socket.on('error', () => undefined);
        socket.destroy();
        reject(signal?.reason as Error);
      });
    };
    signal?.addEventListener('abort', abort);
    socket.once('error', failed);
    socket.once(encrypted ? 'secureConnect' : 'connect', () => {
      settle(() => { resolve(socket); });
    });
  });
}

function nameOf(address: QmpAddress): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`;
}
