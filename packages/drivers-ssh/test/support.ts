/** A real server for the driver, and a wire to it that can be cut. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { BlockGraph, type BlockDriver, type Definition, type Host } from '@blk/core-graph';
import { startSshd, tempDir, type Sshd, type TempDir } from '@blk/oracle';
import { sshDriver, type SshDriverOptions } from '../src/index.js';

export interface Served extends AsyncDisposable {
  readonly server: Sshd;
  readonly dir: TempDir;
  /** The driver with the test's own user and known hosts. */
  readonly driver: BlockDriver;
  /** Puts a file there. */
  put(name: string, content: Uint8Array): void;
  get(name: string): Uint8Array;
  definition(name: string, more?: Definition): Definition;
  uri(name: string): string;
  graph(host?: Partial<Host>, own?: SshDriverOptions): BlockGraph;
}

/** OpenSSH's server on a folder of its own. */
export async function serve(sftp?: string): Promise<Served> {
  const dir = tempDir();
  const server = await startSshd({ dir: dir.path, ...(sftp === undefined ? {} : { sftp }) });
  const own = { home: server.home, agent: false, systemKnownHosts: dir.file('none') } as const;
  const driver = sshDriver(own);
  return {
    server,
    dir,
    driver,
    put: (name, content) => { writeFileSync(dir.file(name), content); },
    get: (name) => readFileSync(dir.file(name)),
    definition: (name, more = {}) => ({
      driver: 'ssh', server: { host: '127.0.0.1', port: String(server.port) }, user: server.user, path: dir.file(name), ...more,
    }),
    uri: (name) => `ssh://${server.user}@127.0.0.1:${server.port}${dir.file(name)}`,
    graph: (host = {}, more = {}) => new BlockGraph({ drivers: [sshDriver({ ...own, ...more })], host }),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      dir[Symbol.dispose]();
    },
  };
}

/** A wire to a port of the loopback interface: counts connections, cuts them, and holds back what the server says. */
export class Wire implements AsyncDisposable {
  /** Connections made so far. */
  count = 0;
  /** Called with every chunk that the client sends. */
  onSent: ((bytes: number) => void) | undefined;
  #open = new Set<Socket>();
  #refusing = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async to(target: number): Promise<Wire> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const wire = new Wire(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => { wire.#join(socket, target); });
    return wire;
  }

  /** Cuts all connections, and those that are made until `mend`. */
  cut(): void {
    this.#refusing = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend(): void {
    this.#refusing = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #join(client: Socket, target: number): void {
    this.count++;
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect(target, '127.0.0.1');
    client.on('data', (chunk) => this.onSent?.(chunk.length));
    for (const [from, to] of [[client, server], [server, client]] as const) {
      this.#open.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy()).on('close', () => {
        this.#open.delete(from);
        to.destroy();
      });
    }
  }
}
