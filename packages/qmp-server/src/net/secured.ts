/** Connections on their way through a TLS handshake. They count as clients, and end when nobody waits for them any more. */
import type { Socket } from 'node:net';
import { messageOf } from '@blk/core-graph';
import type { TlsCredentials } from '@blk/nbd';

export class Handshakes {
  readonly #sockets = new Set<Socket>();

  /** `failed`: told of each handshake that did not come to its end. */
  constructor(
    private readonly credentials: TlsCredentials,
    private readonly failed: (reason: string) => void,
  ) {}

  /** Connections whose handshake is not over. */
  get count(): number {
    return this.#sockets.size;
  }

  /** Hands the connection over when it is secured; a client that fails to get there is gone. */
  begin(socket: Socket, accept: (secured: Socket) => void): void {
    this.#sockets.add(socket);
    void this.#run(socket, accept);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #run(socket: Socket, accept: (secured: Socket) => void): Promise<void> {
    try {
      const { upgradeToTls } = await import('@blk/nbd');
      const secured = await upgradeToTls(socket, this.credentials);
      this.#sockets.delete(socket);
      accept(secured);
    } catch (error) {
      this.#sockets.delete(socket);
      this.failed(messageOf(error));
    }
  }
}
