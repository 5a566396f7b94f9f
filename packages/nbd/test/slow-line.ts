/** A line to a server on which a test says how many bytes pass. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tempDir, type TempDir } from '@blk/oracle';

export class SlowLine implements AsyncDisposable {
  readonly #sockets: Socket[] = [];
  /** Bytes that may still pass from the client to the server; Infinity: all. */
  #budget = Infinity;
  #passed: (() => void) | undefined;
  #client: Socket | undefined;

  private constructor(
    private readonly dir: TempDir,
    private readonly server: Server,
  ) {}

  static async to(target: string): Promise<SlowLine> {
    const dir = tempDir();
    const server = createServer();
    const line = new SlowLine(dir, server);
    server.on('connection', (client) => { line.#join(client, connect(target)); });
    await new Promise<void>((resolve) => server.listen(line.path, resolve));
    return line;
  }

  get path(): string {
    return this.dir.file('line');
  }

  /** Nothing passes any more, until it is told to. What the server says does. */
  stop(): void {
    this.#budget = 0;
    this.#client?.pause();
  }

  /** Lets so many bytes pass, or somewhat more; resolves when they have, or the client has gone. Infinity: all from now on. */
  async pass(bytes: number): Promise<void> {
    this.#budget += bytes;
    const passed = new Promise<void>((resolve) => { this.#passed = resolve; });
    if (this.#budget > 0) this.#client?.resume();
    if (bytes !== Infinity && this.#budget > 0) await passed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
    this.dir[Symbol.dispose]();
  }

  #join(client: Socket, server: Socket): void {
    this.#client = client;
    this.#sockets.push(client, server);
    server.pipe(client);
    client.on('error', () => server.destroy()).on('close', () => {
      server.destroy();
      this.#passed?.();
    });
    server.on('error', () => client.destroy());
    client.on('data', (chunk: Uint8Array) => {
      server.write(chunk);
      this.#budget -= chunk.length;
      if (this.#budget > 0) return;
      client.pause();
      this.#passed?.();
    });
  }
}
