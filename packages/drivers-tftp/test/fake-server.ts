/** A TFTP server of which every packet can be another one, or none; and a network that loses packets between two others. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { prng } from '@blk/oracle';

export interface Behaviour {
  /** Options that it grants, out of those that it is asked for; undefined: it knows none. */
  grant?: ((asked: ReadonlyMap<string, string>) => Record<string, string>) | undefined;
  /** Told who asks, and for what; each character is one byte. */
  request?: (client: RemoteInfo, name: string) => void;
  /** What goes out instead of a packet, for example nothing. `number` counts the packets of a transfer. */
  send?: (packet: Buffer, number: number) => Buffer[];
}

const bind = (socket: Socket, address = '127.0.0.1'): Promise<number> => new Promise((resolve) => { socket.bind(0, address, () => { resolve(socket.address().port); }); });

const familyOf = (address: string): 'udp4' | 'udp6' => (address.includes(':') ? 'udp6' : 'udp4');

/** Grants everything. */
export const generous = (size: number) => (asked: ReadonlyMap<string, string>): Record<string, string> => ({ ...Object.fromEntries(asked), tsize: String(size) });

export class FakeServer {
  requests = 0;
  /** Errors that clients sent. */
  readonly complaints: string[] = [];
  readonly #sockets: Socket[] = [];

  private constructor(readonly port: number, public bytes: Uint8Array, public behaviour: Behaviour, private readonly address: string) {}

  static async start(bytes: Uint8Array, behaviour: Behaviour = { grant: generous(bytes.length) }, address = '127.0.0.1'): Promise<FakeServer> {
    const socket = createSocket(familyOf(address));
    const server = new FakeServer(await bind(socket, address), bytes, behaviour, address);
    server.#sockets.push(socket);
    socket.on('message', (packet, from) => { void server.#request(packet, from); });
    return server;
  }

  get url(): string {
    return `tftp://${this.address.includes(':') ? `[${this.address}]` : this.address}:${this.port}/disk.raw`;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => new Promise<void>((resolve) => { socket.close(resolve); })));
  }

  async #request(packet: Buffer, from: RemoteInfo): Promise<void> {
    this.requests++;
    const words = packet.toString('latin1', 2).split('\0');
    this.behaviour.request?.(from, words[0]);
    const asked = new Map<string, string>();
    for (let at = 2; at + 1 < words.length; at += 2) asked.set(words[at], words[at + 1]);
    const granted = this.behaviour.grant?.(asked);
    const socket = createSocket(familyOf(this.address));
    await bind(socket, this.address);
    this.#sockets.push(socket);
    const block = Number(granted?.['blksize'] ?? 512);
    const window = Number(granted?.['windowsize'] ?? 1);
    let sent = 0;
    const send = (out: Buffer): void => { for (const one of this.behaviour.send?.(out, sent++) ?? [out]) socket.send(one, from.port, from.address); };
    const blocks = Math.floor(this.bytes.length / block) + 1;
    const sendFrom = (first: number): void => {
      for (let number = first; number < first + window && number <= blocks; number++) {
        send(Buffer.concat([Buffer.of(0, 3, (number >> 8) & 255, number & 255), this.bytes.subarray((number - 1) * block, number * block)]));
      }
    };
    let reached = 0;
    socket.on('message', (said) => {
      if (said.readUInt16BE(0) === 5) this.complaints.push(said.toString('latin1', 4));
      if (said.readUInt16BE(0) !== 4) return;
      // The whole number whose last 16 bits these are, near to what was reached.
      const told = said.readUInt16BE(2);
      reached += ((told - reached + 0x8000) & 0xffff) - 0x8000;
      sendFrom(reached + 1);
    });
    if (granted === undefined) sendFrom(1);
    else send(Buffer.from(`\0\x06${Object.entries(granted).map(([name, value]) => `${name}\0${value}\0`).join('')}`, 'latin1'));
  }
}

/** Stands between clients and a server, and loses, doubles and delays packets both ways. */
export async function startLossyNetwork(target: number, seed: number): Promise<{ readonly port: number; readonly lost: () => number; close(): Promise<void> }> {
  const random = prng(seed);
  const sockets: Socket[] = [];
  let lost = 0;
  const pass = (send: () => void): void => {
    const fate = random.below(20);
    if (fate === 0) lost++;
    else if (fate === 1) { send(); send(); }
    else if (fate === 2) setImmediate(send);
    else send();
  };
  const front = createSocket('udp4');
  const port = await bind(front);
  sockets.push(front);
  front.on('message', (request, client) => {
    // Both ends choose ports of their own: one socket for each side of a transfer.
    const [toClient, toServer] = [createSocket('udp4'), createSocket('udp4')];
    sockets.push(toClient, toServer);
    let server = target;
    void Promise.all([bind(toClient), bind(toServer)]).then(() => {
      toServer.on('message', (packet, { port: from }) => {
        server = from;
        pass(() => { toClient.send(packet, client.port, client.address); });
      });
      toClient.on('message', (packet) => { pass(() => { toServer.send(packet, server, '127.0.0.1'); }); });
      pass(() => { toServer.send(request, server, '127.0.0.1'); });
    });
  });
  const close = async (): Promise<void> => {
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => { socket.close(resolve); })));
  };
  return { port, lost: () => lost, close };
}
