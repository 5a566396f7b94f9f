/** One listening socket. */
import { existsSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { systemError } from '@blk/core-graph';
import { checkSocketPath } from '../codec/socket-path.js';
import { NBD_PORT } from '../codec/uri.js';

/** Where to listen: a unix socket, a TCP port (10809 unless given; 0: any), or a descriptor that listens already. */
export type ListenTarget =
  | { readonly path: string }
  | { readonly host?: string; readonly port?: number }
  | { readonly fd: number };

export class Listener {
  private constructor(
    readonly address: ListenTarget,
    private readonly server: Server,
  ) {}

  /** Throws where the address is taken or not allowed. A unix socket that nobody listens on any more is replaced. */
  static async open(target: ListenTarget, accept: (socket: Socket) => void): Promise<Listener> {
    if ('path' in target) checkSocketPath(target.path);
    try {
      return await Listener.#open(target, accept);
    } catch (error) {
      const stale = 'path' in target && (error as NodeJS.ErrnoException).code === 'EADDRINUSE' && (await isStale(target.path));
      if (!stale) throw systemError(`Failed to listen on ${describe(target)}`, causeOf(target, error));
      try {
        await unlink(target.path);
        return await Listener.#open(target, accept);
      } catch (again) {
        throw systemError(`Failed to listen on ${describe(target)}`, again);
      }
    }
  }

  static #open(target: ListenTarget, accept: (socket: Socket) => void): Promise<Listener> {
    const server = createServer({ pauseOnConnect: true, noDelay: true }, accept);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(listenOptions(target), () => {
        server.off('error', reject);
        // Running out of descriptors, for example: the clients that are there go on.
        server.on('error', () => undefined);
        resolve(new Listener(addressOf(target, server), server));
      });
    });
  }

  /** Stops listening, and removes the unix socket. */
  close(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => { resolve(); }));
  }
}

function listenOptions(target: ListenTarget): ListenOptions & { fd?: number } {
  if ('path' in target || 'fd' in target) return target;
  return { host: target.host ?? 'localhost', port: target.port ?? NBD_PORT };
}

function addressOf(target: ListenTarget, server: Server): ListenTarget {
  const bound = server.address();
  if ('path' in target || 'fd' in target || bound === null || typeof bound === 'string') return target;
  return { host: target.host ?? 'localhost', port: bound.port };
}

function describe(target: ListenTarget): string {
  if ('path' in target) return `'${target.path}'`;
  return 'fd' in target ? `descriptor ${target.fd}` : `${target.host ?? 'localhost'}:${target.port ?? NBD_PORT}`;
}

/** libuv says EACCES where the folder is not there. */
function causeOf(target: ListenTarget, error: unknown): unknown {
  const missing = 'path' in target && (error as NodeJS.ErrnoException).code === 'EACCES' && !existsSync(dirname(target.path));
  return missing ? { code: 'ENOENT' } : error;
}

/** Whether there is a socket that nobody answers on. Connecting to a file of another kind fails the same way, hence the look. */
async function isStale(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSocket() && !(await answers(path));
  } catch {
    return false;
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED');
    });
  });
}
