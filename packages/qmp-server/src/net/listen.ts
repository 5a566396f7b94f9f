/** Listening sockets for monitors and character devices: unix sockets, TCP ports, descriptors that listen already. */
import { chmodSync, existsSync, fstatSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { BlockError, errnoOf, systemError } from '@blk/core-graph';

/** Where to listen or to connect to. */
export type SocketTarget =
  | { readonly path: string; /** Permissions of the socket's file; else what the umask leaves. */ readonly mode?: number }
  | { readonly host: string; readonly port: number }
  | { readonly fd: number };

export interface SocketListener {
  /** With the port that was chosen where 0 was asked for. */
  readonly address: SocketTarget;
  /** Stops listening and removes the unix socket. Connections stay. */
  close(): Promise<void>;
}

/** Longest path of a unix socket on Linux, in bytes. */
const MAX_PATH = 107;

/** Throws, in QEMU's words, where the path does not fit into the address of a socket. */
export function checkSocketPath(path: string): void {
  if (Buffer.byteLength(path) > MAX_PATH) {
    throw new BlockError('invalid-argument', `UNIX socket path '${path}' is too long\nPath must be less than ${MAX_PATH + 1} bytes`);
  }
}

/**
 * Listens. A unix socket that nobody answers on any more is replaced; anything else of that name is left alone, and is an
 * error.
 */
export async function listen(target: SocketTarget, accept: (socket: Socket) => void): Promise<SocketListener> {
  if ('path' in target) {
    checkSocketPath(target.path);
    await removeStale(target.path);
  }
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  try {
    await started(server, target);
    if ('path' in target && target.mode !== undefined) chmodSync(target.path, target.mode);
  } catch (error) {
    throw bindError(target, error);
  }
  // A failed accept, for example for want of descriptors, concerns nobody who is connected.
  server.on('error', () => undefined);
  const bound = server.address();
  const address = 'port' in target && typeof bound === 'object' && bound !== null ? { host: target.host, port: bound.port } : target;
  return {
    address,
    close: () => {
      // Its callback would wait for the connections to end as well.
      server.close();
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** Connects. Rejects in QEMU's words. */
export function connectTo(target: SocketTarget): Promise<Socket> {
  if ('path' in target) checkSocketPath(target.path);
  return new Promise((resolve, reject) => {
    const socket = 'fd' in target ? undefined : connect('path' in target ? { path: target.path } : target);
    if (socket === undefined) {
      reject(new BlockError('invalid-argument', 'A descriptor is connected already'));
      return;
    }
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const words = UNRESOLVED.get(error.code ?? '');
      if ('port' in target && words !== undefined) {
        reject(unresolved(target.host, target.port, words));
        return;
      }
      const name = 'path' in target ? target.path : 'port' in target ? `${target.host}:${target.port}` : '';
      reject(systemError(`Failed to connect to '${name}'`, error));
    });
  });
}

/** The error of a `listen` that failed, in QEMU's words. */
export function bindError(target: SocketTarget, error: unknown): BlockError {
  const code = codeOf(error);
  if ('path' in target) {
    // libuv says EACCES where the folder is not there.
    const missing = code === 'EACCES' && !existsSync(dirname(target.path));
    return systemError(`Failed to bind socket to ${target.path}`, { code: missing ? 'ENOENT' : code });
  }
  if ('fd' in target) return systemError(`Failed to listen on descriptor ${target.fd}`, { code });
  const words = UNRESOLVED.get(code);
  if (words !== undefined) return unresolved(target.host, target.port, words);
  return systemError(code === 'EADDRINUSE' ? 'Failed to find an available port' : 'Failed to bind socket', { code });
}

/** Errors of a look-up of a host's name, in the words of the C library. */
const UNRESOLVED: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'Name or service not known'],
  ['EAI_AGAIN', 'Temporary failure in name resolution'],
]);

function unresolved(host: string, port: number, words: string): BlockError {
  return new BlockError('invalid-argument', `address resolution failed for ${host}:${port}: ${words}`);
}

/** The system's code for what went wrong at the bottom of it. */
function codeOf(error: unknown): string {
  const cause: unknown = error instanceof BlockError ? error.cause : error;
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? errnoOf(error);
}

/** Throws, in QEMU's words, where a descriptor that was named is no socket. */
export function checkDescriptor(fd: number): void {
  let isSocket = false;
  try {
    isSocket = fstatSync(fd).isSocket();
  } catch {
    // Not open at all.
  }
  if (!isSocket) throw new BlockError('invalid-argument', `File descriptor '${fd}' is not a socket`);
}

function started(server: Server, target: SocketTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen('path' in target ? { path: target.path } : target, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket() || (await isAnswered(path))) return;
    unlinkSync(path);
  } catch {
    // Not there, or not ours to remove: binding will tell.
  }
}

function isAnswered(path: string): Promise<boolean> {
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
