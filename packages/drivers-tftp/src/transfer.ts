/** One transfer on a socket of its own: from the request to the last acknowledgement, with everything said again that gets lost. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { SocketAddress } from 'node:net';
import type { Host } from '@blk/core-graph';
import { networkError, type Watchdog } from '@blk/remote';
import { tftpError } from './errors.js';
import { acknowledgement, errorPacket, parsePacket, readRequest, type Packet } from './packet.js';
import type { Place } from './place.js';
import { Receiver } from './receiver.js';

export interface TransferSettings {
  readonly place: Place;
  readonly host: Pick<Host, 'timer'>;
  /** Ends it. */
  readonly watchdog: Watchdog;
  /** The server has begun: the size, where it tells. Throws where that is not what is wanted. */
  begun(size: number | undefined): void;
  /** Takes bytes; the next window is asked for when that is done. */
  take(offset: number, bytes: Uint8Array): Promise<void>;
}

/** Milliseconds without a packet until the last word is said again: at first, and at most. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 1600;
/** Bytes that the system keeps of packets that nobody has looked at: more than one window. */
const RECEIVE_BUFFER = 1024 * 1024;
/** Code of an error that packets of strangers are answered with. */
const UNKNOWN_TRANSFER = 5;

/** Gives back how many bytes came. */
export async function transfer(settings: TransferSettings): Promise<number> {
  const { place: { host, port } } = settings;
  const { address: found, family } = await lookup(host).catch((error: unknown) => { throw networkError('tftp', error, host, port); });
  // As the system writes it: packets are told from those of strangers by it.
  const { address } = new SocketAddress({ address: found, family: family === 6 ? 'ipv6' : 'ipv4' });
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', recvBufferSize: RECEIVE_BUFFER });
  return new Promise<number>((resolve, reject) => new Transfer(settings, socket, address, resolve, reject).start()).finally(() => { socket.close(); });
}

class Transfer {
  readonly #receiver: Receiver;
  /** The port that the server answers from: every transfer has one of its own. */
  #port: number | undefined;
  #over = false;
  #begun = false;
  /** Bytes that were handed over, and those of the window that is coming. */
  #taken = 0;
  #pieces: Uint8Array[] = [];
  #pause = FIRST_PAUSE;
  #cancel: () => void = () => undefined;
  /** While the last window is handed over, packets are repetitions. */
  #busy = false;

  constructor(
    private readonly settings: TransferSettings,
    private readonly socket: Socket,
    private readonly address: string,
    private readonly resolve: (size: number) => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.#receiver = new Receiver(settings.place);
  }

  start(): void {
    const { watchdog: { signal }, place } = this.settings;
    const abort = (): void => { this.#fail(signal.reason as Error); };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    this.socket.on('error', (error) => { this.#fail(networkError('tftp', error, place.host, place.port)); });
    this.socket.on('message', (bytes, from) => { this.#receive(bytes, from); });
    this.socket.bind(() => { this.#sayAgain(); });
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    // Nothing can be sent to port 0, which no server has.
    if (this.#over || from.port === 0) return;
    // Anybody can send to a port; only the server's address counts, and then only the port that it chose.
    if (from.address !== this.address || (this.#port !== undefined && from.port !== this.#port)) {
      // An error is never answered by another one: two that do so would go on for ever (RFC 1350, section 7).
      if (parsePacket(bytes)?.kind !== 'error') this.socket.send(errorPacket(UNKNOWN_TRANSFER, 'Unknown transfer ID'), from.port, from.address);
      return;
    }
    const packet = this.#busy ? undefined : parsePacket(bytes);
    if (packet === undefined) return;
    this.#port = from.port;
    try {
      this.#take(packet);
    } catch (error) {
      this.#send(errorPacket(0, 'Not wanted'));
      this.#fail(error as Error);
    }
  }

  #take(packet: Packet): void {
    if (packet.kind === 'data') this.#begin(undefined);
    const step = this.#receiver.receive(packet);
    switch (step.what) {
      case 'wait':
        return;
      case 'fail':
        if (step.code !== undefined) this.#send(errorPacket(step.code, 'Not wanted'));
        return this.#fail(step.error);
      case 'agreed':
        this.#begin(step.size);
        return this.#say(0);
      case 'repeat':
        return this.#say(step.block);
      case 'take':
        // The socket's buffer is not ours to keep.
        this.#pieces.push(Uint8Array.from(step.data));
        this.settings.watchdog.progress(step.data.length);
        if (step.block === undefined) return this.#restart();
        return void this.#store(step.block, step.last);
    }
  }

  #begin(size: number | undefined): void {
    if (this.#begun) return;
    this.#begun = true;
    this.settings.begun(size);
  }

  async #store(block: number, last: boolean): Promise<void> {
    this.#busy = true;
    this.#cancel();
    try {
      const bytes = Buffer.concat(this.#pieces);
      this.#pieces = [];
      await this.settings.take(this.#taken, bytes);
      this.#taken += bytes.length;
    } catch (error) {
      // Where it is over already, so is the socket.
      if (!this.#over) this.#send(errorPacket(3, 'Not wanted'));
      return this.#fail(error as Error);
    }
    this.#busy = false;
    if (this.#over) return;
    if (!last) return this.#say(block);
    this.#over = true;
    this.#send(acknowledgement(block), () => { this.resolve(this.#taken); });
  }

  #say(block: number): void {
    this.#send(acknowledgement(block));
    this.#restart();
  }

  /** What was said last may have been lost, or the answer to it. */
  #sayAgain(): void {
    if (this.#over) return;
    const { place } = this.settings;
    const { reached } = this.#receiver;
    this.#receiver.forgetGap();
    if (reached !== undefined) this.#send(acknowledgement(reached));
    else this.socket.send(readRequest(place.path, { tsize: 0, blksize: place.blksize, windowsize: place.windowsize }), place.port, this.address);
    this.#cancel();
    this.#cancel = this.settings.host.timer(this.#pause, () => { this.#sayAgain(); });
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  /** Something came: silence is counted from here. */
  #restart(): void {
    this.#pause = FIRST_PAUSE;
    this.#cancel();
    this.#cancel = this.settings.host.timer(this.#pause, () => { this.#sayAgain(); });
  }

  #send(packet: Buffer, sent?: () => void): void {
    if (this.#port === undefined) return;
    this.socket.send(packet, this.#port, this.address, sent);
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancel();
    // Told so that it does not go on sending; nobody waits for that to arrive.
    if (this.#port !== undefined && this.settings.watchdog.signal.aborted) this.#send(errorPacket(0, 'Not wanted'), () => { this.reject(error); });
    else this.reject(error);
  }
}

/** The server ended the file where it had not said that it would. */
export function wrongSize(came: number, size: number): Error {
  return tftpError('io', 'size', `The server sent ${came} of ${size} bytes`);
}
