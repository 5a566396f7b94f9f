import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { enlargeSendBuffer } from '../src/server/send-buffer.js';

const BYTES = 300 * 1024;
const limit = process.platform === 'linux' ? Number(readFileSync('/proc/sys/net/core/wmem_max', 'latin1')) : 0;

/** An accepted socket on a unix socket or on TCP, whose other side takes nothing. */
async function accepted(over: 'unix' | 'tcp'): Promise<AsyncDisposable & { readonly socket: Socket }> {
  const folder = mkdtempSync(join(tmpdir(), 'blk-nbd-'));
  const server = createServer();
  if (over === 'unix') server.listen(join(folder, 's'));
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = typeof address === 'string' ? connect(address) : connect(address?.port ?? 0, '127.0.0.1');
  client.pause();
  const [socket] = (await once(server, 'connection')) as [Socket];
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
      client.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe('enlargeSendBuffer', () => {
  it.skipIf(limit < 212_992)('lets a unix socket take more at once', async () => {
    await using usual = await accepted('unix');
    usual.socket.write(new Uint8Array(BYTES));
    expect(usual.socket.writableLength).toBeGreaterThan(0);
    await using larger = await accepted('unix');
    await enlargeSendBuffer(larger.socket);
    larger.socket.write(new Uint8Array(BYTES));
    expect(larger.socket.writableLength).toBe(0);
  });

  it('leaves TCP alone, and sockets that are closed', async () => {
    await using tcp = await accepted('tcp');
    await enlargeSendBuffer(tcp.socket);
    await using closed = await accepted('unix');
    closed.socket.destroy();
    await expect(enlargeSendBuffer(closed.socket)).resolves.toBeUndefined();
  });
});
