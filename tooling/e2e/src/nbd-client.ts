// A small NBD client for tests: fixed newstyle, simple replies, several requests in flight. It shares no code with the server.
import { connect, type Socket } from 'node:net';

const CMD = { read: 0, write: 1, disconnect: 2, flush: 3, trim: 4, writeZeroes: 6 } as const;

interface Pending {
  readonly resolve: (data: Buffer) => void;
  readonly reject: (error: Error) => void;
  readonly length: number;
}

export class NbdTestClient {
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #received: Buffer = Buffer.alloc(0);
  #closed = false;

  private constructor(
    private readonly socket: Socket,
    readonly size: number,
  ) {
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#parse();
    });
    socket.on('close', () => {
      this.#closed = true;
      for (const pending of this.#pending.values()) pending.reject(new Error('connection closed'));
      this.#pending.clear();
    });
  }

  static async connect(path: string, exportName: string): Promise<NbdTestClient> {
    const socket = connect(path);
    socket.on('error', () => undefined);
    const take = reader(socket);
    await take(18);
    // Fixed newstyle, no zeroes; then the oldest option, which every server has.
    const name = Buffer.from(exportName);
    const hello = Buffer.alloc(4 + 16);
    hello.writeUInt32BE(3, 0);
    hello.write('IHAVEOPT', 4);
    hello.writeUInt32BE(1, 12);
    hello.writeUInt32BE(name.length, 16);
    socket.write(Buffer.concat([hello, name]));
    const answer = await take(10);
    socket.removeAllListeners('data');
    return new NbdTestClient(socket, Number(answer.readBigUInt64BE(0)));
  }

  read(offset: number, length: number): Promise<Buffer> {
    return this.#request(CMD.read, offset, length, undefined, length);
  }
  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#request(CMD.write, offset, data.length, data, 0);
  }
  async writeZeroes(offset: number, length: number): Promise<void> {
    await this.#request(CMD.writeZeroes, offset, length, undefined, 0);
  }
  async trim(offset: number, length: number): Promise<void> {
    await this.#request(CMD.trim, offset, length, undefined, 0);
  }
  async flush(): Promise<void> {
    await this.#request(CMD.flush, 0, 0, undefined, 0);
  }
  /** Ends the connection at once. */
  destroy(): void {
    this.socket.destroy();
  }

  #request(command: number, offset: number, length: number, payload: Uint8Array | undefined, reply: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error('connection closed'));
        return;
      }
      const handle = this.#next++;
      this.#pending.set(handle, { resolve, reject, length: reply });
      const header = Buffer.alloc(28);
      header.writeUInt32BE(0x25609513, 0);
      header.writeUInt16BE(command, 6);
      header.writeBigUInt64BE(BigInt(handle), 8);
      header.writeBigUInt64BE(BigInt(offset), 16);
      header.writeUInt32BE(length, 24);
      this.socket.write(payload ? Buffer.concat([header, payload]) : header);
    });
  }

  #parse(): void {
    while (this.#received.length >= 16) {
      const handle = Number(this.#received.readBigUInt64BE(8));
      const error = this.#received.readUInt32BE(4);
      const pending = this.#pending.get(handle);
      const body = error === 0 ? (pending?.length ?? 0) : 0;
      if (this.#received.length < 16 + body) return;
      const data = Buffer.from(this.#received.subarray(16, 16 + body));
      this.#received = this.#received.subarray(16 + body);
      this.#pending.delete(handle);
      if (error === 0) pending?.resolve(data);
      else pending?.reject(new Error(`NBD error ${error}`));
    }
  }
}

/** Takes exact numbers of bytes off a socket. */
function reader(socket: Socket): (length: number) => Promise<Buffer> {
  let buffer: Buffer = Buffer.alloc(0);
  let want: { length: number; resolve: (data: Buffer) => void } | undefined;
  const serve = (): void => {
    if (want === undefined || buffer.length < want.length) return;
    const { length, resolve } = want;
    want = undefined;
    const data = buffer.subarray(0, length);
    buffer = buffer.subarray(length);
    resolve(data);
  };
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    serve();
  });
  return (length) =>
    new Promise((resolve, reject) => {
      want = { length, resolve };
      socket.once('close', () => { reject(new Error('connection closed')); });
      serve();
    });
}
