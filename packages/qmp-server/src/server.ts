/** The server as a value: a graph, its exports, an event bus, a dispatcher and any number of monitors; and one orderly end. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BlockGraph, messageOf, type Backend, type BlockDriver, type Definition, type Host, type ImagePolicy, type OpenOptions } from '@blk/core-graph';
import { Jobs } from '@blk/jobs';
import { validateType, type BlockdevOptions, type QmpCommandName, type QmpCommands } from '@blk/qapi-types';
import { addBlockdev, openDevice, type DeviceOptions } from './blockdev.js';
import { COMMANDS } from './commands/index.js';
import { Dispatcher, type CommandGroup } from './dispatch.js';
import { genericError } from './errors.js';
import { EventBus, eventClock, type EventBusOptions } from './events.js';
import { Exports } from './exports/exports.js';
import { forwardGraphEvents } from './graph-events.js';
import { forwardJobEvents } from './jobs/job-events.js';
import { MachineState } from './run-state.js';
import { Media } from './medium.js';
import { Monitor, type MonitorOptions } from './monitor/monitor.js';
import { Objects } from './objects.js';
import { streamTransport, type StreamPair } from './monitor/transport.js';
import type { TlsCredentials } from '@blk/nbd';
import { Handshakes } from './net/secured.js';
import { listen, type SocketListener, type SocketTarget } from './net/listen.js';
import { peerCheck, type PeerRule } from './net/peer.js';

export interface ServerOptions {
  /** The drivers that clients may use. */
  readonly drivers?: readonly BlockDriver[];
  /** Serve this graph instead of one of its own; it is flushed at the end, and stays open. */
  readonly graph?: BlockGraph;
  /** For the server's own graph. */
  readonly host?: Partial<Host>;
  readonly policy?: ImagePolicy;
  /** Further commands of the schema. */
  readonly commands?: readonly CommandGroup[];
  readonly events?: EventBusOptions;
  /** One line for people: warnings, and defects of the server. */
  readonly log?: (line: string) => void;
  /** What `human-monitor-command qemu-io` prints: QEMU's goes to its standard output. By default nowhere. */
  readonly print?: (text: string) => void;
}

/** How a listening monitor treats its clients. */
export interface ListenOptions extends MonitorOptions {
  /** Clients at the same time; further ones are turned away. Default 64. */
  readonly maxClients?: number;
  /** Serve TLS, and nothing else; clients may have to show a certificate. */
  readonly tls?: TlsCredentials;
  /** Unix sockets only: the users and groups whose processes may connect; others are turned away. See `PeerRule` for what it needs. */
  readonly peers?: PeerRule;
}

/** How a device is opened, and what becomes of its failed requests. */
export type AddDeviceOptions = OpenOptions & Omit<DeviceOptions, 'id'>;

export interface CloseOptions {
  /** Milliseconds that requests under way get, before their clients are cut off. Default 10,000. */
  readonly timeout?: number;
}

/** Makes a server that has no monitors yet. */
export async function createServer(options: ServerOptions): Promise<BlkServer> {
  return new BlkServer(options);
}

export class BlkServer implements AsyncDisposable {
  readonly graph: BlockGraph;
  readonly events: EventBus;
  readonly exports: Exports;
  readonly jobs: Jobs;
  readonly objects = new Objects();
  readonly dispatcher: Dispatcher;
  readonly media: Media;
  /** Running or stopped, as far as clients see it. */
  readonly machine: MachineState;
  readonly monitors: ReadonlySet<Monitor>;
  /** Resolves when the server has ended, whoever ended it; rejects if something could not be flushed. */
  readonly closed: Promise<void>;
  readonly #monitors = new Set<Monitor>();
  readonly #listeners = new Set<SocketListener>();
  readonly #ownsGraph: boolean;
  readonly #log: (line: string) => void;
  /** Prints for whoever started the server, rather than for a client. */
  readonly print: (text: string) => void;
  /** Drives so far; those without an id are called after their number. */
  drives = 0;
  readonly #unsubscribe: () => void;
  #settle!: { resolve: () => void; reject: (error: unknown) => void };
  #closing = false;

  /** Use {@link createServer}. */
  constructor(options: ServerOptions) {
    this.#log = options.log ?? (() => undefined);
    this.print = options.print ?? (() => undefined);
    this.#ownsGraph = options.graph === undefined;
    this.graph =
      options.graph ??
      new BlockGraph({
        drivers: options.drivers ?? [],
        host: { warn: (message) => { this.log(`warning: ${message}`); }, ...options.host },
        secrets: (id) => this.objects.secret(id),
        credentials: (id) => this.objects.clientCredentials(id),
        ...(options.policy === undefined ? {} : { policy: options.policy }),
      });
    this.events = new EventBus({ ...(options.host?.clock === undefined ? {} : { clock: eventClock(options.host.clock) }), ...options.events });
    this.exports = new Exports(this.graph, (id) => { this.events.emit('BLOCK_EXPORT_DELETED', { id }); });
    this.media = new Media(this.graph, this.events, this.exports);
    this.jobs = new Jobs(this.graph);
    this.dispatcher = new Dispatcher([...COMMANDS, ...(options.commands ?? [])]);
    this.monitors = this.#monitors;
    this.closed = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.closed.catch(() => undefined);
    const forwarding = forwardGraphEvents(this.graph, this.events);
    const forwardingJobs = forwardJobEvents(this.jobs, this.events);
    // After the forwarding: a failed request is told before the stop that it causes.
    this.machine = new MachineState(this.graph, this.events);
    const telling = this.events.subscribe((event) => {
      for (const monitor of this.#monitors) monitor.event(event);
    });
    this.#unsubscribe = () => {
      forwarding();
      forwardingJobs();
      telling();
    };
  }

  /** No new client and no new command is taken. */
  get closing(): boolean {
    return this.#closing;
  }

  log(line: string): void {
    this.#log(line);
  }

  /** Speaks QMP over a stream: a socket, or a pair such as standard input and output. */
  addMonitor(stream: Duplex | StreamPair, options?: MonitorOptions): Monitor {
    const pair = 'readable' in stream && typeof stream.readable === 'object' ? stream : { readable: stream, writable: stream };
    const monitor = new Monitor(this, (events) => streamTransport(pair, events), options);
    this.#monitors.add(monitor);
    return monitor;
  }

  /** Listens for monitors; each client has a conversation of its own. Resolves when clients can connect. */
  async listen(target: SocketTarget, options: ListenOptions = {}): Promise<SocketListener> {
    const { maxClients = 64, tls, peers, ...forMonitor } = options;
    const refusal = peers && (await peerCheck(peers, target));
    const clients = new Set<Monitor>();
    const handshakes = tls && new Handshakes(tls, (reason) => { this.log(`${forMonitor.name ?? 'monitor'}: TLS handshake failed: ${reason}`); });
    const accept = (socket: Socket): void => {
      if (this.#closing) socket.destroy();
      else clients.add(this.addMonitor(socket, forMonitor));
    };
    const bound = await listen(target, (socket) => {
      for (const client of clients) if (client.closed) clients.delete(client);
      const reason = refusal?.(socket);
      if (reason !== undefined) this.log(`${forMonitor.name ?? 'monitor'}: client turned away: ${reason}`);
      if (reason !== undefined || clients.size + (handshakes?.count ?? 0) >= maxClients) socket.destroy();
      else if (handshakes === undefined) accept(socket);
      else handshakes.begin(socket, accept);
    });
    const listener: SocketListener = {
      address: bound.address,
      close: () => {
        handshakes?.close();
        return bound.close();
      },
    };
    this.#listeners.add(listener);
    return listener;
  }

  /** Runs a command as a monitor would, without one. Rejects with a `QmpError` or a `BlockError`. */
  async execute<N extends QmpCommandName>(name: N, args?: QmpCommands[N]['arguments']): Promise<QmpCommands[N]['returns']> {
    if (this.#closing) throw genericError('The server is shutting down');
    return this.dispatcher.execute(name, args, { server: this, monitor: undefined });
  }

  /** Opens a node that is held by its name, or a device if the options have an `id`; they are checked first. */
  async addBlockdev(options: BlockdevOptions): Promise<void> {
    await addBlockdev(this.graph, validateType('BlockdevOptions', options));
  }

  /**
   * Opens a device from a definition or a file name, without the schema's narrowness: a `blob` in memory may be one.
   * It lives as long as the server.
   */
  addDevice(id: string, source: string | Definition, options: AddDeviceOptions = {}): Promise<Backend> {
    const { rerror, werror, writeThrough, ...open } = options;
    return openDevice(this.graph, source, { id, rerror, werror, writeThrough: writeThrough ?? false }, open);
  }

  /** Part of the monitor's machinery. */
  monitorGone(monitor: Monitor): void {
    this.#monitors.delete(monitor);
  }

  /** Ends the server once the answer that is being made has been sent; part of `quit`. */
  requestClose(): void {
    setImmediate(() => void this.close().catch(() => undefined));
  }

  /**
   * Tells the clients, stops listening, answers the NBD requests that are under way, flushes everything and closes it.
   * Rejects, after everything else was done, if something could not be flushed. Safe to call again.
   */
  close(options: CloseOptions = {}): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#close(options).then(this.#settle.resolve, this.#settle.reject);
    }
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close({ timeout = 10_000 }: CloseOptions): Promise<void> {
    this.machine.end();
    this.events.emit('SHUTDOWN', { guest: false });
    const failed: unknown[] = [];
    const attempt = async (what: string, step: () => Promise<unknown>): Promise<void> => {
      try {
        await step();
      } catch (error) {
        failed.push(error);
        this.log(`${what}: ${messageOf(error)}`);
      }
    };
    for (const listener of this.#listeners) await attempt('cannot stop listening', () => listener.close());
    // A device that waits for its disk, or was stopped by an error, must not keep others from being flushed.
    await attempt('a command did not end', () => within(timeout, this.dispatcher.idle()));
    await attempt('a job did not end', () => within(timeout + GRACE, this.jobs.close()));
    await attempt('cannot close the exports', () => within(timeout + GRACE, this.exports.close(timeout)));
    await attempt('cannot flush', () => this.graph.flushAll());
    if (this.#ownsGraph) await attempt('cannot close', () => within(timeout + GRACE, this.graph.close()));
    this.#unsubscribe();
    this.events.close();
    await Promise.all([...this.#monitors].map((monitor) => monitor.end()));
    if (failed.length > 0) throw failed[0];
  }
}

/** Milliseconds beyond the timeout of what is to end by its own timeout. */
const GRACE = 1000;

/** The promise, or a rejection after `ms` milliseconds. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`not done after ${ms} ms`)); }, ms);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
