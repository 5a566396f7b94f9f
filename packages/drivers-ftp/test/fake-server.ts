/** An FTP server of which every answer can be another one. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What is said to a command; undefined: as good servers do. An empty text: nothing. */
export type Script = (command: string, argument: string, connection: Connection) => string | undefined;

export interface Connection {
  readonly socket: Socket;
  /** Bytes that the next transfer begins at. */
  restart: number;
  /** The data connection that the client makes. */
  data: Promise<Socket> | undefined;
  say(text: string): void;
}

/** How a transfer ends; `sent` bytes are sent at the most. */
export interface Transfer {
  readonly sent?: number;
  /** Bytes that are sent behind the file's. */
  readonly more?: Buffer;
  /** `reset-behind`: by a reset, but all was sent, which the server says. */
  readonly end?: 'close' | 'reset' | 'reset-behind' | 'never';
  readonly say?: string;
}

export class FakeServer {
  script: Script = () => undefined;
  transfer: (start: number, number: number) => Transfer = () => ({});
  logins = 0;
  /** Sent a character at a time to whoever connects, as long as it lasts. */
  drip = '';
  dripped = 0;
  readonly commands: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #transfers = 0;

  private constructor(public bytes: Uint8Array, private readonly greeting: string, private readonly address: string) {
    this.#server = createServer((socket) => { this.#serve(socket); });
  }

  static async start(bytes: Uint8Array, greeting = '220-Hello\r\n 220 not yet\r\n220th visitor\r\n2200\r\n220 ready', address = '127.0.0.1'): Promise<FakeServer> {
    const server = new FakeServer(bytes, greeting, address);
    await new Promise<void>((resolve) => server.#server.listen(0, address, resolve));
    return server;
  }

  get url(): string {
    return `ftp://${this.address.includes(':') ? `[${this.address}]` : this.address}:${(this.#server.address() as AddressInfo).port}/disk.raw`;
  }

  count(command: string): number {
    return this.commands.filter((line) => line.split(' ')[0] === command).length;
  }

  /** What was said and sent so far is not counted. */
  forget(): void {
    this.commands.length = 0;
    this.#transfers = 0;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #serve(socket: Socket): void {
    this.#track(socket);
    const connection: Connection = { socket, restart: 0, data: undefined, say: (text) => { if (text !== '') socket.write(`${text}\r\n`); } };
    let rest = '';
    connection.say(this.greeting);
    void this.#drip(socket);
    socket.on('data', (chunk) => {
      rest += chunk.toString('latin1');
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        this.commands.push(line);
        const [command = '', ...words] = line.split(' ');
        const said = this.script(command, words.join(' '), connection);
        if (said === undefined) void this.#answer(command, words.join(' '), connection);
        else connection.say(said);
      }
    });
  }

  async #drip(socket: Socket): Promise<void> {
    for (const character of this.drip) {
      await new Promise<void>((resolve) => { socket.write(character, () => { setImmediate(resolve); }); });
      this.dripped++;
    }
  }

  async #answer(command: string, argument: string, connection: Connection): Promise<void> {
    switch (command) {
      case 'USER':
        return connection.say('331 password?');
      case 'PASS':
        this.logins++;
        return connection.say('230 welcome');
      case 'TYPE':
        return connection.say('200 yes');
      case 'SIZE':
        return connection.say(`213 ${this.bytes.length}`);
      case 'MDTM':
        return connection.say('213 20260101000000');
      case 'REST':
        connection.restart = Number(argument);
        return connection.say('350 from there');
      case 'EPSV':
      case 'PASV':
        return this.#listen(command, connection);
      case 'RETR':
        return this.#send(connection);
      default:
        return connection.say('502 what?');
    }
  }

  async #listen(command: string, connection: Connection): Promise<void> {
    const server = createServer();
    connection.data = new Promise((resolve) => {
      server.once('connection', (socket) => {
        this.#track(socket);
        server.close();
        resolve(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, this.address, resolve));
    const { port } = server.address() as AddressInfo;
    // Whoever believed the address would go astray.
    connection.say(command === 'EPSV' ? `229 ok (|||${port}|)` : `227 ok (192,0,2,1,${port >> 8},${port & 255})`);
  }

  async #send(connection: Connection): Promise<void> {
    const data = await connection.data;
    if (data === undefined) return connection.say('425 no data connection');
    const { restart: start } = connection;
    connection.restart = 0;
    const { sent = Infinity, more = Buffer.alloc(0), end = 'close', say = '226 done' } = this.transfer(start, this.#transfers++);
    connection.say('150 here it comes');
    const bytes = Buffer.concat([this.bytes.subarray(start, Math.min(start + sent, this.bytes.length)), more]);
    data.on('close', () => { if (!data.writableFinished && end !== 'reset-behind') connection.say('426 nobody listens'); });
    if (end === 'never') {
      data.write(bytes);
      return;
    }
    if (end === 'reset-behind') data.write(bytes, () => { this.#resetBehind(data, () => { connection.say(say); }); });
    else if (end === 'close') data.end(bytes, () => { connection.say(say); });
    else data.write(bytes, () => { data.resetAndDestroy(); });
  }

  /** A reset and nothing before it, once the client has most likely taken what was sent: where it has not, the data is lost, and asked for again. */
  #resetBehind(data: Socket, said: () => void): void {
    setTimeout(() => {
      const { _handle: handle } = data as unknown as { readonly _handle: { reset(done: () => void): void } | null };
      handle?.reset(() => { data.destroy(); });
      said();
    }, 30);
  }
}
