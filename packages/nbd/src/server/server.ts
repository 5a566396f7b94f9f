/** The server: exports by name, listeners, clients, and an orderly end. */
import { EventEmitter } from 'node:events';
import { BlockError, BufferPool } from '@blk/core-graph';
import { nbdUri } from '../codec/uri.js';
import { Connection } from './connection.js';
import type { ConnectionHost } from './connection-host.js';
import { NbdExport, type ExportOptions } from './export.js';
import { DEFAULT_LIMITS, type NbdLimits } from './limits.js';
import { Listener, type ListenTarget } from './listener.js';
import { contextsOf } from './meta-context.js';
import { Slabs } from './slab.js';
import type { NbdTls } from './tls.js';
import type { Socket } from 'node:net';

export interface NbdServerOptions {
  /** Unset: no TLS. */
  readonly tls?: NbdTls;
  /** Clients at the same time; further ones wait. Default 0: any number. */
  readonly maxConnections?: number;
  /** The export for clients that ask for none by name, where no export has the empty name. */
  readonly defaultExport?: string;
  readonly limits?: Partial<NbdLimits>;
  /** Buffers; one of its own unless given. */
  readonly pool?: BufferPool;
}

/** `safe`: refuses while clients use the export. `hard`: cuts them off. */
export type RemoveMode = 'safe' | 'hard';

export interface NbdServerEvents {
  clientConnected: [client: Connection];
  clientDisconnected: [client: Connection];
}

export class NbdServer extends EventEmitter<NbdServerEvents> implements ConnectionHost {
  readonly limits: NbdLimits;
  readonly slabs: Slabs;
  readonly tls: NbdTls | undefined;
  closing = false;
  readonly #exports = new Map<string, NbdExport>();
  readonly #connections = new Set<Connection>();
  readonly #waiting = new Set<Socket>();
  readonly #listeners: Listener[] = [];
  readonly #maxConnections: number;
  readonly #defaultExport: string | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: NbdServerOptions = {}) {
    super();
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.slabs = new Slabs(options.pool ?? new BufferPool());
    this.tls = options.tls;
    this.#maxConnections = options.maxConnections ?? 0;
    this.#defaultExport = options.defaultExport;
    if (!Number.isSafeInteger(this.#maxConnections) || this.#maxConnections < 0) {
      throw new BlockError('invalid-argument', `maxConnections is ${options.maxConnections}; a whole number from 0 is allowed`);
    }
  }

  /** Clients past and in their handshake. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections;
  }
  get exports(): ReadonlyMap<string, NbdExport> {
    return this.#exports;
  }
  /** Where the server listens, in the order of `listen`. */
  get addresses(): readonly ListenTarget[] {
    return this.#listeners.map((listener) => listener.address);
  }

  /** The URI of an export on the first listener. */
  uri(exportName = ''): string {
    const address = this.#listeners[0]?.address;
    if (address === undefined) throw new BlockError('invalid-argument', 'NBD server does not listen');
    if ('fd' in address) throw new BlockError('unsupported', `Descriptor ${address.fd} has no URI`);
    return nbdUri({ ...address, exportName, tls: this.tls !== undefined });
  }

  /** Offers an export to clients from now on. Throws kind `exists` for a name that is taken. */
  addExport(options: ExportOptions): NbdExport {
    if (this.closing) throw new BlockError('closed', 'NBD server is shutting down');
    if (this.#exports.has(options.name)) throw new BlockError('exists', `NBD server already has export named '${options.name}'`);
    const added = new NbdExport(options, contextsOf(options));
    this.#exports.set(options.name, added);
    return added;
  }

  /** Takes an export away; resolves when no request uses its source any more. */
  async removeExport(name: string, options: { readonly mode?: RemoveMode } = {}): Promise<void> {
    const removed = this.#exports.get(name);
    if (removed === undefined) throw new BlockError('not-found', `Export '${name}' is not found`);
    if (removed.connections.size > 0 && options.mode !== 'hard') {
      throw new BlockError('busy', `export '${name}' still in use`);
    }
    this.#exports.delete(name);
    await Promise.all(
      [...removed.connections].map((connection) => {
        connection.cut('the export was removed');
        return connection.done;
      }),
    );
  }

  /** Accepts clients on a unix socket, a TCP port or a listening descriptor; resolves with where that is. */
  async listen(target: ListenTarget): Promise<ListenTarget> {
    if (this.closing) throw new BlockError('closed', 'NBD server is shutting down');
    const listener = await Listener.open(target, (socket) => {
      this.#accept(socket);
    });
    this.#listeners.push(listener);
    return listener.address;
  }

  /** Serves one client on a connected descriptor, such as an inherited socket. */
  serve(fd: number): Connection {
    if (this.closing) throw new BlockError('closed', 'NBD server is shutting down');
    return this.#start(fd);
  }

  /**
   * Stops listening, answers what is under way, flushes the writable exports. `force` cuts clients off at once; so does
   * `timeout`, in milliseconds (default 10,000). The sources stay open. Safe to call again.
   */
  close(options: { readonly force?: boolean; readonly timeout?: number } = {}): Promise<void> {
    if (options.force === true) for (const connection of this.#connections) connection.cut('server is shutting down');
    this.#closed ??= this.#close(options.timeout ?? 10_000);
    return this.#closed;
  }

  find(name: string): NbdExport | undefined {
    const found = this.#exports.get(name);
    return found ?? (name === '' && this.#defaultExport !== undefined ? this.#exports.get(this.#defaultExport) : undefined);
  }

  list(): readonly NbdExport[] {
    return [...this.#exports.values()];
  }

  entered(connection: Connection): void {
    connection.target?.connections.add(connection);
    this.emit('clientConnected', connection);
  }

  async #close(timeout: number): Promise<void> {
    this.closing = true;
    const listeners = this.#listeners.map((listener) => listener.close());
    for (const socket of this.#waiting) socket.destroy();
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.cut('server is shutting down');
    }, timeout);
    for (const connection of this.#connections) connection.end();
    await Promise.all([...listeners, ...[...this.#connections].map((connection) => connection.done)]);
    clearTimeout(timer);
    this.slabs.close();
    for (const { writable, source } of this.#exports.values()) {
      const flushed = writable ? source.flush() : undefined;
      if (flushed !== undefined) await flushed;
    }
    this.#exports.clear();
  }

  #accept(socket: Socket): void {
    if (this.closing) socket.destroy();
    else if (this.#maxConnections === 0 || this.#connections.size < this.#maxConnections) this.#start(socket);
    else if (this.#waiting.size >= this.limits.maxWaiting) socket.destroy();
    else {
      this.#waiting.add(socket);
      socket.once('error', () => socket.destroy());
      socket.once('close', () => this.#waiting.delete(socket));
    }
  }

  #start(from: Socket | number): Connection {
    const connection = new Connection(this, from);
    this.#connections.add(connection);
    void connection.done.then(() => {
      this.#connections.delete(connection);
      connection.target?.connections.delete(connection);
      this.emit('clientDisconnected', connection);
      this.#next();
    });
    return connection;
  }

  /** The next of those that wait for a place. */
  #next(): void {
    for (const socket of this.#waiting) {
      if (this.closing || this.#connections.size >= this.#maxConnections) return;
      this.#waiting.delete(socket);
      socket.removeAllListeners();
      this.#start(socket);
    }
  }
}
