/** The character device `socket`: a listening one, one that connects, or a descriptor that was inherited. */
import { Socket } from 'node:net';
import { messageOf } from '@blk/core-graph';
import type { ClientTls, TlsCredentials } from '@blk/nbd';
import { descriptor, portNumber } from '../commands/nbd.js';
import { genericError } from '../errors.js';
import type { StreamPair } from '../monitor/transport.js';
import { checkDescriptor, connectTo, listen, type SocketListener, type SocketTarget } from '../net/listen.js';
import { peerCheck, type PeerRule } from '../net/peer.js';
import { Handshakes } from '../net/secured.js';
import type { Chardev } from './chardev.js';
import { refuseOthers, take, takeFlag, takeNumber, type SimpleOptions } from './simple-options.js';

/** QEMU's options that have no meaning for a monitor here. */
const UNSUPPORTED = ['tls-authz', 'telnet', 'tn3270', 'websocket', 'logfile', 'logappend', 'mux', 'to', 'abstract', 'tight'];

/** Handshakes at the same time; further connections are turned away. */
const MAX_HANDSHAKES = 64;

/** Finds credentials by the id of their object. */
export interface CredentialLookup {
  server(id: string): Promise<TlsCredentials>;
  client(id: string): Promise<ClientTls['credentials']>;
}

export async function openSocket(id: string, options: SimpleOptions, say: (message: string) => void, lookup: CredentialLookup): Promise<Chardev> {
  const server = takeFlag(options, 'server', false);
  if (!server && options.has('wait')) throw genericError("'wait' option is incompatible with socket in client connect mode");
  if (server && options.has('reconnect')) throw genericError("'reconnect' option is incompatible with socket in server listen mode");
  const wait = takeFlag(options, 'wait', true);
  const reconnect = takeNumber(options, 'reconnect') ?? 0;
  for (const flag of ['delay', 'nodelay', 'ipv4', 'ipv6']) takeFlag(options, flag, false);
  const text = describe(options);
  const target = takeTarget(options);
  for (const name of UNSUPPORTED) if (options.has(name)) throw genericError(`Parameter '${name}' is not supported for a monitor's socket`);
  const creds = take(options, 'tls-creds');
  const peers = takePeers(options);
  refuseOthers(options);
  if (creds !== undefined && 'path' in target) throw genericError("'tls_creds' option is incompatible with 'unix' address type");
  if (peers !== undefined && !server) throw genericError("'allow-uid' and 'allow-gid' are for a socket that listens");
  if (!server) return ClientChardev.open(id, target, { reconnect, say, tls: creds === undefined ? undefined : { credentials: await lookup.client(creds) } });
  const tls = creds === undefined ? undefined : await lookup.server(creds);
  const refusal = peers && (await peerCheck(peers, target));
  const admit = (socket: Socket): boolean => {
    const reason = refusal?.(socket);
    if (reason === undefined) return true;
    say(`${id}: client turned away: ${reason}`);
    socket.destroy();
    return false;
  };
  const device = await ServerChardev.open(id, target, wait, admit, tls && new Handshakes(tls, (reason) => { say(`${id}: TLS handshake failed: ${reason}`); }));
  if (wait) say(`info: QEMU waiting for connection on: disconnected:${text},server=on`);
  return device;
}

function takeTarget(options: SimpleOptions): SocketTarget {
  const [path, host, fd] = [take(options, 'path'), take(options, 'host'), take(options, 'fd')];
  if ([path, host, fd].filter((given) => given !== undefined).length > 1) {
    throw genericError("None or one of 'path', 'fd' or 'host' option required.");
  }
  const port = take(options, 'port');
  if (path !== undefined) return { path };
  if (host !== undefined) {
    if (port === undefined) throw genericError('chardev: socket: no port given');
    return { host: host === '' ? '0.0.0.0' : host, port: portNumber(port) };
  }
  if (fd === undefined) throw genericError("One of 'path', 'fd' or 'host' is required");
  const number = descriptor(fd);
  checkDescriptor(number);
  return { fd: number };
}

/** Ours, not QEMU's: the users and groups whose processes may connect, by number and with colons between. */
function takePeers(options: SimpleOptions): PeerRule | undefined {
  const numbers = (name: string): number[] | undefined =>
    take(options, name)?.split(':').map((text) => {
      if (!/^\d{1,10}$/.test(text)) throw genericError(`Parameter '${name}' expects numbers with colons between`);
      return Number(text);
    });
  const [uids, gids] = [numbers('allow-uid'), numbers('allow-gid')];
  return uids === undefined && gids === undefined ? undefined : { ...(uids && { uids }), ...(gids && { gids }) };
}

function describe(options: SimpleOptions): string {
  const path = options.get('path');
  if (path !== undefined) return `unix:${path}`;
  return options.has('fd') ? `fd:${options.get('fd')}` : `tcp:${options.get('host')}:${options.get('port')}`;
}

/** Clients that came before there was a monitor for them. */
class Waiting {
  #accept: ((stream: StreamPair, client: string) => void) | undefined;
  readonly #sockets = new Set<Socket>();

  arrived(socket: Socket, name: string): void {
    if (this.#accept !== undefined) this.#accept(streamsOf(socket), name);
    else {
      this.#sockets.add(socket);
      socket.on('error', () => this.#sockets.delete(socket));
    }
  }

  serve(accept: (stream: StreamPair, client: string) => void, name: string): void {
    this.#accept = accept;
    for (const socket of this.#sockets) accept(streamsOf(socket), name);
    this.#sockets.clear();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

class ServerChardev implements Chardev {
  readonly ready: Promise<void> | undefined;
  readonly #waiting = new Waiting();
  #listener!: SocketListener;
  #arrived: (() => void) | undefined;

  /** `wait`: it is ready when the first client has come. */
  private constructor(
    readonly id: string,
    wait: boolean,
    private readonly handshakes: Handshakes | undefined,
  ) {
    if (wait) this.ready = new Promise((resolve) => (this.#arrived = resolve));
  }

  static async open(id: string, target: SocketTarget, wait: boolean, admit: (socket: Socket) => boolean, handshakes: Handshakes | undefined): Promise<ServerChardev> {
    const device = new ServerChardev(id, wait, handshakes);
    const arrived = (socket: Socket): void => {
      device.#arrived?.();
      device.#waiting.arrived(socket, id);
    };
    device.#listener = await listen(target, (socket) => {
      if (!admit(socket)) return;
      if (handshakes === undefined) arrived(socket);
      else if (handshakes.count >= MAX_HANDSHAKES) socket.destroy();
      else handshakes.begin(socket, arrived);
    });
    return device;
  }

  serve(accept: (stream: StreamPair, client: string) => void): void {
    this.#waiting.serve(accept, this.id);
  }

  async close(): Promise<void> {
    this.#waiting.close();
    this.handshakes?.close();
    await this.#listener.close();
  }
}

interface ConnectOptions {
  /** Seconds after which a lost connection is tried again; 0: never. */
  readonly reconnect: number;
  readonly say: (message: string) => void;
  readonly tls: ClientTls | undefined;
}

class ClientChardev implements Chardev {
  readonly #waiting = new Waiting();
  #timer: NodeJS.Timeout | undefined;
  #handshaking: Socket | undefined;
  #closed = false;

  private constructor(
    readonly id: string,
    private readonly target: SocketTarget,
    private readonly options: ConnectOptions,
  ) {}

  static async open(id: string, target: SocketTarget, options: ConnectOptions): Promise<ClientChardev> {
    const device = new ClientChardev(id, target, options);
    if (options.reconnect > 0 && !('fd' in target)) await device.#try();
    else device.#connected(await device.#connect());
    return device;
  }

  serve(accept: (stream: StreamPair, client: string) => void): void {
    this.#waiting.serve(accept, this.id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#handshaking?.destroy();
    this.#waiting.close();
  }

  async #connect(): Promise<Socket> {
    const { target, options: { tls } } = this;
    const socket = 'fd' in target ? new Socket({ fd: target.fd, readable: true, writable: true, allowHalfOpen: true }) : await connectTo(target);
    if (tls === undefined) return socket;
    this.#handshaking = socket;
    try {
      const { connectTls } = await import('@blk/nbd');
      return await connectTls(socket, tls, 'host' in target ? target.host : '');
    } finally {
      this.#handshaking = undefined;
    }
  }

  #connected(socket: Socket): void {
    socket.on('error', () => undefined);
    if (this.options.reconnect > 0) socket.on('close', () => { this.#later(); });
    this.#waiting.arrived(socket, this.id);
  }

  async #try(): Promise<void> {
    try {
      this.#connected(await this.#connect());
    } catch (error) {
      this.options.say(`info: ${messageOf(error)}; trying again in ${this.options.reconnect} s`);
      this.#later();
    }
  }

  #later(): void {
    if (!this.#closed) this.#timer = setTimeout(() => void this.#try(), this.options.reconnect * 1000);
  }
}

/** A socket as the two streams that a monitor takes. */
function streamsOf(socket: Socket): StreamPair {
  return { readable: socket, writable: socket };
}
