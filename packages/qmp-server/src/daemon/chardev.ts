/** Character devices: what a monitor is put on. `socket` (as server, as client, or inherited), `stdio` and `null`. */
import { isIdentifier, IDENTIFIER_TEXT } from '../blockdev.js';
import { genericError } from '../errors.js';
import type { StreamPair } from '../monitor/transport.js';
import type { Surroundings } from './io.js';
import { parseSimpleOptions, refuseOthers, take, type SimpleOptions } from './simple-options.js';
import { openSocket, type CredentialLookup } from './socket-chardev.js';

/** A way for clients to reach a monitor. */
export interface Chardev {
  readonly id: string;
  /** Resolves when options behind it may be carried out; unset: at once. */
  readonly ready?: Promise<void> | undefined;
  /** Hands over clients: those that wait, and all that come. Called once. */
  serve(accept: (stream: StreamPair, client: string) => void): void;
  /** Takes no further client, and removes a socket's file. */
  close(): Promise<void>;
}

/** What QEMU has besides; refused by name. */
const OTHERS = [
  'braille', 'console', 'dbus', 'file', 'hub', 'memory', 'msmouse', 'parallel', 'parport', 'pipe', 'pty', 'qemu-vdagent', 'ringbuf', 'serial',
  'spicevmc', 'spiceport', 'testdev', 'tty', 'udp', 'vc', 'wctablet',
];

/** The character devices of a daemon, by name. */
export class Chardevs {
  readonly #devices = new Map<string, Chardev>();
  readonly #used = new Set<string>();

  /** `daemon`: standard input and output are closed. */
  constructor(
    private readonly around: Surroundings,
    private readonly daemon: boolean,
    private readonly credentials: CredentialLookup,
  ) {}

  /** Opens the device that the option describes. Waits for a client where `wait=on`. */
  async open(text: string): Promise<Chardev> {
    const options = parseSimpleOptions(text, 'backend');
    const backend = take(options, 'backend') ?? '';
    const id = take(options, 'id');
    if (id === undefined) throw genericError('chardev: no id specified');
    return this.add(id, backend, options);
  }

  async add(id: string, backend: string, options: SimpleOptions): Promise<Chardev> {
    if (!isIdentifier(id)) throw genericError(IDENTIFIER_TEXT);
    if (this.#devices.has(id)) throw genericError(`Chardev with id '${id}' already exists`);
    const device = await this.#open(id, backend, options);
    this.#devices.set(id, device);
    await device.ready;
    return device;
  }

  /** The device for a monitor; each serves one. */
  take(id: string): Chardev {
    const device = this.#devices.get(id);
    if (device === undefined) throw genericError(`chardev "${id}" not found`);
    if (this.#used.has(id)) throw genericError(`Device '${id}' is in use`);
    this.#used.add(id);
    return device;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#devices.values()].map((device) => device.close()));
  }

  #open(id: string, backend: string, options: SimpleOptions): Promise<Chardev> | Chardev {
    switch (backend) {
      case 'socket':
        return openSocket(id, options, (message) => { this.around.say(message); }, this.credentials);
      case 'stdio':
        if (this.daemon) throw genericError('cannot use stdio with -daemonize');
        take(options, 'signal');
        refuseOthers(options);
        return new StdioChardev(id, { readable: this.around.stdin, writable: this.around.stdout });
      case 'null':
        refuseOthers(options);
        return new NullChardev(id);
      default:
        if (OTHERS.includes(backend)) throw genericError(`chardev '${backend}' is not supported; use socket, stdio or null`);
        throw genericError(`'${backend}' is not a valid char driver name`);
    }
  }
}

class StdioChardev implements Chardev {
  constructor(
    readonly id: string,
    private readonly streams: StreamPair,
  ) {}

  serve(accept: (stream: StreamPair, client: string) => void): void {
    accept(this.streams, 'stdio');
  }

  async close(): Promise<void> {
    // The streams are the monitor's.
  }
}

class NullChardev implements Chardev {
  constructor(readonly id: string) {}

  serve(): void {
    // Nobody ever comes.
  }

  async close(): Promise<void> {
    // There is nothing to close.
  }
}
